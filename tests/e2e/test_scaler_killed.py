"""The scaler is killed right before and right after each entry of its journal, under load.

Started again, it finishes or undoes what it had begun: no replica too many or without
traffic, no container left created or exited, no request lost.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from testkit.drill import by_hand
from testkit.kills import assert_consistent, kill_scaler, start_again
from testkit.load import Load
from testkit.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

UP = ("begin", "enter:create", "enter:start", "enter:ready", "finish")
DOWN = ("begin", "enter:drain", "enter:stop", "enter:remove", "finish")
SEED = 20261123
KILLS = 6
# Waits instead of burning CPU: an alert of its own would move the count.
LIGHT = "/sleep?seconds=0.1"


@pytest.fixture(scope="module")
def crashing(stack: Stack) -> Iterator[Stack]:
    """A scaler that can be made to die at a point of its journal; only the test orders steps."""
    changed = replace(stack, files=(*stack.files, "tests/e2e/docker-compose.crash.yml"))
    changed.compose("up", "--detach", "--wait", "--no-deps", "scaler")
    changed.await_replicas(1, within=30)
    changed.pause("none")
    try:
        # The load is low, and on a slow machine a kill takes longer than the cooldown of a step down.
        with by_hand(changed):
            yield changed
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "scaler")
        stack.scale(1)


def arm(stack: Stack, point: str) -> None:
    path = "/var/lib/alertscale/data/crash-point"
    stack.compose("exec", "-T", "scaler", "sh", "-c", f"printf '%s' '{point}' > {path}")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_step_survives_the_scaler_killed_at_each_entry_of_its_journal(crashing: Stack, moment: str) -> None:
    stack = crashing
    stack.scale(1)
    with Load(port=stack.ports["NGINX_PORT"], clients=8, path=LIGHT, method="POST") as load:
        # One up, one down, in turn: each begins at the count at which the one before has ended.
        for up, down in zip(UP, DOWN, strict=True):
            for point, end in ((up, 2), (down, 1)):
                arm(stack, f"{moment} {point}")
                # The answer may be cut off by the death; the order is kept before it is acted on.
                with contextlib.suppress(requests.RequestException):
                    stack.change("/api/v1/services/flask-app/scale", {"replicas": end})
                start_again(stack, killed=f"{moment} {point}")
                assert_consistent(stack, end)
    assert load.failures == {}
    assert load.answers["200"] > 500


def test_the_scaler_may_be_killed_at_any_moment(crashing: Stack) -> None:
    """At random moments of steps up and down; the order of the count stands and is carried out."""
    stack = crashing
    chance = random.Random(SEED)  # noqa: S311 - a drill that can be repeated, not a secret
    wanted = 1
    with Load(port=stack.ports["NGINX_PORT"], clients=8, path=LIGHT, method="POST") as load:
        for _ in range(KILLS):
            wanted = chance.choice([n for n in (1, 2, 3) if n != wanted])
            stack.change("/api/v1/services/flask-app/scale", {"replicas": wanted})
            time.sleep(chance.uniform(0, 2.5))
            kill_scaler(stack)
            start_again(stack, killed="at a random moment")
            assert_consistent(stack, wanted)
    assert load.failures == {}
