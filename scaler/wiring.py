"""Puts the parts together, for Docker with Compose and for Docker Swarm; nothing runs yet when it returns."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from docker import APIClient
from docker.errors import DockerException
from docker.utils import kwargs_from_env
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from scaler.engines.compose import ComposeTarget
from scaler.engines.contract import Target
from scaler.engines.swarm import SwarmTarget
from scaler.loop.autoscaler import Autoscaler
from scaler.model.errors import AlertscaleError
from scaler.model.labels import COMPOSE_PROJECT, SWARM_STACK
from scaler.prometheus.client import Prometheus
from scaler.settings import SWARM, Settings
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.compose import Stepper
from scaler.steps.log import Steps
from scaler.steps.swarm import CountStepper
from scaler.traffic.nginx import Balancer, DockerNginx
from scaler.traffic.readiness import OwnThread, Prober
from scaler.traffic.upstreams import Traffic

_ENGINE_TIMEOUT: Final = 15


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the scaler itself runs.

    Attributes:
        project: our Compose project, or our stack.
        networks: names of the networks that we are on; None on the host itself, which reaches all.
        address: of ours on the first of these; empty on the host itself.
        node: the host name, or the id of the container.
        manager: Swarm's id of the node; empty on Compose.
    """

    project: str
    networks: frozenset[str] | None
    address: str
    node: str
    manager: str = ""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What runs and what is looked at."""

    autoscaler: Autoscaler
    metrics: Metrics
    journal: Journal
    recorder: Recorder


def engine(*, timeout: int = _ENGINE_TIMEOUT) -> APIClient:
    """Make a client of the Engine API, by the variables that the docker command reads too.

    Args:
        timeout: seconds for an answer.
    """
    return APIClient(**kwargs_from_env(), timeout=timeout)


def find_place(client: APIClient, settings: Settings) -> Place:
    """Find out where we run.

    Raises:
        AlertscaleError: not in a container of this engine, and no project is set; or, on Swarm, not on a
            manager.
    """
    node = socket.gethostname()
    swarm = client.info().get("Swarm", {}) if settings.target == SWARM else {}
    manager = swarm.get("NodeID", "")
    if settings.target == SWARM and not swarm.get("ControlAvailable"):
        raise AlertscaleError(
            "ALERTSCALE_TARGET is swarm, and this engine is no manager of a Swarm;"
            " give the scaler's service the constraint node.role == manager, or begin with docker swarm init"
        )
    if settings.project:
        return Place(project=settings.project, networks=None, address="", node=node, manager=manager)
    try:
        own = client.inspect_container(node)
    except DockerException as error:
        raise AlertscaleError(
            f"cannot find the scaler's own container {node!r} ({error});"
            " outside a container set ALERTSCALE_PROJECT to the Compose project or the stack of nginx"
        ) from error
    labels = own["Config"]["Labels"] or {}
    found = {name: n.get("IPAddress", "") for name, n in own["NetworkSettings"]["Networks"].items()}
    return Place(
        project=labels.get(SWARM_STACK if settings.target == SWARM else COMPOSE_PROJECT, ""),
        networks=frozenset(found),
        address=next((found[name] for name in sorted(found) if found[name] and name != "ingress"), ""),
        node=node,
        manager=manager,
    )


def wire(
    settings: Settings,
    place: Place,
    *,
    stopping: threading.Event,
    prometheus: Prometheus,
    may_change: Callable[[], bool] = lambda: True,
) -> Parts:
    """Put the parts together.

    Args:
        settings: how to run.
        place: where we run.
        stopping: set when the scaler ends.
        prometheus: asked whether it lives before a replica is removed.
        may_change: on Swarm, whether it is us who act.

    Raises:
        AlertscaleError: the journal cannot be opened.
        DockerException: no engine is there.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = Metrics(registry)
    journal = Journal(path=settings.data / "journal.sqlite", keep=settings.keep_events)
    world, wake = World(), threading.Event()
    client = _counted(engine(), metrics)
    balancer = Balancer(
        directory=settings.upstreams,
        control=DockerNginx(client=client),
        pause=time.sleep,
        clock=time.monotonic,
    )
    about_steps: dict[str, Any] = {
        "journal": journal, "world": world, "metrics": metrics, "wake": wake.set, "stopping": stopping,
    }  # fmt: skip
    other = _counted(engine(), metrics)
    target: Target
    steps: Steps
    if settings.target == SWARM:
        target = swarm = SwarmTarget(
            client=client,
            watch=other,
            own_stack=place.project,
            stacks=settings.projects,
            clock=time.monotonic,
            pause=stopping.wait,
            may_change=may_change,
        )
        steps = CountStepper(target=swarm, **about_steps)
    else:
        target = compose = ComposeTarget(
            client=client, events=other, own_project=place.project, projects=settings.projects
        )
        steps = Stepper(target=compose, balancer=balancer, **about_steps)
    recorder = Recorder(journal=journal, metrics=metrics, clock=time.time)
    autoscaler = Autoscaler(
        target=target,
        traffic=Traffic(
            balancer=balancer, world=world, recorder=recorder, metrics=metrics, own_project=place.project
        ),
        journal=journal,
        recorder=recorder,
        metrics=metrics,
        prober=Prober(executor=OwnThread(), wake=wake.set),
        world=world,
        steps=steps,
        wake=wake,
        own_project=place.project,
        networks=place.networks,
        signal_ttl=settings.signal_ttl,
        tick=settings.tick,
        stopping=stopping,
        source_lives=prometheus.lives,
    )
    return Parts(autoscaler=autoscaler, metrics=metrics, journal=journal, recorder=recorder)


def _counted(client: APIClient, metrics: Metrics) -> APIClient:
    count: Callable[..., None] = lambda *_args, **_kwargs: metrics.engine_calls.inc()  # noqa: E731 - a hook of requests
    client.hooks["response"].append(count)
    return client
