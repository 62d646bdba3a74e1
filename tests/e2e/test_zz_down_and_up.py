"""The end of the stack: what stops, what stays, what is gone. Named to run last."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SERVICES = ("flask-app", "nginx", "exporter", "scaler", "prometheus", "alertmanager", "locust")


def listed(kind: str, project: str) -> list[str]:
    words = {
        "container": ["ps", "-aq"],
        "network": ["network", "ls", "--format", "{{.Name}}"],
        "volume": ["volume", "ls", "-q"],
    }[kind]
    shown = subprocess.run(
        ["docker", *words, "--filter", f"label=com.docker.compose.project={project}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.split()


def engine(stack: Stack, *words: str) -> str:
    """What `make backup` and `make restore` run, on this project."""
    names = {"COMPOSE_PROJECT_NAME": stack.project, "COMPOSE_FILE": ":".join(stack.files)}
    done = subprocess.run(
        [sys.executable, "-m", "machine", *words],
        cwd=stack.directory,
        env={**stack.environment, **names},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def silence(stack: Stack) -> str:
    now = datetime.now(tz=UTC)
    asked = stack.session.post(
        stack.url("ALERTMANAGER_PORT", "/api/v2/silences"),
        json={
            "matchers": [{"name": "alertname", "value": "FlaskAppDown", "isRegex": False}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "me",
            "comment": "maintenance",
        },
        timeout=10,
    )
    return str(asked.json()["silenceID"])


def samples(stack: Stack, *, at: float) -> str:
    """How often Prometheus had scraped the scaler in the minute before."""
    query = {"query": 'count_over_time(up{job="scaler"}[1m])', "time": str(at)}
    asked = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/query"), params=query, timeout=10)
    found = asked.json()["data"]["result"]
    return str(found[0]["value"][1]) if found else ""


def test_everything_that_is_lost_comes_back_from_a_backup(stack: Stack, tmp_path: Path) -> None:
    """Metrics, silences, history, token and settings, into a project that has nothing; then while it runs."""
    file = tmp_path / "kept.tar.gz"
    own = stack.directory / ".env"
    own.write_text("PROMETHEUS_RETENTION=20d\n", encoding="ascii")
    kept, token, last = silence(stack), stack.token(), stack.events()[-1]["id"]
    at = time.time()
    before = samples(stack, at=at)
    assert before
    print(engine(stack, "backup", str(file)))  # noqa: T201 - how long the three were away is part of what this shows
    assert file.stat().st_mode & 0o777 == 0o600

    stack.down("--volumes", "--timeout", "0")
    assert listed("volume", stack.project) == []
    own.unlink()
    engine(stack, "restore", str(file), "--yes")
    assert own.read_text(encoding="ascii") == "PROMETHEUS_RETENTION=20d\n"
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "120")
    assert_kept(stack, silenced=kept, last=last)
    assert samples(stack, at=at) == before
    told = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/status/runtimeinfo"), timeout=10)
    assert told.json()["data"]["storageRetention"] == "20d or 4GiB"
    assert stack.compose("exec", "-T", "scaler", "cat", "/run/alertscale/token").strip() == token

    stack.scale(2)
    replicas = [c["Id"] for c in stack.containers()]
    engine(stack, "restore", str(file), "--yes")
    assert_kept(stack, silenced=kept, last=last)
    assert [c["Id"] for c in stack.containers()] == replicas
    assert len(list((stack.directory / "backups").glob("before-restore-*.tar.gz"))) == 1
    own.unlink()


def assert_kept(stack: Stack, *, silenced: str, last: int) -> None:
    found = stack.session.get(stack.url("ALERTMANAGER_PORT", f"/api/v2/silence/{silenced}"), timeout=10)
    assert found.json()["status"]["state"] == "active"
    assert last in [e["id"] for e in stack.events()]


def test_down_leaves_nothing_but_data_up_finds_it_again_and_ctrl_c_ends_it_cleanly(stack: Stack) -> None:
    stack.scale(2)
    stack.pause("up")
    silenced, last, at = silence(stack), stack.events()[-1]["id"], time.time()
    before = samples(stack, at=at)
    assert before
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
        assert_kept(stack, silenced=silenced, last=last)
        assert samples(stack, at=at) == before
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
