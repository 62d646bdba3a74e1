"""The engine itself fails under the stack: it hangs, is restarted, is killed in the middle of a step.

It is an engine of this file's own, so that the machine's goes on; the tests share it and go from one fault
to the next in the order they are written in.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from testkit.load import Kind, Load
from testkit.stack import Stack, copy_repository, free_port, wait_until
from tests.engines.own import OwnEngine, own_engine, why_not

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
]

SERVICES = ("flask-app", "nginx", "scaler")
"""Those that a step needs; people order them here."""
OVERLAY = """\
services:
  scaler:
    volumes: ["{socket}:/var/run/docker.sock"]
  flask-app:
    labels: {{alertscale.max: "8"}}
  nginx:
    ports: ["0.0.0.0:{everywhere}:80"]
"""
LONGER_THAN_OUR_TIMEOUTS = 16.0
AT_ONCE = 2.0
# Waits instead of burning CPU: an alert of its own would move the count.
LIGHT = "/sleep?seconds=0.1"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that is ours to break.

    Attributes:
        engine: its engine.
        stack: the stack on it, without monitoring; steps down are paused.
        everywhere: nginx's port on every address, past the proxy that Docker runs for loopback.
    """

    engine: OwnEngine
    stack: Stack
    everywhere: int


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("clone")
    copy_repository(directory)
    builder = Stack(directory=directory, ports={}, project=f"alertscale-e2e-faults-{uuid.uuid4().hex[:8]}")
    builder.compose("build", "flask-app", "scaler")
    images = builder.compose("config", "--images", *SERVICES).split()
    with own_engine() as engine, pytest.MonkeyPatch.context() as patch:
        try:
            engine.load(images)
        finally:
            builder.remove_images()
        patch.setenv("DOCKER_HOST", engine.host)
        everywhere = free_port()
        (directory / "own.yml").write_text(OVERLAY.format(socket=engine.socket, everywhere=everywhere))
        ports = {name: free_port() for name in ("NGINX_PORT", "SCALER_PORT")}
        stack = replace(builder, ports=ports, files=(*builder.files, "own.yml"), session=requests.Session())
        stack.compose("up", "--detach", "--wait", "--wait-timeout", "120", *SERVICES)
        stack.await_replicas(1, within=30)
        stack.pause("down")
        stack.token()
        yield Machine(engine=engine, stack=stack, everywhere=everywhere)


@contextlib.contextmanager
def requests_on(machine: Machine) -> Iterator[None]:
    """Clients on nginx, whose every request must be answered."""
    with Load(Kind(clients=4, method="POST", path=LIGHT), port=machine.stack.ports["NGINX_PORT"]) as load:
        yield
    assert load.lost == {}
    assert load.answers["200"] > 100


def asked(stack: Stack, path: str) -> requests.Response:
    """What the scaler answers at once; anything else fails the test."""
    return requests.get(stack.url("SCALER_PORT", path), timeout=AT_ONCE)


def ready(stack: Stack) -> bool:
    try:
        return asked(stack, "/readyz").status_code == 200
    except requests.RequestException:
        return False


