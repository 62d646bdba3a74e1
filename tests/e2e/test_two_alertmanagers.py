"""Two Alertmanagers in a cluster, both delivering: the steps are those of one clean delivery."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from testkit.drill import alerts, forget
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PAIR = ("alertmanager", "alertmanager-2")
FIRES_FOR = 8
"""Seconds; less than the cooldown, so that one clean delivery gives exactly one step."""


@pytest.fixture
def pair(one_replica: Stack) -> Iterator[Stack]:
    """The stack with two Alertmanagers, and no alert but ours."""
    stack = replace(one_replica, files=(*one_replica.files, "tests/e2e/docker-compose.pair.yml"))
    try:
        firing = alerts(stack)
        stack.compose("stop", "prometheus")
        stack.compose("up", "--detach", "--wait", "--no-deps", "flask-app", *PAIR)
        for name in PAIR:
            wait_until(lambda: members(stack, name) == 2, within=60, what=f"{name} in a cluster of two")  # noqa: B023
        # Neither of the two has heard of them.
        forget(stack, firing)
        yield stack
    finally:
        stack.compose("rm", "--stop", "--force", PAIR[1])
        one_replica.compose("up", "--detach", "--wait", "--no-deps", "flask-app", PAIR[0], "prometheus")


def members(stack: Stack, name: str) -> float:
    return metric(stack, name, "alertmanager_cluster_members")


def delivered(stack: Stack, name: str) -> float:
    return metric(stack, name, "alertmanager_notification_requests_total", 'integration="webhook"')


def metric(stack: Stack, name: str, series: str, label: str = "") -> float:
    text = run(stack, name, "wget", "-q", "-O", "-", "http://localhost:9093/metrics")
    lines = [line for line in text.splitlines() if line.startswith(series) and label in line]
    return sum(float(line.split()[-1]) for line in lines)


def run(stack: Stack, name: str, *words: str) -> str:
    (container,) = stack.containers(name)
    done = subprocess.run(
        ["docker", "exec", container["Id"], *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def fire(stack: Stack, name: str) -> None:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=FIRES_FOR)
    labels = ("alertname=Drill", "scale=up", "resource=cpu", "service=flask-app", "severity=warning")
    url = "--alertmanager.url=http://localhost:9093"
    run(stack, name, "amtool", "alert", "add", url, f"--end={end.isoformat()}", *labels)


def test_both_deliver_and_one_step_is_taken(pair: Stack) -> None:
    """And the same notification a hundred times more, and once more when it is over."""
    stack = pair
    wait_until(
        lambda: stack.service()["decision"]["reason"] in {"steady", "blind"}, within=40, what="no cooldown"
    )
    begun = stack.events()[-1]["id"]
    # Whichever is left of those that there were: who leaves first is not always the highest.
    (number,) = (replica["number"] for replica in stack.service()["replicas"])
    before = {name: delivered(stack, name) for name in PAIR}
    for name in PAIR:
        fire(stack, name)
    stack.await_replicas(2, within=20)
    firing = {
        "version": "4", "status": "firing", "receiver": "scaler", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "groupKey": "{}", "alerts": [
            {
                "status": "firing", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
                "labels": {
                    "alertname": "Drill", "scale": "up", "resource": "cpu", "service": "flask-app",
                    "severity": "warning",
                },
                "annotations": {}, "generatorURL": "", "fingerprint": "0",
            },
        ],
    }  # fmt: skip
    assert {stack.change("/alerts", firing).status_code for _ in range(100)} == {202}
    wait_until(
        lambda: all(delivered(stack, name) >= before[name] + 2 for name in PAIR),
        within=30,
        what="deliveries by both",
    )
    wait_until(lambda: not stack.service()["alerts"], within=30, what="the alert's end")
    steps = [e["text"] for e in stack.events() if e["kind"] == "step" and e["id"] > begun]
    assert steps == [f"Replica {number + 1} was added: an alert asked for more"]
