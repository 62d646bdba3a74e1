"""From what was seen to figures, without a stack."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import plots
from bench.members import footprint, kills, lost_requests, reaction, service, soak
from bench.model import Figure, Outcome, Verdict
from tests.unit.bench.builders import a_result
from tests.unit.bench.measured import footprint_of, reacted, served

ROOT = Path(__file__).parents[3]


def named(outcome: Outcome) -> dict[str, Figure]:
    return {figure.name: figure for figure in outcome.figures}


def drilled(*, lost: int, sent: int = 60_000) -> lost_requests.Drilled:
    up = lost_requests.Step(at=1.0, to=2, down=False, seconds=1.5, lost=0)
    down = lost_requests.Step(at=4.0, to=1, down=True, seconds=9.0, lost=lost)
    return lost_requests.Drilled(
        steps=(up, down) * 10,
        sent=sent,
        seconds=20.0,
        lost={"POST /work?ms=1: 502": 10 * lost} if lost else {},
        answered={"GET /work?ms=0": sent - lost},
        sent_in={0: sent},
        lost_in={9: 10 * lost} if lost else {},
    )


LENGTH = lost_requests.Length(steps=20, downs=5, requests=50_000)


def drill(ours: lost_requests.Drilled, theirs: lost_requests.Drilled) -> Outcome:
    pair = lost_requests.Pair(ours=ours, theirs=theirs)
    return lost_requests.outcome(pair, deaf=pair, length=LENGTH, seed=1)


def test_a_drill_without_loss_stands_next_to_what_the_script_lost() -> None:
    outcome = drill(drilled(lost=0), drilled(lost=4, sent=9_000))
    lost = named(outcome)["lost requests"]
    assert (lost.value, lost.verdict) == (0, Verdict.OK)
    assert lost.compared is not None
    assert (lost.compared.what, lost.compared.value) == ("scale, then reload, in 9,000 requests", 40)
    assert named(outcome)["lost a step down"].compared.value == 4  # type: ignore[union-attr]
    assert not a_result(*outcome.figures).failed_gates


def test_one_lost_request_fails_the_run() -> None:
    outcome = drill(drilled(lost=1), drilled(lost=4))
    assert [f.name for f in a_result(*outcome.figures).failed_gates] == [
        "lost requests",
        "lost requests, service deaf to SIGTERM",
    ]
    assert outcome.notes[0] == "alertscale lost: 10 times POST /work?ms=1: 502"


def test_a_script_that_lost_nothing_is_said_to_prove_nothing() -> None:
    assert "does not show that the drill can fail" in drill(drilled(lost=0), drilled(lost=0)).notes[-1]


@pytest.mark.parametrize(
    ("steps", "downs", "sent", "reached"),
    [(20, 5, 50_000, True), (19, 5, 50_000, False), (20, 4, 50_000, False), (20, 5, 49_999, False)],
)
def test_a_drill_goes_on_until_steps_downs_and_requests_are_reached(
    steps: int, downs: int, sent: int, reached: bool
) -> None:
    done = [lost_requests.Step(at=0, to=1, down=number < downs, seconds=1, lost=0) for number in range(steps)]
    assert LENGTH.reached(done, sent) is reached


def a_kill(*, fault: str = "", before: int = 1) -> kills.Kill:
    return kills.Kill(before=before, ordered=2, after=0.5, answered=1.0, right=3.0, fault=fault, lost=0)


def test_a_kill_after_which_something_is_wrong_fails_the_run_and_says_what() -> None:
    outcome = kills.outcome([a_kill(), a_kill(fault="an orphan")], sent=100, lost={}, wanted=2)
    assert outcome.notes == ("kill 2: an orphan",)
    failed = [figure.name for figure in a_result(*outcome.figures).failed_gates]
    assert failed == ["kills after which something was wrong"]


def test_kills_without_a_fault_or_a_loss_pass() -> None:
    outcome = kills.outcome([a_kill()] * 50, sent=100, lost={}, wanted=50)
    assert not a_result(*outcome.figures).failed_gates
    assert named(outcome)["kill → the scaler answers again"].value == 1.0


def samples(*, minutes: float = 10, **grows: float) -> list[Mapping[str, float]]:
    """Every five seconds; what is named grows by so much a minute."""
    flat = {
        "scaler resident": 40e6, "exporter resident": 30e6, "scaler files": 20, "exporter files": 12,
        "scaler threads": 12, "exporter threads": 5, "journal": 8e6, "events": 10_000, "steps": 5,
        "replicas": 2, "scaler working set": 50e6, "exporter working set": 30e6,
    }  # fmt: skip
    changes = {name.replace("_", " "): each for name, each in grows.items()}
    return [
        {"at": at, **{name: value + changes.get(name, 0) * at / 60 for name, value in flat.items()}}
        for at in range(0, int(minutes * 60), 5)
    ]


def soaked(taken: list[Mapping[str, float]], *, lost: int = 0, restarts: int = 0) -> Outcome:
    return soak.outcome(
        taken,
        steps={"up": 20, "down": 20},
        answers={"200": 1000} | ({"502": lost} if lost else {}),
        restarts=restarts,
        minutes=10,
    )


def test_a_soak_in_which_nothing_grows_passes() -> None:
    outcome = soaked(samples())
    assert not a_result(*outcome.figures).failed_gates
    assert named(outcome)["scaler: working set, greatest"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("grows", "name"),
    [
        ({"scaler_resident": 1e6}, "scaler: memory: growth"),
        ({"exporter_resident": 1e6}, "exporter: memory: growth"),
        ({"scaler_files": 1}, "scaler: open files: growth"),
        ({"exporter_threads": 1}, "exporter: threads: growth"),
        ({"journal": 100e3}, "journal on disk: growth"),
        ({"events": 100}, "events kept: growth"),
    ],
)
def test_a_soak_in_which_something_grows_fails_and_names_it(grows: dict[str, float], name: str) -> None:
    outcome = soaked(samples(**grows))
    assert [figure.name for figure in a_result(*outcome.figures).failed_gates] == [name]


def test_a_soak_that_loses_a_request_or_a_container_fails() -> None:
    failed = a_result(*soaked(samples(), lost=1, restarts=1).figures).failed_gates
    assert {figure.name for figure in failed} == {"lost requests", "containers that were started again"}


def test_what_shrinks_has_not_grown() -> None:
    assert named(soaked(samples(scaler_resident=-1e6)))["scaler: memory: growth"].value == 0


def test_only_the_low_alerts_are_made_quicker_and_only_for_a_while(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "prometheus", tmp_path / "prometheus")
    file = tmp_path / "prometheus" / "alert.rules.yml"
    before = yaml.safe_load(file.read_text())
    with soak.low_alerts_shortened(tmp_path):
        during = yaml.safe_load(file.read_text())
    expected = copy.deepcopy(before)
    changed = [
        rule for group in expected["groups"] for rule in group["rules"] if rule["alert"].startswith("Low")
    ]
    assert len(changed) == 2
    for rule in changed:
        rule["for"] = "3s"
    assert during == expected
    assert file.read_bytes() == (ROOT / "prometheus" / "alert.rules.yml").read_bytes()


RAW: list[tuple[Any, Outcome]] = [
    (lost_requests.BENCHMARK, drill(drilled(lost=0), drilled(lost=4))),
    (kills.BENCHMARK, kills.outcome([a_kill(), a_kill(before=3, fault="x")], sent=1, lost={}, wanted=2)),
    (soak.BENCHMARK, soaked(samples())),
    (reaction.BENCHMARK, reacted()),
    (footprint.BENCHMARK, footprint_of()),
    (service.BENCHMARK, served()),
]


@pytest.mark.parametrize(("benchmark", "outcome"), RAW, ids=lambda value: getattr(value, "name", ""))
def test_a_plot_is_drawn_from_what_the_file_holds_and_is_the_same_each_time(
    benchmark: Any,  # noqa: ANN401 - as in the list
    outcome: Outcome,
    tmp_path: Path,
) -> None:
    kept = Outcome(figures=outcome.figures, raw=json.loads(json.dumps(outcome.raw)))
    result = a_result(name=benchmark.name, outcome=kept)
    drawn = []
    for _ in range(2):
        plots.draw(benchmark, result, folder=tmp_path)
        drawn.append((tmp_path / f"{benchmark.name}.svg").read_bytes())
    assert drawn[0].startswith(b"<?xml")
    assert drawn[0] == drawn[1]