def engine_up(stack: Stack) -> float:
    lines = asked(stack, "/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("alertscale_engine_up "))


def notify(stack: Stack) -> int:
    """Send what Alertmanager would; return the status of the answer."""
    alert = {"status": "firing", "labels": {"alertname": "Noticed"}}
    answer = requests.post(
        stack.url("SCALER_PORT", "/alerts"),
        json={"version": "4", "alerts": [alert]},
        headers={"Authorization": f"Bearer {stack.token()}"},
        timeout=AT_ONCE,
    )
    return answer.status_code


def order_one_more(stack: Stack) -> int:
    """Order one replica more than there is; return that count."""
    count = len(stack.service()["replicas"]) + 1
    assert stack.change("/api/v1/services/flask-app/scale", {"replicas": count}).status_code == 202
    return count


def states(stack: Stack, service: str) -> list[str]:
    return [r["state"] for r in stack.service(service).get("replicas", [])]


def steps(stack: Stack, number: int) -> list[str]:
    """How each step of a replica's ended."""
    ended = [e for e in stack.events() if e["kind"] == "step" and e["detail"]["number"] == number]
    return [str(e["reason"]) for e in ended]


def assert_once(stack: Stack, number: int) -> None:
    """A replica's step was done once; one that the engine never heard of may have been undone before."""
    wait_until(lambda: "done" in steps(stack, number), within=10, what=f"the end of the step of {number}")
    *before, _ = ended = steps(stack, number)
    assert ended[-1] == "done"
    assert set(before) <= {"undone"}


def identities(stack: Stack, *services: str) -> list[tuple[str, str]]:
    """The containers of services, each with the start of its life."""
    return [(c["Id"], c["State"]["StartedAt"]) for s in services for c in stack.containers(s)]


@contextlib.contextmanager
def scaler_started_anew(stack: Stack) -> Iterator[None]:
    """Wait for the scaler that has the new engine's socket; the former one may still say that it is ready."""
    before = identities(stack, "scaler")
    yield
    wait_until(
        lambda: identities(stack, "scaler") != before and ready(stack),
        within=40,
        what="/readyz is 200 at a scaler that Docker has started anew",
    )


def assert_right(stack: Stack, count: int) -> None:
    """So many replicas, all running and in nginx, and nothing else of the service."""
    stack.await_replicas(count, within=60)
    wait_until(lambda: stack.upstream() == stack.addresses(), within=15, what="the exact upstream")
    containers: list[dict[str, Any]] = stack.containers()
    assert [c["State"]["Status"] for c in containers] == ["running"] * count
    assert requests.get(stack.url("NGINX_PORT", "/"), timeout=10).status_code == 200


def test_a_labelled_container_is_a_service_whatever_its_project(machine: Machine) -> None:
    """As shipped: elsewhere the scaler of a test is told which projects are its own."""
    stack = machine.stack
    image = stack.containers()[0]["Config"]["Image"]
    compose = {"project": "shop", "service": "web", "container-number": "1", "oneoff": "False"}
    labels = [f"com.docker.compose.{name}={value}" for name, value in compose.items()]
    options = [word for label in (*labels, "alertscale.enable=true") for word in ("--label", label)]
    run = ["docker", "run", "--detach", "--name", "shop-web-1", "--network", f"{stack.project}_default"]
    subprocess.run([*run, *options, image], check=True, capture_output=True)
    try:
        wait_until(lambda: states(stack, "web") == ["ready"], within=20, what="the service of project shop")
        assert stack.service("web")["project"] == "shop"
    finally:
        subprocess.run(["docker", "rm", "--force", "shop-web-1"], check=True, capture_output=True)


def test_a_hanging_engine_is_seen_and_an_order_given_meanwhile_is_carried_out_once(machine: Machine) -> None:
    stack = machine.stack
    with requests_on(machine):
        with machine.engine.hanging():
            begun = time.monotonic()
            wanted = order_one_more(stack)
            wait_until(lambda: not ready(stack), within=10, what="/readyz is 503")
            assert engine_up(stack) == 0
            assert asked(stack, "/healthz").status_code == 200
            while time.monotonic() - begun < LONGER_THAN_OUR_TIMEOUTS:
                assert notify(stack) == 202
                assert len(stack.service()["replicas"]) == wanted - 1
                time.sleep(0.5)
        wait_until(lambda: ready(stack), within=10, what="/readyz is 200 again")
        assert_right(stack, wanted)
    assert engine_up(stack) == 1
    told = [e["text"] for e in stack.events() if e["reason"] == "engine_unavailable"]
    assert any(text.startswith("no answer from the engine to ") for text in told)
    assert told[-1] == "The engine answers again"
    assert_once(stack, wanted)


def test_a_step_under_way_when_the_engine_hangs_is_finished(machine: Machine) -> None:
    stack = machine.stack
    with requests_on(machine):
        wanted = order_one_more(stack)
        wait_until(lambda: len(stack.containers()) == wanted, within=20, what="its container", every=0.01)
        with machine.engine.hanging():
            time.sleep(LONGER_THAN_OUR_TIMEOUTS)
        assert_right(stack, wanted)
    assert_once(stack, wanted)


def test_an_engine_that_crashes_in_the_middle_of_a_step_comes_back_with_all_containers_and_ends_it(
    machine: Machine,
) -> None:
    """The crash of 20.10 in docs/recover.md, on a machine without live restore."""
    stack = machine.stack
    wanted = order_one_more(stack)
    wait_until(lambda: len(stack.containers()) == wanted, within=20, what="its container", every=0.01)
    machine.engine.kill()
    machine.engine.start()
    wait_until(lambda: ready(stack), within=60, what="/readyz is 200")
    assert_right(stack, wanted)
    assert_once(stack, wanted)


def test_an_engine_that_restarts_with_all_containers_finds_the_same_replicas_again(machine: Machine) -> None:
    stack = machine.stack
    before = [c["Id"] for c in stack.containers()]
    machine.engine.stop()
    assert not ready(stack)
    machine.engine.start("--live-restore")
    wait_until(lambda: ready(stack), within=60, what="/readyz is 200")
    assert_right(stack, len(before))
    assert [c["Id"] for c in stack.containers()] == before
    wanted = order_one_more(stack)
    assert_right(stack, wanted)
    assert_once(stack, wanted)


def test_containers_outlive_an_engine_with_live_restore_and_the_scaler_finds_the_new_one(
    machine: Machine,
) -> None:
    stack = machine.stack
    before = identities(stack, "flask-app", "nginx")
    with requests_past_the_proxy(machine):
        with scaler_started_anew(stack):
            machine.engine.stop()
            machine.engine.start("--live-restore")
        assert identities(stack, "flask-app", "nginx") == before
        assert_right(stack, len(stack.containers()))
        wanted = order_one_more(stack)
        assert_right(stack, wanted)
    assert_once(stack, wanted)


def test_a_step_under_way_when_the_engine_is_killed_is_finished(machine: Machine) -> None:
    stack = machine.stack
    with requests_past_the_proxy(machine):
        wanted = order_one_more(stack)
        wait_until(lambda: len(stack.containers()) == wanted, within=20, what="its container", every=0.01)
        with scaler_started_anew(stack):
            machine.engine.kill()
            machine.engine.start("--live-restore")
        assert_right(stack, wanted)
    assert_once(stack, wanted)


@contextlib.contextmanager
def requests_past_the_proxy(machine: Machine) -> Iterator[None]:
    """As :func:`requests_on`, at an address of the machine's other than loopback.

    Docker serves published ports on loopback through a process that ends with the engine.
    """
    (nginx,) = machine.stack.containers("nginx")
    (network,) = nginx["NetworkSettings"]["Networks"].values()
    load = Load(Kind(clients=4, method="POST", path=LIGHT), host=network["Gateway"], port=machine.everywhere)
    with load:
        yield
    assert load.lost == {}
    assert load.answers["200"] > 100
