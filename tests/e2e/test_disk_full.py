"""The disk is full, under the journal or under nginx's upstreams: what is there goes on, and why is told."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]
SERVICE = "slow"
KEPT = 2
"""Folders of upstreams: what nginx serves with, and what it did before."""
ALERT = {
    "status": "firing",
    "labels": {"alertname": "QueueLong", "scale": "up", "service": SERVICE, "resource": "cpu"},
    "startsAt": "2026-01-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def cramped(stack: Stack) -> Iterator[Stack]:
    """The stack with small disks."""
    changed = replace(stack, files=(*stack.files, "tests/e2e/docker-compose.full.yml"))
    try:
        # Killed, since a graceful stop waits on idle clients.
        stack.compose("kill", "nginx")
        changed.compose("up", "--detach", "--wait", "--no-deps", "scaler", "nginx", "filler", SERVICE)
        changed.await_replicas(1, within=30, service=SERVICE)
        yield changed
    finally:
        changed.compose("kill", "nginx")
        changed.compose("rm", "--stop", "--force", "filler", SERVICE)
        stack.compose("up", "--detach", "--wait", "--no-deps", "scaler", "nginx")
        for volume in ("small-data", "small-upstreams"):
            subprocess.run(
                ["docker", "volume", "rm", f"{stack.project}_{volume}"], check=True, capture_output=True
            )
        stack.await_replicas(1, within=30)


@pytest.fixture
def few(cramped: Stack) -> Stack:
    """One replica of the service, in nginx, and space on both disks."""
    cramped.compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"{SERVICE}=1", SERVICE)
    cramped.await_replicas(1, within=20, service=SERVICE)
    wait_until(
        # Taken, too, not only written: then what was before is removed, whose space would be free again.
        lambda: cramped.upstream(SERVICE) == cramped.addresses(SERVICE) and generations(cramped) <= KEPT,
        within=10,
        what="the exact upstream",
    )
    return cramped


@contextlib.contextmanager
def full(stack: Stack, disk: str) -> Iterator[None]:
    """Fill a disk to its last byte, and give the space back."""
    within(stack, f"head -c 100M /dev/zero > /full/{disk}/fill; test -s /full/{disk}/fill")
    try:
        yield
    finally:
        within(stack, f"rm -f /full/{disk}/fill")


def within(stack: Stack, script: str) -> str:
    return stack.compose("exec", "-T", "filler", "sh", "-c", script)


def generations(stack: Stack) -> int:
    """How many folders of upstreams there are."""
    return int(within(stack, "ls /full/upstreams | grep -c generation; true"))


def ready(stack: Stack) -> tuple[int, dict[str, Any]]:
    answer = stack.session.get(stack.url("SCALER_PORT", "/readyz"), timeout=10)
    return answer.status_code, answer.json()


def page(stack: Stack) -> str:
    return stack.session.get(stack.url("SCALER_PORT", "/"), timeout=10).text


def metric(stack: Stack, series: str) -> float:
    text = stack.session.get(stack.url("SCALER_PORT", "/metrics"), timeout=10).text
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{series} ")), 0.0)


def ids(stack: Stack) -> list[str]:
    return [c["Id"] for c in stack.containers(SERVICE)]


def steps(stack: Stack, *, since: int) -> list[str]:
    return [e["reason"] for e in stack.events() if e["id"] > since and e["kind"] == "step"]


def log(stack: Stack) -> str:
    return stack.compose("logs", "--no-log-prefix", "scaler")


def test_nothing_is_changed_that_cannot_be_journalled(few: Stack) -> None:
    stack = few
    begun, before = stack.events()[-1]["id"], ids(stack)
    scaler = stack.containers("scaler")[0]
    with full(stack, "data"):
        errors = metric(stack, 'alertscale_errors_total{reason="journal"}')
        ordered = stack.change(f"/api/v1/services/{SERVICE}/scale", {"replicas": 2})
        assert (ordered.status_code, ordered.json()["reason"]) == (503, "journal")
        assert "is its disk full" in ordered.json()["error"]
        # An alert is a level that is held in memory, and Alertmanager repeats it: nothing is lost.
        heard = stack.change("/alerts", {"version": "4", "status": "firing", "alerts": [ALERT]})
        assert heard.status_code == 202
        wait_until(
            lambda: stack.service(SERVICE)["decision"]["reason"] == "journal", within=5, what="the hold"
        )
        status, health = ready(stack)
        assert status == 503
        assert "is its disk full" in health["journal_error"]
        assert "Nothing is scaled: cannot use the journal" in page(stack)
        assert stack.session.get(stack.url("SCALER_PORT", "/healthz"), timeout=10).status_code == 200
        wait_until(
            lambda: "ScalerJournalUnwritable fires" in log(stack), within=20, what="the alert, delivered"
        )
        assert metric(stack, 'alertscale_errors_total{reason="journal"}') > errors
        assert ids(stack) == before
        now = stack.containers("scaler")[0]
        assert (now["Id"], now["State"]["Pid"]) == (scaler["Id"], scaler["State"]["Pid"])
        stack.change("/alerts", {"version": "4", "status": "firing", "alerts": [ALERT]})
    stack.await_replicas(2, within=20, service=SERVICE)
    stack.change("/alerts", {"version": "4", "status": "firing", "alerts": [ALERT | {"status": "resolved"}]})
    wait_until(lambda: steps(stack, since=begun) == ["done"], within=10, what="the one step's end")
    assert len(ids(stack)) == 2
    assert ready(stack)[0] == 200
    assert "The journal could not be written and can be again" in page(stack)


def test_a_step_in_the_middle_keeps_its_replica_and_is_ended_when_there_is_space_again(few: Stack) -> None:
    stack = few
    begun = stack.events()[-1]["id"]
    ordered = stack.change(f"/api/v1/services/{SERVICE}/scale", {"replicas": 2})
    assert ordered.status_code == 202
    # Its program begins to listen two seconds later.
    wait_until(lambda: stack.addresses(SERVICE) - stack.upstream(SERVICE), within=10, what="it, started")
    with full(stack, "data"):
        stack.await_replicas(2, within=20, service=SERVICE)
        wait_until(lambda: ready(stack)[0] == 503, within=10, what="the end that cannot be written")
        made = ids(stack)
        assert len(made) == 2
        # Docker starts it again on the disk that is still full.
        scaler = stack.containers("scaler")[0]
        subprocess.run(["kill", "-KILL", str(scaler["State"]["Pid"])], check=True)
        wait_until(lambda: restarted(stack, scaler), within=30, what="the scaler, listening again")
        wait_until(
            lambda: stack.upstream(SERVICE) == stack.addresses(SERVICE), within=10, what="both in nginx"
        )
        assert ready(stack)[0] == 503
    wait_until(lambda: ready(stack)[0] == 200, within=10, what="the journal, written again")
    wait_until(lambda: steps(stack, since=begun) == ["done"], within=15, what="the step's end")
    assert ids(stack) == made
    assert stack.upstream(SERVICE) == stack.addresses(SERVICE)


def restarted(stack: Stack, before: dict[str, Any]) -> bool:
    now = stack.containers("scaler")[0]
    with contextlib.suppress(requests.ConnectionError):
        return now["State"]["Pid"] not in {0, before["State"]["Pid"]} and ready(stack)[1]["engine"]
    return False


def test_upstreams_that_cannot_be_written_leave_nginx_as_it_is(few: Stack) -> None:
    stack = few
    begun, served = stack.events()[-1]["id"], stack.upstream(SERVICE)
    with full(stack, "upstreams"):
        stack.change(f"/api/v1/services/{SERVICE}/scale", {"replicas": 2})
        wait_until(lambda: steps(stack, since=begun) == ["failed"], within=30, what="the step's failure")
        failed = [e["text"] for e in stack.events() if e["kind"] == "step"][-1]
        assert "ready, but not in nginx" in failed
        assert failed.endswith("(reload_failed)")
        assert stack.upstream(SERVICE) == served == stack.addresses(SERVICE)
        assert requests.get(stack.url("NGINX_PORT", "/"), timeout=10).status_code == 200
        told = [e["text"] for e in stack.events() if e["id"] > begun and e["kind"] == "fault"]
        assert any("cannot write nginx's upstreams" in text and "disk full" in text for text in told)
        # What was tried meanwhile is not left there.
        assert generations(stack) <= KEPT + 1
        stack.compose("restart", "--timeout", "1", "nginx")
        wait_until(stack.serves, within=20, what="nginx, started on the full disk")
    stack.await_replicas(2, within=30, service=SERVICE)
    wait_until(lambda: stack.upstream(SERVICE) == stack.addresses(SERVICE), within=5, what="both in nginx")
    assert ready(stack)[1]["balancer_error"] == ""
    wait_until(
        lambda: [e for e in stack.events() if e["text"].startswith("NginxReloadFailing fires")],
        within=20,
        what="the alert, delivered",
    )
