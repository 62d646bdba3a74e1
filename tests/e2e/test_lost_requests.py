"""No request is lost while replicas come and go; the same drill shows that "stop, then reload" loses some."""

from __future__ import annotations

import http.client
import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.drill import Drill
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
SEED = 20261123
STEPS = 8
LEAST_DOWNS = 3


@pytest.fixture
def by_hand(one_replica: Stack) -> Iterator[Stack]:
    """Only the test orders steps: no alert reaches the scaler."""
    one_replica.compose("stop", "alertmanager")
    wait_until(
        lambda: one_replica.service()["decision"]["reason"] == "blind", within=30, what="the last alert's end"
    )
    yield one_replica
    one_replica.compose("up", "--detach", "--wait", "--no-deps", "alertmanager")


def plan(steps: int, *, lowest: int, highest: int) -> list[int]:
    """Counts in random order, each one more or one fewer than the last, from the lowest on."""
    chance = random.Random(SEED)  # noqa: S311 - a drill that can be repeated, not a secret
    counts, now = [], lowest
    for _ in range(steps):
        now += 1 if now == lowest else -1 if now == highest else chance.choice([1, -1])
        counts.append(now)
    return counts


def test_no_request_is_lost_over_steps_up_and_down(
    by_hand: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = plan(STEPS, lowest=1, highest=4)
    downs = sum(after < before for before, after in zip([1, *counts], counts, strict=False))
    assert downs >= LEAST_DOWNS
    with Drill(port=by_hand.ports["NGINX_PORT"]).running() as drill:
        for count in counts:
            by_hand.scale(count)
    with capsys.disabled():
        print(f"\n  {drill.sent} requests over {STEPS} steps, {downs} of them down: lost {drill.lost or 0}")  # noqa: T201 - the figure is part of what this test shows
    assert drill.lost == {}
    assert drill.answers["200"] == drill.sent > 2000


def test_the_drill_can_fail(by_hand: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A replica that is stopped first and taken out of nginx afterwards takes its requests with it."""
    by_hand.scale(3)
    by_hand.compose("stop", "scaler")
    try:
        with Drill(port=by_hand.ports["NGINX_PORT"]).running() as drill:
            wait_until(lambda: drill.answers["200"] > 500, within=30, what="traffic")
            for victim in by_hand.containers()[:0:-1]:
                subprocess.run(["docker", "rm", "--force", victim["Id"]], check=True, capture_output=True)
                by_hand.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    finally:
        by_hand.compose("up", "--detach", "--wait", "--no-deps", "scaler")
    with capsys.disabled():
        print(f"\n  {drill.sent} requests over 2 steps down, stopped first: lost {drill.lost}")  # noqa: T201 - the figure is part of what this test shows
    assert sum(drill.lost.values()) > 0


def test_a_slow_reader_may_ask_again_on_its_connection_after_a_reload(stack: Stack) -> None:
    """The whole body is with the kernel long before it is read, so nginx takes the client for idle."""
    client = http.client.HTTPConnection("127.0.0.1", stack.ports["NGINX_PORT"], timeout=30)
    client.request("GET", "/blob?mb=2")
    answer = client.getresponse()
    read = len(answer.read(64 * 1024))
    stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    while part := answer.read(64 * 1024):
        read += len(part)
        time.sleep(0.17)
    assert read == int(answer.headers["Content-Length"])
    client.request("GET", "/")
    assert client.getresponse().status == http.client.OK
    client.close()
