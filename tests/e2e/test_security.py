"""docs/security.md says what each container may do; the kernel and Docker are asked whether that is so."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testkit.stack import REPOSITORY, Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]

SOCKET = "/var/run/docker.sock"
# The kernel's own, and three files that Docker writes for each container.
SYSTEM = re.compile(r"/(proc|sys|dev)(/.*)?|/etc/(hosts|hostname|resolv\.conf)")
# Mounts below a mount that is read-only; the document says when they are not read-only themselves.
HIERARCHIES = re.compile(r"/host/sys/fs/cgroup/.+")
CAPABILITIES = {0: "CHOWN", 1: "DAC_OVERRIDE", 6: "SETGID", 7: "SETUID"}
# Given a value, and not the path of a file.
SECRETS = re.compile(r"\w*(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL)\w*(?<!_FILE)=.", re.IGNORECASE)
RUNS_TO_ITS_END = "monitoring-password"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """A row of the table."""

    user: int
    writes: frozenset[str]
    capabilities: frozenset[str]
    socket: bool
    port: str | None


def documented() -> dict[str, Rights]:
    """Read the table."""
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (\d+) \| (.+?) \| (.+?) \| (yes|no) \| (.+?) \|$", text, re.MULTILINE
    )
    return {
        name: Rights(
            user=int(user),
            writes=frozenset(re.findall(r"`(.+?)`", writes)),
            capabilities=frozenset(re.findall(r"`(.+?)`", capabilities)),
            socket=socket == "yes",
            port=next(iter(re.findall(r"`(.+?)`", port)), None),
        )
        for name, user, writes, capabilities, socket, port in rows
    }


def kernel(pid: int, key: str) -> str:
    """A line of a process' status."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(line.split(":", 1)[1].strip() for line in status.splitlines() if line.startswith(f"{key}:"))


def capabilities(pid: int, which: str) -> frozenset[str]:
    bits = int(kernel(pid, which), 16)
    return frozenset(CAPABILITIES.get(n, str(n)) for n in range(64) if bits >> n & 1)


def writable(pid: int) -> frozenset[str]:
    """Where a process' file systems can be written to."""
    found = set()
    for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        point, options = before.split()[4], before.split()[5].split(",")
        above = after.split()[2].split(",")
        if "rw" in options and "rw" in above and not SYSTEM.fullmatch(point):
            found.add(point)
    return frozenset(found)


def holds_socket(container: dict[str, Any]) -> bool:
    return any(m["Source"].endswith("docker.sock") for m in container["Mounts"])


@contextlib.contextmanager
def kept_running(stack: Stack, service: str) -> Iterator[list[dict[str, Any]]]:
    """A container like that of a service that runs to its end, but for what it runs."""
    name = stack.compose("run", "--detach", "--no-deps", service, "sleep", "120").split()[-1]
    try:
        shown = subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True)
        yield json.loads(shown.stdout)
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=True)


@pytest.fixture
def two_replicas(one_replica: Stack) -> Iterator[Stack]:
    """The stack with a replica of Compose's and one of the scaler's."""
    one_replica.pause("down")
    one_replica.scale(2)
    yield one_replica
    one_replica.pause("none")


def test_every_container_may_do_what_the_table_says_and_no_more(two_replicas: Stack) -> None:
    table = documented()
    services = set(two_replicas.compose("config", "--services").split())
    assert set(table) == services
    for service, rights in table.items():
        with contextlib.ExitStack() as open_until_here:
            if service == RUNS_TO_ITS_END:
                containers = open_until_here.enter_context(kept_running(two_replicas, service))
            else:
                containers = two_replicas.containers(service)
            assert len(containers) == (2 if service == "flask-app" else 1)
            for container in containers:
                check(service, container, rights)


