"""Replicas made by the scaler are Compose's own."""

from __future__ import annotations

import json

import pytest

from testkit.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(200)]


def test_compose_lists_logs_keeps_and_scales_what_the_scaler_made(one_replica: Stack) -> None:
    stack = one_replica
    stack.scale(3)
    stack.pause("all")
    ids = [c["Id"] for c in stack.containers()]
    names = [c["Name"].lstrip("/") for c in stack.containers()]
    assert names == [f"{stack.project}-flask-app-{number}" for number in (1, 2, 3)]

    listed = [json.loads(line) for line in stack.compose("ps", "--format", "json", "flask-app").splitlines()]
    assert sorted(entry["Name"] for entry in listed) == names

    logs = stack.compose("logs", "--no-color", "flask-app")
    assert {line.split("|")[0].strip() for line in logs.splitlines()} == {f"flask-app-{n}" for n in (1, 2, 3)}

    stack.compose("up", "--detach", "--scale", "flask-app=3", "flask-app")
    assert [c["Id"] for c in stack.containers()] == ids

    stack.compose("up", "--detach", "--scale", "flask-app=2", "--wait")
    assert [c["Id"] for c in stack.containers()] == ids[:2]


def test_a_count_chosen_by_hand_within_the_bounds_is_respected(one_replica: Stack) -> None:
    """Idleness may lower it again after the cooldown, never at once."""
    stack = one_replica
    stack.pause("down")
    stack.compose("up", "--detach", "--scale", "flask-app=2", "--wait")
    stack.await_replicas(2, within=20)
    assert stack.service()["decision"]["direction"] is None
