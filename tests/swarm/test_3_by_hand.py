"""Somebody scales by hand at the same moment as the scaler: nothing is lost of either, the bounds hold."""

from __future__ import annotations

import threading

import pytest

from machine import node
from testkit.stack import wait_until
from tests.swarm.cluster import FLASK_APP, Swarm

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ROUNDS = 3


def test_a_manual_scale_at_the_moment_of_a_step_is_not_lost(
    calm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last to write wins, on what the one before has written: the count is what the last one said."""
    overtaken = 0
    for turn in range(ROUNDS):
        calm.scale(2)
        before = len(calm.steps())
        by_hand = threading.Thread(target=scale_by_hand, args=(calm, 4 + turn % 2))
        by_hand.start()
        answer = calm.change("/api/v1/services/flask-app/scale", {"replicas": 3})
        by_hand.join()
        assert answer.status_code == 202
        # The order through the API stands until it is reached, so that is where it ends, whoever was first.
        calm.await_replicas(3, within=60)
        assert calm.count() == 3
        overtaken += sum("overtaken" in text for text in calm.steps()[before:])
    with capsys.disabled():
        print(f"\n  {ROUNDS} rounds, {overtaken} steps found the service changed and were decided anew")  # noqa: T201 - the figure is part of what this test shows


def scale_by_hand(stack: Swarm, count: int) -> None:
    """Scale as a person does: Swarm refuses that too when the scaler was first, and the person repeats it."""
    words = ("service", "scale", "--detach", f"{FLASK_APP}={count}")
    wait_until(
        lambda: node.docker(stack.alive()[0], *words).ok,
        within=10,
        what="Swarm takes the count given by hand",
    )


def test_a_manual_count_out_of_bounds_is_brought_back(calm: Swarm) -> None:
    calm.docker("service", "scale", "--detach", f"{FLASK_APP}=8")
    wait_until(lambda: calm.count() == 6, within=30, what="the maximum")
    calm.await_replicas(6, within=60)


def test_a_manual_count_within_the_bounds_is_respected(calm: Swarm) -> None:
    calm.pause("down")
    calm.docker("service", "scale", "--detach", f"{FLASK_APP}=3")
    calm.await_replicas(3, within=30)
    assert calm.count() == 3


def test_what_no_node_can_take_is_taken_back_and_not_asked_for_again_at_once(calm: Swarm) -> None:
    """Each node has two CPUs, so of those that reserve one and a half each takes one."""
    calm.docker("service", "update", "--detach", "--reserve-cpu", "1.5", FLASK_APP)
    try:
        wait_until(lambda: _decision(calm) == "deploying", within=20, what="a hold during the update")
        wait_until(lambda: _decision(calm) != "deploying", within=60, what="the update's end")
        calm.change("/api/v1/services/flask-app/scale", {"replicas": 4})
        told = wait_until(
            lambda: [text for text in calm.steps() if "cannot_place" in text], within=60, what="a failed step"
        )
        assert "no suitable node (insufficient resources" in told[0]
        wait_until(lambda: _decision(calm) == "backoff", within=10, what="a hold before the next try")
        assert calm.count() == 3
        calm.await_replicas(3, within=10)
    finally:
        calm.docker("service", "update", "--detach", "--reserve-cpu", "0", FLASK_APP)
        wait_until(lambda: _decision(calm) != "deploying", within=90, what="the update's end")


def _decision(stack: Swarm) -> str:
    return str((stack.service().get("decision") or {}).get("reason"))
