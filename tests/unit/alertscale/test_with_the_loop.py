"""The command line with the scaler's real loop, on an engine in memory."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from alertscale.errors import Exit
from tests.fakes import until
from tests.unit.alertscale.conftest import Run
from tests.unit.alertscale.stage import served
from tests.unit.scaler.rig import HIGH, Rig, labels, running, watchdog


@pytest.fixture(autouse=True)
def log_apart() -> Iterator[None]:
    """Where pytest shows it: the runner takes what is printed meanwhile for the command's."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.reset_defaults()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A scaler that runs, with one replica of a service of 1 to 4."""
    made = Rig(home=tmp_path)
    made.target.add(labels=labels(max="4"))
    with running(made):
        made.submit(watchdog())
        until(lambda: made.reason() == "steady")
        yield made


@pytest.fixture
def url(rig: Rig) -> Iterator[str]:
    with served(rig.orders, rig.reading) as address:
        yield address


def test_an_order_up_and_one_down_are_waited_for(run: Run, rig: Rig, url: str) -> None:
    up = run("scale", "web", "3", ALERTSCALE_URL=url)
    assert (up.code, up.out) == (0, "shop/web has 3 replicas.\n")
    assert rig.names() == ["shop-web-1", "shop-web-2", "shop-web-3"]
    assert "Replica 2 was added: a person asked for it" in up.err
    down = run("scale", "web", "1", ALERTSCALE_URL=url)
    assert (down.code, rig.names()) == (0, ["shop-web-1"])


def test_an_order_for_what_is_there_already_ends_at_once(run: Run, rig: Rig, url: str) -> None:
    assert run("scale", "web", "1", "--timeout", "5", ALERTSCALE_URL=url).code == 0
    assert rig.names() == ["shop-web-1"]


def test_an_order_against_a_pause_says_so_and_is_done_when_it_is_lifted(run: Run, rig: Rig, url: str) -> None:
    run("pause", "web", "up", ALERTSCALE_URL=url)
    held = run("scale", "web", "2", "--json", ALERTSCALE_URL=url)
    assert (held.code, held.json["outcome"]) == (Exit.NOT_REACHED, "held")
    assert "a person holds steps up" in held.json["why"]
    run("resume", "web", ALERTSCALE_URL=url)
    rig.settle(["shop-web-1", "shop-web-2"])


def test_explain_tells_what_the_loop_was_decided_on(run: Run, rig: Rig, url: str) -> None:
    run("pause", "web", "up", ALERTSCALE_URL=url)
    rig.submit(*HIGH)
    until(lambda: rig.reason() == "paused")
    shown = json.loads(run("explain", "web", "--json", ALERTSCALE_URL=url).out)
    up, down = shown["explanation"]["ways"]
    assert up["sentence"] == "It goes up to 2 once a person lets steps up go (alertscale resume web)."
    assert down["sentence"] == "It does not go down: alertscale.min is 1."
    assert shown["explanation"]["headline"].startswith("Holding at 1: a person holds steps up")


def test_explain_during_an_order_by_hand_does_not_contradict_it(run: Run, rig: Rig, url: str) -> None:
    rig.target.unready = {2}
    run("scale", "web", "4", "--no-wait", ALERTSCALE_URL=url)
    until(lambda: (d := rig.decision()) is not None and (d.reason, d.replicas) == ("stepping", 2))
    shown = json.loads(run("explain", "web", "--json", ALERTSCALE_URL=url).out)["explanation"]
    up, down = shown["ways"]

    assert shown["headline"] == "A step is under way at 2 replicas; a person asked for 4."
    assert up["sentence"] == (
        "It goes up to 3, on its way to 4, once the step under way has ended: a person asked for 4."
    )
    assert (down["sentence"], down["target"]) == ("It does not go down: a person asked for 4.", None)
    rig.target.unready = set()
    rig.settle(["shop-web-1", "shop-web-2", "shop-web-3", "shop-web-4"])
