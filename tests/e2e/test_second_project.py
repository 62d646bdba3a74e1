"""A project that is not alertscale's own scales by labels alone; alerts that fit nothing change nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testkit.networks import kept_by
from testkit.stack import PROJECT, Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]
SHOP = f"{PROJECT}-shop"
FILE = Path(__file__).with_name("second-project.yml")


def compose(*words: str) -> None:
    done = run(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "-p", SHOP, "-f", str(FILE), *words]
    network = {"NETWORK": f"{PROJECT}_default"}
    return subprocess.run(
        command, env=os.environ | network, capture_output=True, text=True, check=False, timeout=200
    )


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Stack]:
    compose("up", "--detach", "--wait")
    try:
        wait_until(lambda: stack.service("web"), within=10, what="the second project's services")
        yield stack
    finally:
        kept_by(run("down", "--volumes", "--timeout", "3"), project=SHOP)


def fire(stack: Stack, name: str, labels: dict[str, str], *, seconds: float = 60) -> None:
    """Have Alertmanager route an alert, as Prometheus would."""
    now = datetime.now(tz=UTC)
    alert = {
        "labels": {"alertname": name, **labels},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
    }
    answer = stack.session.post(stack.url("ALERTMANAGER_PORT", "/api/v2/alerts"), json=[alert], timeout=10)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("service", "port"), [("web", 8000), ("plain", 9000)])
def test_a_service_of_another_project_scales_up_and_down(shop: Stack, service: str, port: int) -> None:
    labels = {"scale": "up", "service": service, "project": SHOP, "resource": "cpu"}
    fire(shop, "QueueLong", labels)
    shop.await_replicas(2, within=30, service=service)
    upstream = f"{SHOP}.{service}"
    wait_until(
        lambda: shop.upstream(upstream) == shop.addresses(service, project=SHOP),
        within=5,
        what="both replicas in nginx",
    )
    fire(shop, "QueueLong", labels, seconds=-1)
    # Nobody asks it for anything, so both its resources are low: Prometheus' own alerts shrink it.
    shop.await_replicas(1, within=120, service=service)
    assert shop.upstream(upstream) == shop.addresses(service, project=SHOP)


def test_an_unreadable_label_is_reported_with_file_service_label_and_value(shop: Stack) -> None:
    (fault,) = shop.service("faulty")["faults"]
    assert str(FILE) in fault
    assert "service faulty: alertscale.max: 'ten' is not a whole number from 1 to 1000" in fault
    assert shop.service("faulty")["decision"] is None
    assert shop.service("web")["decision"] is not None
    assert fault in [e["text"] for e in shop.events() if e["kind"] == "fault"]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"service": "nowhere"}, "unknown_service"),
        ({"service": "quiet", "project": SHOP}, "not_enabled"),
        ({"service": "prometheus"}, "not_enabled"),
        ({"service": "faulty"}, "label_fault"),
        ({}, "no_service"),
        ({"service": "web", "scale": "sideways"}, "bad_scale"),
    ],
)
def test_an_alert_that_fits_nothing_is_answered_and_leaves_everything_as_it_was(
    shop: Stack, labels: dict[str, str], reason: str
) -> None:
    before = running()
    alert = {
        "status": "firing",
        "labels": {"alertname": "Odd", "scale": "up", "resource": "cpu", **labels},
        "startsAt": "2026-01-01T00:00:00Z",
    }
    answer = shop.change("/alerts", {"version": "4", "status": "firing", "alerts": [alert]})
    assert answer.status_code == 202
    (result,) = answer.json()["results"]
    assert (result["result"], result["reason"]) == ("ignored", reason)
    assert running() == before


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"version": "4"}', {}, 400),
        (b'{"version": "4", "alerts": [{"labels": {}}]}', {}, 400),
        (b'{"version": "4", "alerts": []}', {"Content-Type": "text/plain"}, 415),
        (b" " * (5 * 1024 * 1024), {}, 413),
        (b'{"version": "4", "alerts": []}', {"Authorization": "Bearer wrong"}, 401),
        (b'{"version": "4", "alerts": []}', {"Authorization": ""}, 401),
        (b'{"version": "4", "alerts": []}', {}, 202),
    ],
)
def test_a_request_that_is_not_right_gets_its_documented_answer(
    shop: Stack, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = running()
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {shop.token()}", **headers}
    answer = shop.session.post(shop.url("SCALER_PORT", "/alerts"), data=body, headers=sent, timeout=20)
    assert answer.status_code == status
    explained: dict[str, Any] = answer.json()
    assert status == 202 or (explained["error"] and explained["reason"])
    assert running() == before


def running() -> list[str]:
    """Every container of both projects; nothing here may change while one of these tests runs."""
    form = '{{.ID}} {{.Label "com.docker.compose.project"}}'
    shown = subprocess.run(
        ["docker", "ps", "-a", "--no-trunc", "--format", form], capture_output=True, text=True, check=True
    )
    return sorted(line for line in shown.stdout.splitlines() if line.split()[1:] in ([PROJECT], [SHOP]))
