"""``docker compose up -d`` sets the count back to one; what we do then: docs/decisions/0001-plain-up.md."""

from __future__ import annotations

import time

import pytest

from testkit.load import Kind, Load
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

# Waits instead of burning CPU: an alert of its own would move the count.
LIGHT = "/sleep?seconds=0.1"


def run_up(stack: Stack, *words: str) -> None:
    stack.compose("up", "--detach", "--no-deps", *words, "flask-app")


def ready(stack: Stack) -> int:
    return [r["state"] for r in stack.service()["replicas"]].count("ready")


def step_reasons(stack: Stack, *, since: int) -> list[str]:
    """Why each step after an event was taken, oldest first; the API shows the last thousand events."""
    return [e["detail"]["why"] for e in stack.events() if e["id"] > since and e["kind"] == "step"]


def test_a_plain_up_loses_no_request_and_what_the_load_needs_is_back_at_once(
    one_replica: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three replicas it stops two, under their requests; an alert then brings back both, not one."""
    stack = one_replica
    stack.pause("down")
    stack.scale(3)
    before = stack.events()[-1]["id"]
    with Load(Kind(clients=8, method="POST", path=LIGHT), port=stack.ports["NGINX_PORT"]) as light:
        wait_until(lambda: light.answers["200"] > 100, within=30, what="traffic")
        run_up(stack)
        begun = time.monotonic()
        # Heavy only from here on: an alert of before would have asked for a fourth.
        with Load(
            Kind(clients=12, method="POST", path="/work?ms=60"), port=stack.ports["NGINX_PORT"]
        ) as heavy:
            wait_until(lambda: ready(stack) >= 3, within=30, what="three replicas again")
            took = time.monotonic() - begun
            wait_until(
                lambda: step_reasons(stack, since=before).count("restore") == 2,
                within=5,
                what="two steps in the history that are no orders and no steps of a cooldown each",
            )
    with capsys.disabled():
        print(f"\n  three replicas again {took:.1f} s after `docker compose up -d`")  # noqa: T201 - part of what this test shows
    assert light.lost == {}
    assert heavy.lost == {}
    stack.pause("none")


def test_a_count_that_a_person_chose_stands_while_the_load_is_content(one_replica: Stack) -> None:
    stack = one_replica
    stack.pause("down")
    stack.scale(3)
    with Load(Kind(clients=8, method="POST", path=LIGHT), port=stack.ports["NGINX_PORT"]) as load:
        wait_until(lambda: load.answers["200"] > 100, within=30, what="traffic")
        run_up(stack, "--scale", "flask-app=2")
        wait_until(lambda: ready(stack) == 2, within=10, what="the count that was asked for")
        time.sleep(5)  # longer than a tick: nothing is to happen
        assert len(stack.containers()) == 2
    assert load.lost == {}
    stack.pause("none")
