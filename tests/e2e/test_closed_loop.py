"""Load makes the service grow, idleness makes it shrink, and no request is lost on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from testkit.load import Kind, Load
from testkit.stack import Stack, wait_until
from tests.e2e import quick

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
HELD = timedelta(seconds=30)
"""How long the shipped rules want usage to be low before a replica is removed."""


class Counts:
    """Samples how many replicas run, in a thread of its own, by what Docker says."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.seen: list[int] = []

    def __enter__(self) -> Counts:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)
        self._look()

    def _sample(self) -> None:
        while not self._stop.wait(0.2):
            self._look()

    def _look(self) -> None:
        running = sum(c["State"]["Running"] for c in self._stack.containers())
        if not self.seen or self.seen[-1] != running:
            self.seen.append(running)


@pytest.fixture
def as_shipped(one_replica: Stack) -> Iterator[Stack]:
    """One replica, and the rules as they are shipped: usage must be low for half a minute."""
    with quick.shipped_rules(one_replica):
        yield one_replica


def test_load_adds_replicas_one_at_a_time_and_idleness_removes_them(
    as_shipped: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = as_shipped
    with Counts(stack) as counts:
        with Load(port=stack.ports["NGINX_PORT"]) as load:
            wait_until(lambda: len(load.first_answer) >= 2, within=30, what="an answer from replica 2")
            stack.await_replicas(4, within=120)
            wait_until(lambda: len(load.first_answer) >= 4, within=10, what="answers from all four")
            # At max it stays, however long the load goes on.
            time.sleep(5)
            assert len(stack.containers()) == 4
        took = sorted(load.first_answer.values())[1]
        with capsys.disabled():
            print(f"\n  load step to the first answer of replica 2 through nginx: {took:.2f} s")  # noqa: T201 - the figure is part of what this test shows
        ended = datetime.now(tz=UTC)
        stack.await_replicas(1, within=180)
    assert counts.seen == [1, 2, 3, 4, 3, 2, 1]
    assert load.lost == {}
    assert load.answers["200"] > 100
    decisions = [e for e in stack.events() if e["kind"] == "decision"]
    assert {"alert_up", "at_max", "alert_down"} <= {e["reason"] for e in decisions}
    downs = [datetime.fromisoformat(e["at"]) for e in decisions if e["reason"] == "alert_down"]
    assert min(at for at in downs if at > ended) - ended > HELD


def test_requests_in_flight_on_a_leaving_replica_are_answered(one_replica: Stack) -> None:
    """Eight-second requests are spread over two replicas when one of them is told to leave."""
    stack = one_replica
    stack.pause("all")
    stack.compose("up", "--detach", "--no-recreate", "--scale", "flask-app=2", "flask-app")
    stack.await_replicas(2, within=30)
    stack.pause("up")
    with (
        Load(Kind(clients=6, method="POST", path="/sleep?seconds=8"), port=stack.ports["NGINX_PORT"]) as slow,
        Load(Kind(clients=4, method="POST", path="/work?ms=1"), port=stack.ports["NGINX_PORT"]) as quick,
    ):
        wait_until(lambda: quick.answers["200"] > 50, within=20, what="traffic")
        time.sleep(2)
        answer = stack.change("/api/v1/services/flask-app/scale", {"replicas": 1})
        assert answer.status_code == 202, answer.text
        stack.await_replicas(1, within=60)
    assert slow.lost == {}
    assert quick.lost == {}
    assert slow.answers["200"] >= 6
