"""What is lost with every volume, and comes back. Named in LATE: the stack is another one afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testkit.stack import Stack
from tests.e2e.kept import Kept, listed

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]


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


def test_everything_that_is_lost_comes_back_from_a_backup(stack: Stack, tmp_path: Path) -> None:
    """Metrics, silences, history, token and settings, into a project that has nothing; then while it runs."""
    file = tmp_path / "kept.tar.gz"
    own = stack.directory / ".env"
    own.write_text("PROMETHEUS_RETENTION=20d\n", encoding="ascii")
    # Remembered with the rest: of two that have nothing to do, one would be removed before they are compared.
    stack.pause("down")
    kept, token = Kept.of(stack), stack.token()
    print(engine(stack, "backup", str(file)))  # noqa: T201 - how long the three were away is part of what this shows
    assert file.stat().st_mode & 0o777 == 0o600

    stack.down("--volumes", "--timeout", "0")
    assert listed("volume", stack.project) == []
    own.unlink()
    engine(stack, "restore", str(file), "--yes")
    assert own.read_text(encoding="ascii") == "PROMETHEUS_RETENTION=20d\n"
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "120")
    kept.assert_in(stack)
    told = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/status/runtimeinfo"), timeout=10)
    assert told.json()["data"]["storageRetention"] == "20d or 4GiB"
    assert stack.compose("exec", "-T", "scaler", "cat", "/run/alertscale/token").strip() == token

    stack.scale(2)
    replicas = [c["Id"] for c in stack.containers()]
    engine(stack, "restore", str(file), "--yes")
    kept.assert_in(stack)
    assert [c["Id"] for c in stack.containers()] == replicas
    assert len(list((stack.directory / "backups").glob("before-restore-*.tar.gz"))) == 1
    own.unlink()
    stack.pause("none")
