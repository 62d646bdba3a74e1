"""A node's power is taken away under load: what is lost, what comes back, and who acts."""

from __future__ import annotations

import time

import pytest

from engine.node import Node
from tests.e2e.drill import Drill
from tests.e2e.stack import wait_until
from tests.swarm.cluster import NGINX_PORT, STACK, Swarm, since

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

TAKEN_OVER_WITHIN = 15.0
"""Seconds from the death of the scaler that acts, or of its node, until another acts."""

ELECTED_WITHIN = 20.0
"""Seconds that the managers may take to elect a leader: up to twice the ten of raft's election tick."""


def _holds(stack: Swarm, service: str) -> str:
    form = "{{.Node}}"
    words = ("service", "ps", "--filter", "desired-state=running", "--format", form, f"{STACK}_{service}")
    return stack.docker(*words).split()[0]


def test_a_scaler_that_is_killed_is_replaced_by_another(
    calm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    (at,) = calm.acting()
    calm.pause("down")
    wait_until(lambda: '"down"' in calm.handed_over(), within=2, what="the pause is written down")
    scaler = calm.docker("ps", "--quiet", "--filter", f"name={STACK}_scaler", on=at).split()[0]
    calm.docker("kill", scaler, on=at)
    begun = time.monotonic()
    (other,) = wait_until(calm.acting, within=30, what="another scaler that acts")
    took = since(begun)
    assert took < TAKEN_OVER_WITHIN
    assert other.name != at.name
    # What a person asked the one before for, this one knows.
    wait_until(lambda: calm.service().get("pause") == "down", within=10, what="the pause")
    with capsys.disabled():
        print(f"\n  killed on {at.name}, {other.name} acts after {took:.1f} s")  # noqa: T201 - the figure is part of what this test shows


def test_a_worker_that_dies_loses_only_what_was_under_way_on_it(
    calm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = {
        calm.leader().name,
        calm.acting()[0].name,
        _holds(calm, "prometheus"),
        _holds(calm, "alertmanager"),
    }
    calm.pause("all")
    calm.docker("service", "scale", "--detach", f"{STACK}_flask-app=3")
    calm.await_ready(3, within=60)
    wait_until(lambda: len(calm.tasks()) == 3, within=30, what="one replica on each node")
    # All three are managers: the one that leads nobody and runs nothing unique stands for a worker.
    free = [one for one in calm.cluster.nodes if one.name not in keep]
    victim = free[0] if free else next(n for n in calm.cluster.nodes if n.name != calm.leader().name)
    entry = next(n for n in calm.cluster.nodes if n.name != victim.name)
    with Drill(port=NGINX_PORT, host=entry.address, patience=25).running() as drill:
        wait_until(lambda: drill.answers["200"] > 300, within=30, what="traffic")
        before = sum(drill.lost.values())
        calm.kill(victim)
        begun = time.monotonic()
        wait_until(
            lambda: sum(calm.tasks().get(n.name, 0) for n in calm.alive()) == 3,
            within=90,
            what="three replicas on the nodes that are left",
        )
        back = since(begun)
        assert calm.count() == 3
        time_left = max(0.0, 5 - since(begun))
        wait_until(lambda: since(begun) > time_left, within=30, what="a few more requests")
    assert before == 0
    seconds = sorted(drill.lost_in)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {victim.name} died; three replicas again after {back:.1f} s; of {drill.sent} requests lost"
            f" {drill.lost or 0}, in seconds {seconds} of the drill"
        )
    # Those that it had: each client has one request under way, and a third of them were there.
    assert sum(drill.lost.values()) <= 19


def test_the_leaders_death_is_taken_over_without_a_double_step(
    calm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = _lead_and_act(calm)
    calm.docker("service", "scale", "--detach", f"{STACK}_flask-app=2")
    calm.await_ready(2, within=60)
    calm.change("/api/v1/services/flask-app/scale", {"replicas": 3})
    wait_until(lambda: calm.count() == 3, within=20, what="the step has begun")
    calm.kill(victim)
    begun = time.monotonic()
    (other,) = wait_until(calm.acting, within=90, what="another scaler that acts")
    took = since(begun)
    counts = set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        counts.add(calm.count())
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {victim.name} led and acted; {other.name} acts after {took:.1f} s; counts seen since:"
            f" {sorted(counts)}"
        )
    assert counts == {3}
    # Without a leader nobody can change anything; from the election on it is the scaler's time.
    assert took < ELECTED_WITHIN + TAKEN_OVER_WITHIN


def _lead_and_act(stack: Swarm) -> Node:
    """The node that leads, with the scaler that acts on it: killed until it is that one's turn."""
    leader = stack.leader()
    for _ in range(6):
        (at,) = stack.acting()
        if at.name == leader.name:
            return leader
        scaler = stack.docker("ps", "--quiet", "--filter", f"name={STACK}_scaler", on=at).split()[0]
        stack.docker("kill", scaler, on=at)
        wait_until(lambda at=at: [n for n in stack.acting() if n.name != at.name], within=30, what="another")  # type: ignore[misc]
        stack.settle()
    return leader
