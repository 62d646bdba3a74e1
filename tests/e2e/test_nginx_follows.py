"""nginx's upstream is exactly the ready replicas, whoever made or broke them, within two seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]
WITHIN = 2.0


@pytest.fixture
def paused(one_replica: Stack) -> Iterator[Stack]:
    """Nothing but the test changes the count."""
    one_replica.pause("all")
    yield one_replica
    one_replica.pause("none")


def assert_exact(stack: Stack, count: int) -> None:
    """The upstream is the running replicas, that many, two seconds from now at the latest."""
    deadline = time.monotonic() + WITHIN
    while True:
        upstream, running = stack.upstream(), stack.addresses()
        if upstream == running and len(upstream) == count:
            return
        assert time.monotonic() < deadline, f"upstream {upstream}, running {running}, wanted {count}"


def test_replicas_made_by_hand_get_traffic(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=4", "--detach", "--wait")
    assert_exact(paused, 4)
    # The file is there a moment before nginx has loaded it.
    wait_until(lambda: len({answered_by(paused) for _ in range(40)}) == 4, within=WITHIN, what="all four")


def test_a_killed_replica_leaves_and_what_is_left_of_it_is_removed(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=3", "--detach", "--wait")
    assert_exact(paused, 3)
    subprocess.run(["docker", "kill", paused.containers()[1]["Id"]], check=True, capture_output=True)
    assert_exact(paused, 2)
    wait_until(lambda: len(paused.containers()) == 2, within=20, what="the dead container's removal")


def test_a_restarted_nginx_has_the_exact_upstream(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
    paused.compose("restart", "nginx")
    assert_exact(paused, 2)
    wait_until(paused.serves, within=2, what="nginx, listening again")


def test_a_recreated_nginx_has_the_exact_upstream(paused: Stack) -> None:
    paused.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "nginx")
    assert_exact(paused, 1)


def test_nginx_crashed_is_restarted_although_it_was_reloaded_before(paused: Stack) -> None:
    """Some engines take any signal sent through their API for a stop by hand; ours is sent from inside."""
    paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
    assert_exact(paused, 2)
    paused.compose(
        "exec", "-T", "nginx", "sh", "-c", "kill -9 $(pgrep -f 'nginx: worker' || true); kill -QUIT 1"
    )
    wait_until(
        lambda: paused.containers("nginx")[0]["RestartCount"] > 0 and paused.upstream() == paused.addresses(),
        within=20,
        what="nginx's restart",
    )


def test_nginx_starts_and_serves_with_the_scaler_absent(paused: Stack) -> None:
    paused.compose("stop", "scaler")
    try:
        paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait", "--no-deps", "flask-app")
        paused.compose("restart", "nginx")

        def both_answer() -> bool:
            try:
                found = {answered_by(paused) for _ in range(10)}
            except requests.ConnectionError:
                return False  # nginx is not up again yet
            return len(found) == 2

        wait_until(both_answer, within=10, what="answers from both replicas, found by DNS")
    finally:
        paused.compose("start", "scaler")
        wait_until(lambda: reachable(paused), within=30, what="the scaler")
    wait_until(lambda: paused.upstream() == paused.addresses(), within=15, what="the exact upstream again")


def answered_by(stack: Stack) -> str:
    """The replica that answers one request, on a connection of its own."""
    answer = requests.get(stack.url("NGINX_PORT", "/work?ms=1"), timeout=10)
    assert answer.status_code == 200
    return str(answer.json()["replica"])


def reachable(stack: Stack) -> bool:
    try:
        return bool(stack.service().get("decision"))
    except OSError:
        return False
