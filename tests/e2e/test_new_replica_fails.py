"""A new replica goes wrong, in every way that the engine has: nothing of it is left, and why is told.

Six services of another project fail at the same time, so that their waits run side by side.
"""

from __future__ import annotations

import contextlib
import html
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from testkit.networks import kept_by
from testkit.stack import PROJECT, Stack, free_port, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(300)]
ROUGH = f"{PROJECT}-rough"
FILE = Path(__file__).with_name("failing-project.yml")
IMAGE = f"{ROUGH}:1"

REASONS = {
    "port": ("port_taken", "widen the range"),
    "net": ("network_gone", "docker compose up -d --force-recreate"),
    "oom": ("out_of_memory", "memory limit of 64 MiB"),
    "stuck": ("not_ready", "not ready within 5 s"),
    "loop": ("replica_exited", "exited before it was ready (started again"),
}
"""Service to the reason of its failed step, and to what the sentence beside it holds."""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(kw_only=True)
class Rough:
    """The other project, and what stands in its way.

    Attributes:
        stack: alertscale's own.
        times: how often each new replica fails before its cause is taken away.
        ports: the first of its two host ports.
        holder: holds the second of them.
        begun: the id of the last event of before it.
        page: the status page when all had failed.
        seen: the id of the last event of before that page.
    """

    stack: Stack
    times: int
    ports: int
    holder: socket.socket
    begun: int = 0
    page: str = ""
    seen: int = 0

    def compose(self, *words: str) -> str:
        done = self._run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def down(self) -> None:
        kept_by(self._run("down", "--volumes", "--timeout", "3"), project=ROUGH)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", "-p", ROUGH, "-f", str(FILE), *words],
            env={
                **os.environ,
                "HOST_PORTS": f"{self.ports}-{self.ports + 1}",
                "IMAGE": IMAGE,
                "NETWORK": f"{PROJECT}_default",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def containers(self, service: str) -> list[dict[str, Any]]:
        return self.stack.containers(service, project=ROUGH)

    def has_one_alone(self, service: str) -> bool:
        """Whether it has its first container and no other in whichever state, and nginx never had another."""
        shown = [(c["Name"], c["State"]["Status"]) for c in self.containers(service)]
        address = self.stack.addresses(service, project=ROUGH)
        return shown == [(f"/{ROUGH}-{service}-1", "running")] and self.stack.upstream(
            f"{ROUGH}.{service}"
        ) == address == self.served(service)

    def events(self, service: str, kind: str) -> list[dict[str, Any]]:
        """The history of a service since the project is there, oldest first."""
        return [
            e
            for e in self.stack.events()
            if e["id"] > self.begun and (e["service"], e["kind"]) == (service, kind)
        ]

    def failures(self, service: str) -> list[dict[str, Any]]:
        return [e for e in self.events(service, "step") if e["reason"] == "failed"]

    def served(self, service: str) -> set[str]:
        """Every address that nginx was ever told of."""
        reloads = [e for e in self.stack.events() if e["kind"] == "reload" and e["id"] > self.begun]
        lists = [e["detail"]["upstreams"].get(f"{ROUGH}.{service}", []) for e in reloads]
        return {server.rpartition(":")[0] for servers in lists for server in servers}


@contextlib.contextmanager
def pair_of_ports() -> Iterator[tuple[int, socket.socket]]:
    """Two host ports side by side, of which the second is held."""
    for _ in range(50):
        first = free_port()
        with contextlib.suppress(OSError), socket.socket() as holder:
            holder.bind(("127.0.0.1", first + 1))
            holder.listen()
            yield first, holder
            return
    pytest.fail("no two free ports side by side")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(1, id="once"),
        # The second wait, twice as long, is in tests/unit/scaler/loop/test_autoscaler.py, too.
        pytest.param(2, id="twice", marks=pytest.mark.drill),
    ],
)
def spoilt(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Rough]:
    """One ready replica of each service, two asked for, and for five of them a cause to fail."""
    with pair_of_ports() as (first, holder):
        begun = stack.events()[-1]["id"]
        rough = Rough(stack=stack, times=request.param, ports=first, holder=holder, begun=begun)
        docker("tag", "python:3.14.7-slim", IMAGE)
        try:
            rough.compose("up", "--detach")
            for service in (*REASONS, "image"):
                stack.await_replicas(1, within=20, service=service)
            docker("exec", f"{ROUGH}-stuck-1", "touch", "/cause/spoilt")
            docker("rmi", "--force", IMAGE)
            docker("network", "disconnect", f"{ROUGH}_aside", f"{ROUGH}-net-1")
            docker("network", "rm", f"{ROUGH}_aside")
            for service in (*REASONS, "image"):
                answer = stack.change(f"/api/v1/services/{service}/scale", {"replicas": 2})
                assert answer.status_code == 202, answer.text
            yield rough
        finally:
            rough.down()


