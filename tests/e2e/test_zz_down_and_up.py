"""The end of the stack: what stops, what stays, what is gone. Named to run last."""

from __future__ import annotations

import signal
import subprocess

import pytest

from testkit.stack import Stack, wait_until
from tests.e2e.kept import Kept, listed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SERVICES = ("flask-app", "nginx", "exporter", "scaler", "prometheus", "alertmanager", "locust")


def test_down_leaves_nothing_but_data_up_finds_it_again_and_ctrl_c_ends_it_cleanly(stack: Stack) -> None:
    stack.scale(2)
    stack.pause("up")
    remembered = Kept.of(stack)
    kept = stack.down("--timeout", "5")
    assert listed("container", stack.project) == []
    assert listed("network", stack.project) == kept
    assert listed("volume", stack.project) != []

    foreground = subprocess.Popen(
        stack.command("up"),
        cwd=stack.directory,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_until(lambda: healthy(stack), within=120, what="the stack in the foreground", every=0.5)
        remembered.assert_in(stack)
        assert stack.service()["pause"] == "up"
        foreground.send_signal(signal.SIGINT)
        foreground.communicate(timeout=60)
    finally:
        if foreground.poll() is None:
            foreground.kill()
            foreground.communicate()
    for service in SERVICES:
        for container in stack.containers(service):
            assert not container["State"]["Running"], service
            # 137 would mean that Docker had to kill it.
            assert container["State"]["ExitCode"] in {0, 143}, (service, container["State"])
    assert len(stack.containers()) == 1


def healthy(stack: Stack) -> bool:
    """Up to its last container: one that Compose is just starting when it is told to stop may live on."""
    states = [c["State"] for service in SERVICES for c in stack.containers(service)]
    if len(states) < len(SERVICES) or any(s.get("Health", {}).get("Status") != "healthy" for s in states):
        return False
    try:
        return [r["state"] for r in stack.service().get("replicas", [])] == ["ready"]
    except OSError:
        return False
