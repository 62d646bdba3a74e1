"""The process: its exit codes and its end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]


def start(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exporter"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def wait_for(port: int, path: str) -> tuple[int, str]:
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the exporter did not start"
            time.sleep(0.05)
        finally:
            connection.close()


def test_faults_in_the_settings_are_all_printed_and_the_status_is_2() -> None:
    with start(EXPORTER_LISTEN="nowhere", EXPORTER_LOG_LEVEL="loud") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "EXPORTER_LISTEN='nowhere'" in errors
    assert "EXPORTER_LOG_LEVEL='loud'" in errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken_is_said_and_the_status_is_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with start(EXPORTER_LISTEN=listen, EXPORTER_ENGINE=f"unix://{tmp_path}/absent.sock") as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"EXPORTER_LISTEN={listen} cannot be used" in errors


def test_it_ends_with_1_when_the_socket_was_replaced_so_that_docker_starts_it_with_the_new_one(
    tmp_path: Path,
) -> None:
    """A process's own descriptor holds the file as a mount does."""
    port = free_port()
    with (
        (tmp_path / "docker.sock").open("w") as held,
        start(
            EXPORTER_LISTEN=f"127.0.0.1:{port}",
            EXPORTER_ENGINE=f"unix:///proc/{os.getpid()}/fd/{held.fileno()}",
            EXPORTER_CGROUP_ROOT=str(tmp_path),
        ) as process,
    ):
        wait_for(port, "/metrics")
        (tmp_path / "docker.sock").unlink()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "engine.socket.replaced" in errors


def test_without_an_engine_it_serves_and_says_so_and_ends_at_once_with_0(tmp_path: Path) -> None:
    port = free_port()
    with start(
        EXPORTER_LISTEN=f"127.0.0.1:{port}",
        EXPORTER_ENGINE=f"unix://{tmp_path}/absent.sock",
        EXPORTER_CGROUP_ROOT=str(tmp_path),
    ) as process:
        status, text = wait_for(port, "/metrics")
        assert status == 200
        assert "alertscale_exporter_engine_connected 0" in text
        assert wait_for(port, "/healthz")[0] == 503
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        took = time.monotonic() - began
    assert process.returncode == 0
    assert took < 2
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert "engine.events.failed" in events
    assert events[-1] == "exporter.stopped"