@pytest.fixture(scope="module")
def failed(spoilt: Rough) -> Rough:
    """Each of the five has failed so often and has one replica; then the causes are taken away."""
    wait_until(
        lambda: all(len(spoilt.failures(service)) >= spoilt.times for service in REASONS),
        within=30 * spoilt.times,
        what="failed steps of each service",
    )
    spoilt.seen = spoilt.stack.events()[-1]["id"]
    spoilt.page = spoilt.stack.session.get(spoilt.stack.url("SCALER_PORT", "/"), timeout=10).text
    for service in REASONS:
        # The next try may be under way: then after that.
        wait_until(
            lambda: spoilt.has_one_alone(service),  # noqa: B023
            within=20,
            what=f"the first replica of {service} alone",
        )
    spoilt.holder.close()
    # Paused, or the next try's replica comes and goes while Compose recreates what it has listed.
    stack = spoilt.stack
    stack.pause("all", service="net")
    wait_until(lambda: stack.service("net")["decision"]["reason"] == "paused", within=20, what="no step")
    spoilt.compose("up", "--detach", "--force-recreate", "--no-deps", "net")
    stack.pause("none", service="net")
    docker("exec", f"{ROUGH}-stuck-1", "rm", "/cause/spoilt")
    return spoilt


def test_an_image_whose_tag_is_gone_still_gives_the_same_replica(spoilt: Rough) -> None:
    spoilt.stack.await_replicas(2, within=20, service="image")
    first, second = spoilt.containers("image")
    assert first["Image"] == second["Image"]


@pytest.mark.parametrize("service", REASONS)
def test_the_reason_and_the_way_out_are_told_everywhere(failed: Rough, service: str) -> None:
    stack, (reason, words) = failed.stack, REASONS[service]
    for failure in failed.failures(service):
        assert failure["text"].startswith("Replica 2 could not be added: ")
        assert failure["text"].endswith(f" ({reason})")
        assert words in failure["text"]
        # The next try may have failed too until its cause was taken away.
        assert failure["id"] > failed.seen or failure["text"] in html.unescape(failed.page)
    assert f"({reason})" in stack.compose("logs", "--no-log-prefix", "scaler")
    metrics = stack.session.get(stack.url("SCALER_PORT", "/metrics"), timeout=10).text
    counted = (
        f'alertscale_scale_total{{direction="up",outcome="failed",project="{ROUGH}",service="{service}"}}'
    )
    assert f"{counted} " in metrics
    assert f'alertscale_errors_total{{reason="{reason}"}}' in metrics


@pytest.mark.parametrize("service", REASONS)
def test_somebody_is_alerted(failed: Rough, service: str) -> None:
    wait_until(
        lambda: [
            e
            for e in failed.events(service, "alert")
            if e["text"] == f"ReplicaNotReady fires: A new replica of {service} did not become ready"
        ],
        within=20,
        what="the alert, delivered",
    )


@pytest.mark.parametrize("service", REASONS)
def test_when_the_cause_is_gone_the_service_gets_what_it_was_asked_for(failed: Rough, service: str) -> None:
    """Nothing of the failed ones was left, and none of them was ever in nginx: see the fixture."""
    stack, upstream = failed.stack, f"{ROUGH}.{service}"
    stack.await_replicas(2, within=45, service=service)
    wait_until(
        lambda: stack.upstream(upstream) == stack.addresses(service, project=ROUGH),
        within=5,
        what="both replicas in nginx",
    )


@pytest.mark.parametrize("service", REASONS)
def test_each_try_waits_twice_as_long_as_the_one_before(failed: Rough, service: str) -> None:
    """The first of them ten seconds."""
    tries = [e for e in failed.events(service, "decision") if e["reason"] == "manual"]
    failures = failed.failures(service)
    paused = [e["at"] for e in failed.events(service, "decision") if e["reason"] == "paused"]
    assert len(failures) >= failed.times
    for nth, (failure, again) in enumerate(zip(failures, tries[1:], strict=True)):
        waited = moment(again["at"]) - moment(failure["at"])
        assert waited > 10 * 2**nth - 0.5
        # The fixture pauses one of them, in which time it may have been its turn.
        assert waited < 10 * 2**nth + 5 or any(failure["at"] < at < again["at"] for at in paused)
    assert "backoff" in [e["reason"] for e in failed.events(service, "decision")]


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
