"""A node's power is taken away under load: what is lost, what comes back, and who acts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from testkit.load import MIX, Load
from testkit.stack import wait_until
from tests.swarm.cluster import NGINX_PORT, STACK, Swarm, since

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

TAKEN_OVER_WITHIN = 15.0
"""Seconds from the death of the scaler that acts, or of its node, until another acts."""

ELECTED_WITHIN = 30.0
"""Seconds in which the managers elect a leader: up to twice the ten of raft's election tick, and a second try
when two of them began at once."""

WATCHED = 10.0

STANDS_BY = "this scaler stands by"
HANDS_ON = "this node leads the managers; a scaler on another node acts from now on"
"""What a scaler logs."""


@pytest.fixture
def alive(running: Swarm) -> Swarm:
    """Every node with what these tests need, the scaler on another node than the leader, one replica."""
    running.revive_all()
    running.settle("scaler", "nginx", "flask-app")
    running.await_acting_off_the_leader()
    running.calm_down()
    return running


def test_a_scaler_that_is_killed_is_replaced_by_another(
    alive: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    at = alive.await_acting_off_the_leader()
    alive.pause("down")
    wait_until(lambda: '"down"' in alive.lease().get("note", ""), within=2, what="the pause is written down")
    scaler = alive.docker("ps", "--quiet", "--filter", f"name={STACK}_scaler", on=at).split()[0]
    alive.docker("kill", scaler, on=at)
    begun = time.monotonic()
    (other,) = wait_until(alive.acting, within=30, what="another scaler that acts")
    took = since(begun)
    assert took < TAKEN_OVER_WITHIN
    assert other.name != at.name
    # What a person asked the one before for, this one knows.
    wait_until(lambda: alive.service().get("pause") == "down", within=10, what="the pause")
    with capsys.disabled():
        print(f"\n  killed on {at.name}, {other.name} acts after {took:.1f} s")  # noqa: T201 - the figure is part of what this test shows


def test_the_acting_scalers_node_dies_in_a_step_and_another_acts_without_a_double_step(
    alive: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = alive.await_acting_off_the_leader()
    begin_a_step_to_three(alive)
    alive.kill(victim)
    begun = time.monotonic()
    (other,) = wait_until(alive.acting, within=90, what="another scaler that acts")
    took = since(begun)
    seen = counts_seen(alive)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {victim.name} acted and died; {other.name} acts after {took:.1f} s; counts seen since:"
            f" {seen}"
        )
    assert took < TAKEN_OVER_WITHIN
    assert seen == [3]
    alive.await_replicas(3, within=90)


def test_a_worker_that_dies_loses_only_what_was_under_way_on_it(
    alive: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    # All three are managers: the one that neither leads nor acts stands for a worker.
    apart = {alive.await_acting_off_the_leader().name, alive.leader().name}
    (victim,) = [one for one in alive.cluster.nodes if one.name not in apart]
    entry = alive.leader()
    alive.pause("all")
    alive.docker("service", "scale", "--detach", f"{STACK}_flask-app=3")
    alive.await_replicas(3, within=60)
    wait_until(lambda: len(alive.tasks()) == 3, within=30, what="one replica on each node")
    with Load(*MIX, port=NGINX_PORT, host=entry.address, patience=25) as drill:
        wait_until(lambda: drill.answers["200"] > 300, within=30, what="traffic")
        before = sum(drill.lost.values())
        alive.kill(victim)
        begun = time.monotonic()
        wait_until(
            lambda: sum(alive.tasks().get(n.name, 0) for n in alive.alive()) == 3,
            within=90,
            what="three replicas on the nodes that are left",
        )
        back = since(begun)
        assert alive.count() == 3
        answered = drill.answers["200"]
        wait_until(lambda: drill.answers["200"] > answered + 200, within=30, what="more traffic")
    assert before == 0
    seconds = dict(sorted(drill.lost_in.items()))
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {victim.name} died; three replicas again after {back:.1f} s; of {drill.sent} requests lost"
            f" {drill.lost or 0}, by the second of the drill: {seconds}"
        )
    # The request that was under way there, and one that was sent there before it was given up.
    assert max(drill.lost_by.values(), default=0) <= 2


def test_the_leader_dies_in_a_step_and_the_scaler_that_acts_goes_on(
    alive: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can change anything until the managers have elected another, and nothing is to be taken over."""
    at = alive.await_acting_off_the_leader()
    leader = alive.leader()
    begin_a_step_to_three(alive)
    before, told = wait_until(alive.lease, within=10, what="the lease"), len(alive.said(at))
    alive.kill(leader)
    begun = time.monotonic()
    after = wait_until(lambda: renewed(alive, than=before), within=ELECTED_WITHIN, what="a renewal")
    took = since(begun)
    seen = counts_seen(alive)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {leader.name} led and died; nobody could change anything for {took:.1f} s; the scaler on"
            f" {at.name} goes on; counts seen since: {seen}"
        )
    assert seen == [3]
    alive.await_replicas(3, within=90)
    wait_until(lambda: ends(alive.said(at)[told:]), within=60, what="the step's end")
    since_then = alive.said(at)[told:]
    (end,) = ends(since_then)
    assert (end["number"], end["outcome"]) == (3, "done"), end
    # The very process: it was never replaced. It may lead now itself, and hand on once the step has ended.
    events = [line["event"] for line in since_then]
    assert STANDS_BY not in events[: since_then.index(end)]
    assert after["holder"] == before["holder"] or HANDS_ON in events[since_then.index(end) :]
    alive.await_acting_off_the_leader(within=60)
    assert alive.count() == 3


def ends(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that tell how a step ended."""
    return [line for line in log if line["event"] == "step"]


def begin_a_step_to_three(stack: Swarm) -> None:
    """Return in the middle of a step from two to three: Swarm has been asked, the replica is not ready."""
    # Idle as it is, it would be scaled down meanwhile.
    stack.pause("down")
    wait_until(lambda: '"down"' in stack.lease().get("note", ""), within=5, what="the pause is written down")
    stack.docker("service", "scale", "--detach", f"{STACK}_flask-app=2")
    stack.await_replicas(2, within=60)
    answer = stack.change("/api/v1/services/flask-app/scale", {"replicas": 3})
    assert answer.status_code == 202, answer.text
    wait_until(lambda: stack.count() == 3, within=20, what="the step has begun", every=0.02)
    assert stack.ready() < 3


def counts_seen(stack: Swarm) -> list[int]:
    """Every count that the service has in the next seconds."""
    seen, begun = set(), time.monotonic()
    while since(begun) < WATCHED:
        seen.add(stack.count())
    return sorted(seen)


def renewed(stack: Swarm, *, than: dict[str, str]) -> dict[str, str]:
    """The lease, once a holder has written it anew; empty until then."""
    lease = stack.lease()
    return lease if lease.get("holder") and int(lease["turn"]) > int(than["turn"]) else {}
