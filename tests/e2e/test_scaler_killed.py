"""The scaler is killed right before and right after entries of its journal, under load.

Started again, it finishes or undoes what it had begun: no replica too many or without
traffic, no container left created or exited, no request lost.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from testkit.drill import by_hand
from testkit.kills import assert_consistent, kill_scaler, start_again
from testkit.load import Kind, Load
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

UP = ("begin", "enter:create", "enter:start", "enter:ready", "finish")
DOWN = ("begin", "enter:drain", "enter:stop", "enter:remove", "finish")
EVERY = tuple(zip(UP, DOWN, strict=True))
"""Entries of a step up, each with one of a step down. They are taken in turn: one begins where one ended.

Between the first and the last, each has its kill in tests/unit/scaler/steps/test_compose.py.
"""
SEED = 20261123
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
    """Have the scaler die there; the id of its last start stands for the number that the file wants."""
    (stack.directory / "tests/e2e/crash/point").write_text(f"{last_start(stack)} {point}", encoding="ascii")


def last_start(stack: Stack) -> int:
    """The id of the event of the scaler's last start; 0 while it does not answer."""
    try:
        newest = stack.scaler("/api/v1/events?limit=50")["events"]
    except OSError:
        return 0
    return max((int(e["id"]) for e in newest if e["kind"] == "started"), default=0)


def await_start(stack: Stack, *, after: int, killed: str) -> None:
    wait_until(lambda: last_start(stack) > after, within=30, what=f"the scaler after its death {killed}")


def kill_process(stack: Stack) -> None:
    """SIGKILL to the scaler alone, the grandchild of the container's first process."""
    pid = str(stack.containers("scaler")[0]["State"]["Pid"])
    for _ in range(2):
        found = subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True, check=True)
        (pid,) = found.stdout.split()
    subprocess.run(["kill", "-KILL", pid], check=True)


@pytest.mark.parametrize(
    ("moment", "entries"),
    [
        pytest.param("before", EVERY[3:4], id="before: ready, remove"),
        pytest.param("after", EVERY[1:2], id="after: create, drain"),
        pytest.param("before", EVERY, id="before each", marks=pytest.mark.drill),
        pytest.param("after", EVERY, id="after each", marks=pytest.mark.drill),
    ],
)
def test_a_step_survives_the_scaler_killed_at_an_entry_of_its_journal(
    crashing: Stack, moment: str, entries: tuple[tuple[str, str], ...]
) -> None:
    stack = crashing
    stack.scale(1)
    with Load(Kind(clients=8, method="POST", path=LIGHT), port=stack.ports["NGINX_PORT"]) as load:
        for up, down in entries:
            for point, end in ((up, 2), (down, 1)):
                before = last_start(stack)
                arm(stack, f"{moment} {point}")
                # The answer may be cut off by the death; the order is kept before it is acted on.
                with contextlib.suppress(requests.RequestException):
                    stack.change("/api/v1/services/flask-app/scale", {"replicas": end})
                await_start(stack, after=before, killed=f"{moment} {point}")
                assert_consistent(stack, end)
    assert load.lost == {}
    assert load.answers["200"] > 100 * len(entries)


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.drill)])
def test_the_scaler_may_be_killed_at_any_moment(crashing: Stack, kills: int) -> None:
    """At random moments of steps up and down; the order of the count stands and is carried out."""
    stack = crashing
    chance = random.Random(SEED)  # noqa: S311 - a drill that can be repeated, not a secret
    wanted = 1
    with Load(Kind(clients=8, method="POST", path=LIGHT), port=stack.ports["NGINX_PORT"]) as load:
        for nth in range(kills):
            wanted = chance.choice([n for n in (1, 2, 3) if n != wanted])
            before = last_start(stack)
            stack.change("/api/v1/services/flask-app/scale", {"replicas": wanted})
            time.sleep(chance.uniform(0, 2.5))
            if nth % 3 == 0:
                kill_scaler(stack)
                start_again(stack, killed="at a random moment, with its container")
            else:
                kill_process(stack)
                await_start(stack, after=before, killed="at a random moment")
            assert_consistent(stack, wanted)
    assert load.lost == {}
