"""Services that are made anew together get each other's addresses, and none is ever answered by another."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from testkit.load import Kind, Load
from testkit.sites import LIGHT, Behind, answered_by_others, stranger_waiting
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
FILE = Path(__file__).with_name("three-services.yml")
SERVICES = ("quick", "slow", "slowest")
RESTS = (("GET", 0.01), ("POST", 0.01), ("POST", 0.5))
"""Method and seconds between two requests: fewer than a replica lingers after it was asked to stop, since a
client that was idle at a reload is answered once more as before it (docs/reliability.md, what does not hold).
"""
KINDS = tuple(
    Kind(clients=1, method=method, path=LIGHT, site=f"{service}.example", rest=rest)
    for service in SERVICES
    for method, rest in RESTS
)
WINDOW, LONGEST = 0.5, 2.0
"""Seconds for which nginx may send requests to the address of a replica that has crashed: where nothing else
holds that up, and on a machine that has other work."""


class Three(Behind):
    """Three services of one replica each, of which each other starts at another speed."""

    def recreate(self) -> int:
        """Deploy all of them anew at once, as a person would; return how many addresses changed hands."""
        before = self.addresses()
        self.compose("up", "--detach", "--force-recreate")
        return self._changed_hands(before)

    def exchange(self) -> int:
        """The same one after the other: the engine gives the lowest address that is free."""
        before = self.addresses()
        first, *others = sorted(before, key=lambda name: [int(n) for n in before[name].split(".")])
        self.compose("stop")
        for name in (*others, first):
            self.compose("up", "--detach", "--force-recreate", name)
        return self._changed_hands(before)

    def _changed_hands(self, before: dict[str, str]) -> int:
        now = self.addresses()
        return sum(now[name] != before[name] and now[name] in before.values() for name in self.services)


@pytest.fixture
def alone(one_replica: Stack) -> Iterator[Stack]:
    """The stack with nothing to do but what the test does."""
    one_replica.pause("all")
    yield one_replica
    one_replica.pause("none")


def alerts_of(stack: Stack, service: str) -> set[str]:
    """Names of the alerts that Prometheus has for a service, pending ones too."""
    query = {"query": f'ALERTS{{project="{stack.project}-three",service="{service}"}}'}
    answer = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/query"), params=query, timeout=10)
    return {str(found["metric"]["alertname"]) for found in answer.json()["data"]["result"]}


def three(stack: Stack, *, starts: tuple[int, int]) -> Three:
    """The three; seconds until the second and the third are ready, roughly: the first takes none."""
    slow, slowest = map(str, starts)
    return Three(
        stack=stack,
        project=f"{stack.project}-three",
        file=FILE,
        services=SERVICES,
        variables={"SLOW": slow, "SLOWEST": slowest},
    )


def failures(load: Load) -> dict[str, int]:
    """What was neither an answer nor a 503 that says when to come again."""
    return {end: n for end, n in load.lost.items() if not end.endswith(": 503 with Retry-After")}


@pytest.mark.parametrize(
    ("times", "starts"),
    [pytest.param(1, (1, 3), id="short"), pytest.param(20, (3, 8), id="long", marks=pytest.mark.drill)],
)
@pytest.mark.timeout(900)
def test_services_made_anew_together_are_never_answered_by_one_another(
    alone: Stack, times: int, starts: tuple[int, int]
) -> None:
    load = Load(*KINDS, port=alone.ports["NGINX_PORT"])
    with three(alone, starts=starts).up() as behind, load:
        # Else it would prove nothing.
        assert behind.exchange() == len(SERVICES)
        behind.await_all()
        changed = len(SERVICES)
        for _ in range(times):
            changed += behind.recreate()
            behind.await_all()
    print(  # noqa: T201 - the figure is part of what this test shows
        f"\n  {load.sent} requests over {times + 1} recreations, {changed} addresses changed hands:"
        f" {load.answers['200']} answered, {sum(load.lost.values())} not"
    )
    assert answered_by_others(load) == {}
    assert failures(load) == {}
    # Not forgotten as soon as they are away, whoever took them away and why.
    wait_until(lambda: "ServiceDown" in alerts_of(alone, "quick"), within=10, what="its alert")
    assert load.lost
    assert {site for site, _ in load.answered_by} == {f"{name}.example" for name in SERVICES}


# Half a second is what it takes where a CPU is free, which a run beside others does not promise.
@pytest.mark.parametrize(
    ("crashes", "window"),
    [
        pytest.param(1, LONGEST, id="short"),
        pytest.param(5, WINDOW, id="long", marks=pytest.mark.drill),
    ],
)
def test_who_gets_the_address_of_a_crashed_replica_gets_its_requests_for_a_moment_at_most(
    alone: Stack, crashes: int, window: float
) -> None:
    with three(alone, starts=(0, 0)).up() as behind:
        measured = [crash(behind) for _ in range(crashes)]
    for one in measured:
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {one.window:.2f} s until nginx let go of a crashed replica; meanwhile {one.by_stranger}"
            f" of {one.asked} requests were answered by who has its address"
        )
    assert min(one.window for one in measured) < window
    assert max(one.window for one in measured) < LONGEST


@dataclass(frozen=True, kw_only=True)
class Crash:
    """What became of the visitors of a service whose replica crashed.

    Attributes:
        window: seconds from the crash to the last request that nginx passed on.
        asked: requests in this time.
        by_stranger: of these, answered by who has the address now.
    """

    window: float
    asked: int
    by_stranger: int


def crash(three: Three) -> Crash:
    """Kill the replica of ``quick``, remove it, and give its address to another container at once."""
    (replica,) = three.stack.containers("quick", project=three.project)
    address = three.addresses()["quick"]
    with (
        stranger_waiting(three.stack, replica["Config"]["Image"]) as (engine, stranger),
        Visitors(three) as visitors,
    ):
        wait_until(lambda: visitors.seen > 20, within=5, what="visitors")
        begun = time.monotonic()
        os.kill(replica["State"]["Pid"], signal.SIGKILL)
        engine.remove_container(replica["Id"], force=True)
        engine.start(stranger)
        networks = engine.inspect_container(stranger)["NetworkSettings"]["Networks"]
        assert [n["IPAddress"] for n in networks.values()] == [address]
        wait_until(lambda: visitors.seen_last == ["503"] * 50, within=10, what="nobody but nginx itself")
    after = [(at - begun, answer) for at, answer in sorted(visitors.answers) if at > begun]
    window = max((at for at, answer in after if answer != "503"), default=0.0)
    within = [answer for at, answer in after if at <= window]
    three.compose("up", "--detach", "quick")
    three.await_all()
    return Crash(window=window, asked=len(within), by_stranger=within.count("stranger"))


class Visitors:
    """Of the site of ``quick``: a new one, on a connection of its own, whatever became of those before.

    Attributes:
        answers: when each came, on the monotonic clock, and who answered, else the status.
    """

    def __init__(self, three: Three) -> None:
        self._three = three
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=200)
        self._coming = threading.Thread(target=self._come)
        self.answers: list[tuple[float, str]] = []

    @property
    def seen(self) -> int:
        return len(self.answers)

    @property
    def seen_last(self) -> list[str]:
        return [answer for _, answer in sorted(self.answers)[-50:]]

    def __enter__(self) -> Self:
        self._coming.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._coming.join()
        self._pool.shutdown()

    def _come(self) -> None:
        while not self._stop.wait(0.01):
            self._pool.submit(self._ask)

    def _ask(self) -> None:
        at = time.monotonic()
        self.answers.append((at, self._three.answer("quick")))
