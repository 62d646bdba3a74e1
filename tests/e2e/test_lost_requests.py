"""No request is lost while replicas come and go; the same drill shows that "stop, then reload" loses some."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from testkit.drill import by_hand, counts
from testkit.load import MIX, Load
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
SEED = 20261121


@pytest.fixture
def ordered(one_replica: Stack) -> Iterator[Stack]:
    """Only the test orders steps: no alert reaches the scaler."""
    with by_hand(one_replica):
        yield one_replica


@pytest.mark.parametrize(("steps", "least_downs"), [(5, 2), pytest.param(8, 3, marks=pytest.mark.drill)])
def test_no_request_is_lost_over_steps_up_and_down(
    ordered: Stack, capsys: pytest.CaptureFixture[str], steps: int, least_downs: int
) -> None:
    wanted = list(islice(counts(seed=SEED, lowest=1, highest=4), steps))
    downs = sum(after < before for before, after in zip([1, *wanted], wanted, strict=False))
    assert downs >= least_downs
    with Load(*MIX, port=ordered.ports["NGINX_PORT"]) as drill:
        for count in wanted:
            ordered.scale(count)
    with capsys.disabled():
        print(f"\n  {drill.sent} requests over {steps} steps, {downs} of them down: lost {drill.lost or 0}")  # noqa: T201 - the figure is part of what this test shows
    assert drill.lost == {}
    assert drill.answers["200"] == drill.sent > 2000


def test_the_drill_can_fail(ordered: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A replica that is stopped first and taken out of nginx afterwards takes its requests with it."""
    ordered.scale(3)
    ordered.compose("stop", "scaler")
    try:
        with Load(*MIX, port=ordered.ports["NGINX_PORT"]) as drill:
            wait_until(lambda: drill.answers["200"] > 500, within=30, what="traffic")
            for victim in ordered.containers()[:0:-1]:
                subprocess.run(["docker", "rm", "--force", victim["Id"]], check=True, capture_output=True)
                ordered.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    finally:
        ordered.compose("up", "--detach", "--wait", "--no-deps", "scaler")
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
