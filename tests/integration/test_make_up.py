"""`make up` on a small stack: a line for each step, and nothing at all where a port is held."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine.__main__ import down, up
from machine.errors import CommandFailedError, NotReadyError
from machine.state import Workplace
from testkit.stack import free_port

pytestmark = [pytest.mark.engine, pytest.mark.untimed, pytest.mark.timeout(120)]

IMAGE = "python:3.14.7-slim"
COMPOSE = f"""
name: $NAME
services:
  web:
    build: .
    init: true
    command: [sleep, infinity]
    ports: ["127.0.0.1:${{WEB_PORT:-8080}}:80"]
    healthcheck: {{ test: [CMD, test, -e, "$HEALTHY"], interval: 1s, retries: 1 }}
  other:
    image: {IMAGE}
    init: true
    command: [sleep, infinity]
    ports: [{{ host_ip: 127.0.0.1, published: "$OTHER_PORT", target: 81 }}, "127.0.0.1:$THIRD_PORT:82"]
  none:
    image: {IMAGE}
    deploy: {{ replicas: 0 }}
    ports: ["127.0.0.1:$WEB_PORT:83"]
"""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A checkout of a small stack on free ports; all of it is removed."""
    name = f"alertscale-test-up-{uuid.uuid4().hex[:8]}"
    for variable in ("WEB_PORT", "OTHER_PORT", "THIRD_PORT"):
        monkeypatch.setenv(variable, str(free_port()))
    monkeypatch.setenv("NAME", name)
    monkeypatch.setenv("HEALTHY", "/")
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    yield Workplace(checkout=tmp_path)
    file = ("--file", str(tmp_path / "docker-compose.yml"))
    docker("compose", *file, "down", "--rmi", "local", "--timeout", "1")


def all_of(place: Workplace) -> str:
    """Containers and networks of its stack."""
    label = ("--filter", f"label=com.docker.compose.project={os.environ['NAME']}", "--quiet")
    return docker("ps", "--all", *label) + docker("network", "ls", *label)


def test_up_and_down_say_a_line_a_step_and_up_where_the_pages_are(
    place: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    assert up(place) == 0
    capfd.readouterr()
    # The ports are held now, by the stack itself.
    assert up(place) == 0
    assert down(place) == 0
    assert not all_of(place)
    said = re.sub(r" \.{3,} [\d.]+ s$", " ... 1.0 s", capfd.readouterr().out, flags=re.MULTILINE)
    steps, _, pages = said.partition("\n\n")
    # On a machine that reaches no registry it says what its images are made of.
    assert [line for line in steps.splitlines() if "stand-ins" not in line] == [
        "Looking at this machine ... 1.0 s",
        "Building the images ... 1.0 s",
        "Starting, until all of it is healthy ... 1.0 s",
    ]
    assert f"http://localhost:{os.environ['WEB_PORT']}/" in pages
    assert pages.endswith("\nStopping ... 1.0 s\n")


def test_what_does_not_become_healthy_is_shown(
    place: Workplace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHY", "/nowhere")
    with pytest.raises(CommandFailedError, match=r"web-1 is unhealthy"):
        up(place)
    assert re.search(r"web-1 .*\(unhealthy\)", capfd.readouterr().out)


def test_every_port_that_is_held_is_named_with_its_holder_and_its_variable_and_nothing_is_started(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = f"{os.environ['NAME']}-holder"
    docker("run", "--detach", "--init", "--name", holder, "--publish", "127.0.0.1::80", IMAGE, "sleep", "60")
    try:
        other = docker("port", holder, "80").rpartition(":")[2]
        monkeypatch.setenv("OTHER_PORT", other)
        monkeypatch.setenv("THIRD_PORT", other)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            web = str(listener.getsockname()[1])
            monkeypatch.setenv("WEB_PORT", web)
            with pytest.raises(NotReadyError) as refused:
                up(place)
    finally:
        docker("rm", "--force", holder)
    told = [(one.what, re.sub(r"=\d+$", "=", one.way_out)) for one in refused.value.missing]
    instead = "end that, or put another port into .env, such as "
    assert [what for what, _ in told] == [
        f"port {other}, for other, is held by the container {holder}",
        f"port {other}, for other, is held by other of the same stack",
        f"port {web}, for web, is held by {me()}",
    ]
    assert [way_out for _, way_out in told] == [
        f"{instead}OTHER_PORT=",
        f"{instead}THIRD_PORT=",
        f"{instead}WEB_PORT=",
    ]
    assert not all_of(place)
    assert not place.logs.exists()


def me() -> str:
    """How a port that this test holds is told, as far as the machine has a program that says."""
    name = Path("/proc/self/comm").read_text().strip()
    return f"{name} (process {os.getpid()})" if shutil.which("ss") else "another program"