def check(service: str, container: dict[str, Any], rights: Rights) -> None:
    name, pid = container["Name"], int(container["State"]["Pid"])
    host = container["HostConfig"]
    assert {int(uid) for uid in kernel(pid, "Uid").split()} == {rights.user}, name
    assert capabilities(pid, "CapBnd") == rights.capabilities, name
    assert capabilities(pid, "CapEff") <= rights.capabilities, name
    places = {p for p in writable(pid) if not (service == "exporter" and HIERARCHIES.match(p))}
    assert places - {SOCKET, "/run/docker.sock"} == rights.writes, name
    assert holds_socket(container) == rights.socket, name
    assert kernel(pid, "NoNewPrivs") == "1", name
    assert kernel(pid, "Seccomp") == "2", name
    assert host["ReadonlyRootfs"], name
    assert not host["Privileged"], name
    assert not host["Devices"], name
    assert "host" not in {host["NetworkMode"], host["PidMode"], host["IpcMode"]}, name


def test_nginx_workers_have_no_capability_and_are_not_root(stack: Stack) -> None:
    (nginx,) = stack.containers("nginx")
    listed = subprocess.run(
        ["docker", "top", nginx["Id"], "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    workers = [int(line.split()[0]) for line in listed if "worker process" in line]
    assert workers
    for worker in workers:
        assert kernel(worker, "Uid").split()[1] == "101"
        assert capabilities(worker, "CapEff") == frozenset()


def test_ports_are_published_where_the_table_says(stack: Stack) -> None:
    variables = {*stack.ports, "NGINX_BIND"}
    shown = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],
        cwd=stack.directory,
        env={k: v for k, v in os.environ.items() if k not in variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name, service in json.loads(shown)["services"].items():
        published = [f"{p['host_ip']}:{p['published']}" for p in service.get("ports", [])]
        port = documented()[name].port
        assert published == ([port] if port else []), name


def test_nothing_but_nginx_can_be_reached_from_another_machine(stack: Stack) -> None:
    for service, rights in documented().items():
        for container in stack.containers(service):
            bound = [b for bs in container["NetworkSettings"]["Ports"].values() for b in bs or []]
            assert len(bound) == (1 if rights.port else 0), service
            assert {b["HostIp"] for b in bound} <= {"127.0.0.1"} or service == "nginx", service


def test_the_token_is_in_no_log_no_image_and_no_environment(stack: Stack) -> None:
    token = stack.token()
    assert len(token) >= 40
    stack.session.post(
        stack.url("SCALER_PORT", "/alerts"),
        data="{",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert token not in stack.compose("logs", "--no-color")
    images = set()
    for service in documented():
        for container in stack.containers(service):
            images.add(container["Image"])
            assert token not in json.dumps(container), service
            assert not [e for e in container["Config"]["Env"] or [] if SECRETS.match(e)], service
            if service != RUNS_TO_ITS_END:
                environment = Path(f"/proc/{container['State']['Pid']}/environ").read_bytes()
                assert token.encode() not in environment, service
    for image in images:
        for command in (["history", "--no-trunc", image], ["inspect", image]):
            said = subprocess.run(["docker", *command], capture_output=True, text=True, check=True).stdout
            assert token not in said
            assert not re.search(r"(PASSWORD|SECRET|TOKEN|CREDENTIAL)\w*=", said)


def test_the_token_is_replaced_with_nothing_restarted(stack: Stack) -> None:
    """With the very command of the documentation; Alertmanager goes on delivering."""
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    command = re.search(r"exec -T scaler sh -c '([^']+)'", text)
    assert command
    before = stack.token()
    stack.compose("exec", "-T", "scaler", "sh", "-c", command[1])
    replaced = time.monotonic()
    stack._tokens.clear()
    assert stack.token() != before
    answer = stack.session.post(
        stack.url("SCALER_PORT", "/api/v1/services/flask-app/pause"),
        json={"pause": "none"},
        headers={"Authorization": f"Bearer {before}"},
        timeout=10,
    )
    assert answer.status_code == 401
    stack.pause("none")

    def heard_since() -> bool:
        age = stack.scaler("/healthz")["seconds_since_watchdog"]
        return age is not None and age < time.monotonic() - replaced

    wait_until(heard_since, within=30, what="a notification with the new token")
