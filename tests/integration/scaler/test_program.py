"""The scaler as a program of its own on the real engine: what it makes of what it finds there."""

import contextlib
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import until
from tests.integration.scaler.projects import SERVER, Project, project

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Program:
    """A scaler that runs; ``home`` has its directories."""

    home: Path
    port: int

    def get(self, path: str) -> requests.Response | None:
        """What it answers; None while it does not."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)
        except requests.ConnectionError:
            return None

    def read(self, path: str) -> Any:  # noqa: ANN401 - JSON
        answer = self.get(path)
        assert answer is not None
        return answer.json()

    def service(self) -> dict[str, Any]:
        (only,) = self.read("/api/v1/services")["services"]
        return dict(only)

    def scale(self, replicas: int) -> None:
        headers = {"Authorization": f"Bearer {(self.home / 'token').read_text().strip()}"}
        url = f"http://127.0.0.1:{self.port}/api/v1/services/web/scale"
        requests.post(url, json={"replicas": replicas}, headers=headers, timeout=5).raise_for_status()


@contextlib.contextmanager
def program(home: Path, looks_after: str) -> Iterator[Program]:
    """Run a scaler for one project until it is left, once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Program(home=home, port=int(probe.getsockname()[1]))
    places = {"DATA": "data", "UPSTREAMS": "upstreams", "TOKEN_FILE": "token", "STACK": "none"}
    settings = {name: str(home / place) for name, place in places.items()}
    settings |= {"LISTEN": f"127.0.0.1:{made.port}", "PROJECT": looks_after, "PROJECTS": looks_after}
    running = subprocess.Popen(
        [sys.executable, "-m", "scaler"],
        cwd=ROOT,
        env=os.environ | {f"ALERTSCALE_{name}": value for name, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: (answer := made.get("/readyz")) is not None and answer.ok, what="the scaler is ready")
        yield made
    finally:
        running.terminate()
        running.wait(timeout=20)


def test_a_scaler_whose_journal_is_zeroed_is_ready_and_tells(tmp_path: Path) -> None:
    journal = tmp_path / "data" / "journal.sqlite"
    journal.parent.mkdir()
    journal.write_bytes(bytes(100_000))
    with program(tmp_path, f"tgt-{uuid.uuid4().hex[:8]}") as scaler:
        (told,) = [e for e in scaler.read("/api/v1/events")["events"] if e["kind"] == "fault"]
        page = scaler.get("/")

    (aside,) = journal.parent.glob(f"{journal.name}.*")
    assert aside.read_bytes() == bytes(100_000)
    assert f"it is set aside as {aside.name}, and a new one is begun" in told["text"]
    assert page is not None
    assert told["text"] in page.text


# The first two are of two versions, as a command in a shell with another variable makes them.
TWO = SERVER | {
    "init": True,
    "environment": {"VERSION": "${VERSION:-1}"},
    "command": ["sh", "-c", "if [ -e /data/full ]; then echo no room left; exit 3; fi; sleep infinity"],
    "volumes": ["data:/data"],
    "labels": {"alertscale.enable": "true", "alertscale.min": "3"},
    # Healthy only where the hook was run, which stands in the file alone.
    "post_start": [{"command": ["touch", "/tmp/warm"]}],
    "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/warm"], "interval": "200ms", "timeout": "5s"},
}


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    home = tmp_path / "project"
    home.mkdir()
    with project(home, {"services": {"web": TWO}, "volumes": {"data": {}}}) as made:
        monkeypatch.setenv("VERSION", "2")
        made.compose("up", "--detach", "--no-recreate", "--scale", "web=2")
        yield made


def test_two_versions_hold_neither_min_nor_an_order_and_a_replica_that_fails_has_last_words(
    two: Project, tmp_path: Path
) -> None:
    with program(tmp_path, two.name) as scaler:
        until(lambda: [r["number"] for r in scaler.service()["replicas"]] == [1, 2, 3], what="min is kept")
        until(lambda: (scaler.service()["decision"] or {}).get("reason") == "deploying")
        assert [r["state"] for r in scaler.service()["replicas"]] == ["ready"] * 3
        assert scaler.service()["inputs"]["versions"] == 2
        two.compose("exec", "-T", "web", "touch", "/data/full")
        scaler.scale(4)
        until(lambda: scaler.service()["failure"], what="the fourth has failed")
        failure, left = scaler.service()["failure"], scaler.service()["replicas"]

    assert failure["text"].startswith("Replica 4 could not be added: ")
    assert failure["text"].endswith(" (replica_exited)")
    assert failure["log"] == ["no room left"]
    assert [r["number"] for r in left] == [1, 2, 3]
