"""Prometheus and Alertmanager behind a password: who gets in, and that nothing else notices."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from testkit.stack import REPOSITORY, Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]

PORTS = ("PROMETHEUS_PORT", "ALERTMANAGER_PORT")
SERVICES = ("prometheus", "alertmanager")
# What shells, YAML and Compose would each read in their own way.
PASSWORD = 'pä$$ wort: "x" ${HOME} #1'
LATER = "another one"


def write_env(stack: Stack, text: str) -> None:
    (stack.directory / ".env").write_text(text, encoding="utf-8")


def login(password: str, *, user: str = "admin") -> dict[str, str]:
    """As a browser and curl send it: in UTF-8."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def status(stack: Stack, port: str, *, user: str = "admin", password: str | None = None) -> int:
    """How a request is answered."""
    headers = {} if password is None else login(password, user=user)
    return stack.session.get(stack.url(port, "/metrics"), headers=headers, timeout=10).status_code


def ask(stack: Stack, port: str, path: str) -> requests.Response:
    answer = stack.session.get(stack.url(port, path), headers=login(PASSWORD), timeout=10)
    answer.raise_for_status()
    return answer


def up(stack: Stack, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command of the documentation, with its error where it fails."""
    done = subprocess.run(
        stack.command("up", "--detach"),
        cwd=stack.directory,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done


def starts(stack: Stack) -> list[tuple[str, str]]:
    """Which containers run, and since when."""
    return [(c["Id"], c["State"]["StartedAt"]) for s in (*SERVICES, "scaler") for c in stack.containers(s)]


@pytest.fixture(scope="module")
def locked(stack: Stack) -> Iterator[Stack]:
    """The stack, put behind the password while it runs."""
    assert not (stack.directory / ".env").exists()
    for port in PORTS:
        assert status(stack, port) == 200, "without a password it is open"
    before = starts(stack)
    write_env(stack, f"MONITORING_PASSWORD='{PASSWORD}'\n")
    up(stack)
    try:
        assert starts(stack) == before, "nothing is restarted for it"
        yield stack
    finally:
        (stack.directory / ".env").unlink()
        up(stack)
        stack.pause("none")
        stack.scale(1)
        for port in PORTS:
            assert status(stack, port) == 200, "without a password it is open again"


@pytest.mark.parametrize("port", PORTS)
def test_the_password_gets_in_and_nothing_else_does(locked: Stack, port: str) -> None:
    assert status(locked, port) == 401
    assert status(locked, port, password="") == 401
    assert status(locked, port, password=PASSWORD + "x") == 401
    assert status(locked, port, user="alertscale", password=PASSWORD) == 401
    assert status(locked, port, password=PASSWORD) == 200


def test_every_target_is_still_scraped(locked: Stack) -> None:
    since = datetime.now(tz=UTC)

    def scraped() -> bool:
        found = ask(locked, "PROMETHEUS_PORT", "/api/v1/targets").json()["data"]["activeTargets"]
        return len(found) >= 6 and all(
            t["health"] == "up" and datetime.fromisoformat(t["lastScrape"]) > since for t in found
        )

    wait_until(scraped, within=20, what="a good scrape of every target")


def test_alerts_are_still_delivered(locked: Stack) -> None:
    """By Prometheus to Alertmanager, and by that to the scaler."""
    since, begin = datetime.now(tz=UTC), time.monotonic()

    def delivered() -> bool:
        alerts = ask(locked, "ALERTMANAGER_PORT", "/api/v2/alerts").json()
        return any(
            a["labels"]["alertname"] == "Watchdog" and datetime.fromisoformat(a["updatedAt"]) > since
            for a in alerts
        )

    wait_until(delivered, within=20, what="a Watchdog sent since")
    wait_until(
        lambda: locked.scaler("/healthz")["seconds_since_watchdog"] < time.monotonic() - begin,
        within=20,
        what="a Watchdog heard since",
    )


def test_an_alert_still_scales(locked: Stack) -> None:
    locked.pause("down")
    now = datetime.now(tz=UTC)
    alert = {
        "labels": {
            "alertname": "QueueLong",
            "scale": "up",
            "resource": "cpu",
            "project": locked.project,
            "service": "flask-app",
        },
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(seconds=3)).isoformat(),
    }
    answer = locked.session.post(
        locked.url("ALERTMANAGER_PORT", "/api/v2/alerts"),
        json=[alert],
        headers=login(PASSWORD),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    wait_until(lambda: len(locked.containers()) >= 2, within=30, what="a step up")


def test_the_scaler_still_learns_whether_prometheus_lives(locked: Stack) -> None:
    question = (
        "import os; from scaler.settings import read_settings;"
        "from scaler.prometheus.client import Prometheus;"
        "s = read_settings(os.environ);"
        "p = Prometheus(s.prometheus.url, password_file=s.prometheus.password_file);"
        "print(p.lives(), sorted(p.alerts(frozenset({'HighCPU', 'Gone'})).rules))"
    )
    assert locked.compose("exec", "-T", "scaler", "python", "-c", question).strip() == "True ['HighCPU']"


def test_both_are_still_healthy(locked: Stack) -> None:
    since = datetime.now(tz=UTC)

    def looked(service: str) -> bool:
        (container,) = locked.containers(service)
        last = container["State"]["Health"]["Log"][-1]
        return last["ExitCode"] == 0 and datetime.fromisoformat(last["Start"]) > since

    for service in SERVICES:
        wait_until(lambda: looked(service), within=15, what=f"a good health check of {service}")  # noqa: B023


def test_the_tools_inside_get_in_with_their_file(locked: Stack) -> None:
    """With the very commands of the documentation."""
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    commands = [line.split() for line in text.splitlines() if "client.yml" in line and "exec -T" in line]
    assert [command[4] for command in commands] == ["prometheus", "alertmanager"]
    for command in commands:
        assert locked.compose(*command[2:])


def test_the_password_is_known_to_one_container_and_said_by_none(locked: Stack) -> None:
    own = locked.compose("exec", "-T", "prometheus", "cat", "/run/monitoring/password").strip()
    assert len(own) >= 40
    said = locked.compose("logs", "--no-color") + json.dumps(locked.events())
    assert PASSWORD not in said
    assert own not in said
    for service in locked.compose("config", "--services").split():
        for container in locked.containers(service):
            shown = json.dumps(container, ensure_ascii=False)
            environment = container["Config"]["Env"] or []
            assert any(PASSWORD in e for e in environment) == (service == "monitoring-password"), service
            assert own not in shown, service
    for service in ("flask-app", "nginx", "nginx-exporter", "exporter", "locust"):
        for container in locked.containers(service):
            assert "/run/monitoring" not in {m["Destination"] for m in container["Mounts"]}, service


def test_a_changed_password_takes_effect_with_nothing_restarted(locked: Stack) -> None:
    before = starts(locked)
    write_env(locked, f"MONITORING_USER=me\nMONITORING_PASSWORD={LATER}\n")
    up(locked)
    try:
        for port in PORTS:
            assert status(locked, port, password=PASSWORD) == 401
            assert status(locked, port, user="me", password=LATER) == 200
        assert starts(locked) == before
    finally:
        write_env(locked, f"MONITORING_PASSWORD='{PASSWORD}'\n")
        up(locked)


def test_a_password_that_cannot_be_is_refused_by_name_and_the_former_one_holds(locked: Stack) -> None:
    write_env(locked, f"MONITORING_PASSWORD={'x' * 73}\n")
    try:
        done = up(locked, check=False)
        assert done.returncode != 0
        assert 'service "monitoring-password" didn\'t complete successfully' in done.stderr
        assert "MONITORING_PASSWORD is 73 bytes long" in locked.compose("logs", "monitoring-password")
        for port in PORTS:
            assert status(locked, port) == 401
            assert status(locked, port, password=PASSWORD) == 200
    finally:
        write_env(locked, f"MONITORING_PASSWORD='{PASSWORD}'\n")
        up(locked)


def test_a_hash_in_a_file_does_as_well(locked: Stack) -> None:
    """Made with the very command of the documentation; the file belongs to someone else than root."""
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    (command,) = [line.strip() for line in text.splitlines() if "--hash" in line and "run --rm" in line]
    made = subprocess.run(
        [*locked.command(*command.partition("docker compose ")[2].partition(" >")[0].split())],
        cwd=locked.directory,
        env=locked.environment,
        input=LATER,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    file = Path(locked.directory / "monitoring.hash")
    file.write_text(made.stdout, encoding="ascii")
    file.chmod(0o600)
    subprocess.run(["chown", "1234", str(file)], check=True)
    write_env(locked, "MONITORING_PASSWORD_HASH_FILE=./monitoring.hash\n")
    up(locked)
    try:
        for port in PORTS:
            assert status(locked, port, password=LATER) == 200
            assert status(locked, port, password=PASSWORD) == 401
        file.write_text("no hash\n", encoding="ascii")
        assert up(locked, check=False).returncode != 0
        assert "MONITORING_PASSWORD_HASH_FILE: './monitoring.hash' holds 7 characters" in locked.compose(
            "logs", "monitoring-password"
        )
    finally:
        write_env(locked, f"MONITORING_PASSWORD='{PASSWORD}'\n")
        up(locked)
