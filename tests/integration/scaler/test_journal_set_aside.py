"""The program starts, and says what became of its journal, whatever lies in the journal's place."""

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import until

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_scaler_whose_journal_is_zeroed_is_ready_and_tells(tmp_path: Path) -> None:
    journal, port, project = tmp_path / "data" / "journal.sqlite", free_port(), f"tgt-{uuid.uuid4().hex[:8]}"
    journal.parent.mkdir()
    journal.write_bytes(bytes(100_000))
    places = {"DATA": "data", "UPSTREAMS": "upstreams", "TOKEN_FILE": "token", "STACK": "none"}
    settings = {"LISTEN": f"127.0.0.1:{port}", "PROJECT": project, "PROJECTS": project} | {
        name: str(tmp_path / place) for name, place in places.items()
    }

    def asked(path: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5)
        except requests.ConnectionError:
            return None

    scaler = subprocess.Popen(
        [sys.executable, "-m", "scaler"],
        cwd=ROOT,
        env=os.environ | {f"ALERTSCALE_{name}": value for name, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: (answer := asked("/readyz")) is not None and answer.ok, what="the scaler is ready")
        (told,) = [e for e in asked("/api/v1/events").json()["events"] if e["kind"] == "fault"]
        page = asked("/").text
    finally:
        scaler.terminate()
        scaler.wait(timeout=20)

    (aside,) = (
        p for p in journal.parent.iterdir() if not p.name.startswith(f"{journal.name}-") and p != journal
    )
    assert aside.read_bytes() == bytes(100_000)
    assert f"it is set aside as {aside.name}, and a new one is begun" in told["text"]
    assert told["text"] in page
