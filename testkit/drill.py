"""Steps that only the caller orders, one after the other."""

import contextlib
import random
from collections.abc import Iterator

from testkit.stack import Stack, wait_until


@contextlib.contextmanager
def by_hand(stack: Stack) -> Iterator[Stack]:
    """Only the caller orders steps: no alert reaches the scaler."""
    firing = alerts(stack)
    stack.compose("stop", "alertmanager")
    try:
        forget(stack, firing)
        yield stack
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "alertmanager")


def alerts(stack: Stack) -> list[dict[str, str]]:
    """The labels of each alert that scales and that Alertmanager repeats to the scaler."""
    told = stack.session.get(stack.url("ALERTMANAGER_PORT", "/api/v2/alerts"), timeout=10).json()
    return [a["labels"] for a in told if "scale" in a["labels"]]


def forget(stack: Stack, firing: list[dict[str, str]]) -> None:
    """Tell the scaler that alerts are over which nobody repeats any more; others it forgets in 15 s."""
    over = [{"status": "resolved", "labels": labels} for labels in firing]
    answer = stack.change("/alerts", {"version": "4", "status": "resolved", "alerts": over})
    assert answer.status_code == 202, answer.text
    wait_until(lambda: not stack.service()["alerts"], within=30, what="the last alert's end")


def counts(*, seed: int, lowest: int, highest: int) -> Iterator[int]:
    """Counts in random order without an end, each one more or one fewer than the last, from the lowest on."""
    chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, not a secret
    now = lowest
    while True:
        now += 1 if now == lowest else -1 if now == highest else chance.choice([1, -1])
        yield now
