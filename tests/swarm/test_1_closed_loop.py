"""The loop on Swarm: load goes up, replicas spread over the nodes; idle, they go back to the minimum."""

from __future__ import annotations

import time

import pytest

from testkit.load import Load
from testkit.stack import wait_until
from tests.swarm.cluster import NGINX_PORT, Swarm, since

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


def test_replicas_follow_the_load_and_spread_over_the_nodes(
    calm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    one, *_ = calm.cluster.nodes
    begun = time.monotonic()
    with Load(port=NGINX_PORT, host=one.address) as load:
        wait_until(lambda: calm.ready() >= 3, within=60, what="three replicas")
        wait_until(lambda: len(load.first_answer) >= 3, within=20, what="answers from three replicas")
        spread = calm.tasks()
    up, second = since(begun), sorted(load.first_answer.values())[1]
    assert load.lost == {}
    assert len(spread) == 3, spread
    calm.await_replicas(1, within=120)
    assert " was removed" in calm.steps()[-1]
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  load step to the second replica's first answer: {second:.1f} s; to three replicas:"
            f" {up:.1f} s; tasks by node: {spread}; {load.answers['200']} requests, lost {load.lost or 0}"
            "\n  (on Compose: docs/benchmarks, and what tests/e2e/test_closed_loop.py prints)"
        )
