"""The scaler killed, started again, and what must hold then."""

import subprocess

import pytest

from testkit.stack import Stack, wait_until


def kill_scaler(stack: Stack) -> None:
    """SIGKILL to its process on this machine: a kill through the Engine would count as a stop by hand."""
    victim = stack.containers("scaler")[0]
    subprocess.run(["kill", "-KILL", str(victim["State"]["Pid"])], check=True)


def start_again(stack: Stack, *, killed: str) -> None:
    """Wait for the scaler's death, start it as Docker's restart policy would, wait until it answers."""
    wait_until(
        lambda: not stack.containers("scaler")[0]["State"]["Running"],
        within=20,
        what=f"the scaler's death {killed}",
    )
    stack.compose("start", "scaler")
    wait_until(lambda: answers(stack), within=30, what=f"the scaler after its death {killed}")


def answers(stack: Stack) -> bool:
    """Whether the scaler answers and has decided."""
    try:
        return bool(stack.service().get("decision"))
    except OSError:
        return False


def assert_consistent(stack: Stack, count: int) -> None:
    """So many replicas, all of them running and in nginx's upstream, and nothing else of the service."""
    stack.await_replicas(count, within=30)
    wait_until(lambda: stack.upstream() == stack.addresses(), within=5, what="the exact upstream")
    containers = stack.containers()
    states = [c["State"]["Status"] for c in containers]
    if states != ["running"] * count:
        pytest.fail(f"ordered {count} replicas, containers are {states}")
    listed = stack.compose("ps", "--all", "--quiet", "flask-app").split()
    if sorted(listed) != sorted(c["Id"] for c in containers):
        pytest.fail(f"Compose lists {listed}, the engine {[c['Id'] for c in containers]}")
