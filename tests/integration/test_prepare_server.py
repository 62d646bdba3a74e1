"""prepare-server.sh on a Debian that has nothing, twice: it does its work, and then finds it done.

In a container: so neither systemd nor swap is tried, which no container has of its own.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import compose, images

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

CHECKOUT = Path(__file__).resolve().parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIONTj0nk6+d2nQo2/QoauWwYHUR5RED6cTdqlwVYJB8G probe"
FOREIGN = {"dns": ["192.0.2.1"], "log-opts": {"max-size": "50m"}}


@pytest.fixture
def server() -> Iterator[str]:
    """A fresh container of the base image, which is a Debian; it may change its own firewall."""
    name = f"prepare-server-{uuid.uuid4().hex[:8]}"
    image = images.select(images.pinned(compose.config(CHECKOUT)), "python").reference
    script = CHECKOUT / "deploy/prepare-server.sh"
    options = ("--cap-add", "NET_ADMIN", "--volume", f"{script}:/prepare-server.sh:ro")
    subprocess.run(
        ["docker", "run", "--detach", "--init", "--name", name, *options, image, "sleep", "300"],
        check=True,
        capture_output=True,
    )
    try:
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


def said(name: str, command: str, *, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", "exec", "--interactive", name, "bash", "-c", command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps(shown: str) -> dict[str, int]:
    """How often each word begins a line."""
    words = [line.split()[0] for line in shown.splitlines()[1:-1]]
    return {word: words.count(word) for word in set(words)}


def test_a_bare_server_is_made_ready_and_the_second_time_there_is_nothing_to_do(server: str) -> None:
    said(server, "mkdir -p /etc/docker && cat > /etc/docker/daemon.json", stdin=json.dumps(FOREIGN))
    command = "bash /prepare-server.sh --key - --ssh-port 2222 --swap 0"
    first = steps(said(server, command, stdin=KEY))
    assert first["done"] >= 6
    assert first["doing"] == first["done"]
    second = steps(said(server, command, stdin=KEY.replace("probe", "another comment")))
    assert second.keys() == {"already", "left"}

    merged = json.loads(said(server, "cat /etc/docker/daemon.json"))
    assert merged == {
        "dns": ["192.0.2.1"],
        "log-driver": "json-file",
        "log-opts": {"max-size": "50m", "max-file": "3"},
        "live-restore": True,
    }
    assert json.loads(said(server, "cat /etc/docker/daemon.json.before-alertscale")) == FOREIGN
    said(server, "dockerd --validate && docker compose version && make --version")
    assert "docker" in said(server, "id -nG deploy").split()
    assert said(server, "cat ~deploy/.ssh/authorized_keys") == KEY + "\n"
    assert said(server, "stat -c '%a %U' ~deploy/.ssh ~deploy/.ssh/authorized_keys") == (
        "700 deploy\n600 deploy\n"
    )
    opened = said(server, "ufw status")
    assert "Status: active" in opened
    assert [port for port in ("2222", "80", "443", "8080") if f"\n{port}/tcp " in opened] == [
        "2222", "80", "443", "8080"
    ]  # fmt: skip
