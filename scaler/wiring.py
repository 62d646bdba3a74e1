"""Puts the parts together, for Docker with Compose and for Docker Swarm; nothing runs yet when it returns."""

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
from scaler.loop.alerts import Alerts
from scaler.loop.autoscaler import Autoscaler
from scaler.loop.knowledge import Knowledge
from scaler.loop.orders import Orders
from scaler.loop.outside_changes import Outside
from scaler.loop.reading import Reading
from scaler.loop.rhythm import Rhythm
from scaler.loop.watch import Watch
from scaler.model.errors import AlertscaleError, JournalError
from scaler.model.labels import COMPOSE_PROJECT, SWARM_STACK
from scaler.model.reasons import ErrorReason, EventKind
from scaler.policy.relief import Shares
from scaler.prometheus.client import Prometheus
from scaler.settings import SWARM, Settings
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.compose import Stepper
from scaler.steps.contract import StepContext, Steps
from scaler.steps.log import StepLog
from scaler.steps.runner import Runner
from scaler.steps.swarm import CountStepper
from scaler.traffic.contract import Balancer
from scaler.traffic.nginx import DockerNginx, Nginx
from scaler.traffic.readiness import OwnThread, Prober
from scaler.traffic.upstreams import Traffic

_ENGINE_TIMEOUT: Final = 15
_TEST_TIMEOUT: Final = 60
"""Seconds for which a test of nginx' configuration may say nothing: nginx/accept.sh gives each try ten."""


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
class Edges:
    """What the loop works on.

    Attributes:
        target: the engine.
        steps: takes steps on it.
        balancer: nginx.
        prober: asks replicas whether they are ready.
    """

    target: Target
    steps: Steps
    balancer: Balancer
    prober: Prober


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known and what is remembered.

    Attributes:
        world: what the loop observed.
        journal: what survives the process.
        metrics: counters and gauges.
        recorder: the history.
        anchors: carry the journal's times to the monotonic clock, and back.
    """

    world: World
    journal: Journal
    metrics: Metrics
    recorder: Recorder
    anchors: Anchors


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What runs, what is asked of it, and what is looked at."""

    autoscaler: Autoscaler
    orders: Orders
    reading: Reading
    edges: Edges
    memory: Memory


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
        prometheus: asked before a step on an alert.
        may_change: on Swarm, whether it is us who act.

    Raises:
        AlertscaleError: the journal cannot be opened.
        DockerException: no engine is there.
    """
    memory = _remember(settings)
    rhythm = Rhythm(tick=settings.tick, stopping=stopping, wake=threading.Event())
    context = StepContext(
        log=StepLog(journal=memory.journal, recorder=memory.recorder, metrics=memory.metrics),
        world=memory.world,
        metrics=memory.metrics,
        wake=rhythm.pass_soon,
        stopping=stopping,
    )
    return assemble(
        edges=_edges(settings, place, context, may_change=may_change),
        memory=memory,
        alerts=Alerts(ttl=settings.signal_ttl, source=prometheus.alerts),
        shares=prometheus.shares,
        rhythm=rhythm,
        own_project=place.project,
        networks=place.networks,
    )


def assemble(
    *,
    edges: Edges,
    memory: Memory,
    alerts: Alerts,
    shares: Callable[..., Shares | None],
    rhythm: Rhythm,
    own_project: str,
    networks: frozenset[str] | None,
) -> Parts:
    """Put the loop together, on whatever engine.

    Args:
        edges: what it works on.
        memory: what it knows and remembers.
        alerts: what fires.
        shares: asks Prometheus what became of a service's memory.
        rhythm: when it makes its passes.
        own_project: our Compose project, or our stack.
        networks: names of the networks that we are on; None when we reach all of them.
    """
    world, journal, recorder = memory.world, memory.journal, memory.recorder
    outside = Outside(world=world, journal=journal, anchors=memory.anchors)
    runner = Runner(
        steps=edges.steps,
        world=world,
        recorder=recorder,
        learn=edges.target.prepare,
        done=rhythm.decide_soon,
        unwanted=lambda step, limits: knowledge.unwanted(step, limits, now=rhythm.now()),
    )
    knowledge = Knowledge(
        world=world,
        journal=journal,
        alerts=alerts,
        outside=outside,
        anchors=memory.anchors,
        stepping=runner.stepping,
        shares=shares,
    )
    watch = Watch(
        target=edges.target,
        world=world,
        prober=edges.prober,
        outside=outside,
        recorder=recorder,
        rhythm=rhythm,
        networks=networks,
    )
    traffic = _traffic(edges, memory, own_project=own_project, wake=rhythm.pass_soon)
    shared: dict[str, Any] = {
        "alerts": alerts, "knowledge": knowledge, "journal": journal, "watch": watch, "rhythm": rhythm,
    }  # fmt: skip
    return Parts(
        autoscaler=Autoscaler(traffic=traffic, runner=runner, recorder=recorder, **shared),
        orders=Orders(recorder=recorder, own_project=own_project, **shared),
        reading=Reading(traffic=traffic, **shared),
        edges=edges,
        memory=memory,
    )


def _traffic(edges: Edges, memory: Memory, *, own_project: str, wake: Callable[[], object]) -> Traffic:
    return Traffic(
        balancer=edges.balancer,
        world=memory.world,
        recorder=memory.recorder,
        metrics=memory.metrics,
        own_project=own_project,
        executor=OwnThread(name="nginx"),
        wake=wake,
    )


def _edges(
    settings: Settings, place: Place, context: StepContext, *, may_change: Callable[[], bool]
) -> Edges:
    client, other = (_counted(engine(), context.metrics) for _ in range(2))
    balancer = Nginx(
        directory=settings.upstreams,
        control=DockerNginx(client=client, patient=_counted(engine(timeout=_TEST_TIMEOUT), context.metrics)),
        pause=time.sleep,
        monotonic=time.monotonic,
    )
    target: Target
    steps: Steps
    if settings.target == SWARM:
        target = swarm = SwarmTarget(
            client=client,
            watch=other,
            own_stack=place.project,
            stacks=settings.projects,
            monotonic=time.monotonic,
            pause=context.stopping.wait,
            may_change=may_change,
        )
        steps = CountStepper(target=swarm, context=context)
    else:
        target = compose = ComposeTarget(
            client=client,
            events=other,
            own_project=place.project,
            projects=settings.projects,
            stack=settings.stack,
            log_lines=settings.keep_log_lines,
        )
        steps = Stepper(target=compose, balancer=balancer, context=context)
    prober = Prober(executor=OwnThread(name="ask"), wake=context.wake)
    return Edges(target=target, steps=steps, balancer=balancer, prober=prober)


def _remember(settings: Settings) -> Memory:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = Metrics(registry)
    journal = Journal(path=settings.data / "journal.sqlite", keep=settings.keep_events)
    recorder = Recorder(journal=journal, metrics=metrics, wall=time.time)
    if journal.set_aside:
        recorder.survived("journal", JournalError(journal.set_aside))
        recorder.tell(EventKind.FAULT, ErrorReason.JOURNAL, journal.set_aside)
    return Memory(
        world=World(),
        journal=journal,
        metrics=metrics,
        recorder=recorder,
        anchors=Anchors(wall=time.time, monotonic=time.monotonic),
    )


def _counted(client: APIClient, metrics: Metrics) -> APIClient:
    count: Callable[..., None] = lambda *_args, **_kwargs: metrics.engine_calls.inc()  # noqa: E731 - a hook of requests
    client.hooks["response"].append(count)
    return client
