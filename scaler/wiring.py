"""Puts the parts together, for Docker with Compose and for Docker Swarm; nothing runs yet when it returns."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from scaler.engines.contract import Place, Target
from scaler.engines.door import Door
from scaler.loop.alerts import Alerts
from scaler.loop.autoscaler import Autoscaler
from scaler.loop.knowledge import Knowledge
from scaler.loop.orders import Orders
from scaler.loop.outside_changes import Outside
from scaler.loop.reading import Reading
from scaler.loop.rhythm import Rhythm
from scaler.loop.watch import Watch
from scaler.model.errors import JournalError
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
from scaler.traffic.nginx import Nginx
from scaler.traffic.readiness import OwnThread, Prober
from scaler.traffic.upstreams import Traffic


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
        AlertscaleError: the journal cannot be opened, or no engine is there.
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
        place=place,
    )


def assemble(
    *,
    edges: Edges,
    memory: Memory,
    alerts: Alerts,
    shares: Callable[..., Shares | None],
    rhythm: Rhythm,
    place: Place,
) -> Parts:
    """Put the loop together, on whatever engine.

    Args:
        edges: what it works on.
        memory: what it knows and remembers.
        alerts: what fires.
        shares: asks Prometheus what became of a service's memory.
        rhythm: when it makes its passes.
        place: where we run.
    """
    outside = Outside(world=memory.world, journal=memory.journal, anchors=memory.anchors, engine=place.engine)
    watch = Watch(
        target=edges.target,
        world=memory.world,
        prober=edges.prober,
        outside=outside,
        recorder=memory.recorder,
        rhythm=rhythm,
        networks=place.networks,
    )
    knowledge, runner = _knowing(edges, memory, alerts=alerts, shares=shares, rhythm=rhythm, outside=outside)
    traffic = _traffic(edges, memory, own_project=place.project, wake=rhythm.pass_soon)
    return Parts(
        autoscaler=Autoscaler(
            watch=watch, alerts=alerts, knowledge=knowledge, traffic=traffic, runner=runner,
            journal=memory.journal, recorder=memory.recorder, rhythm=rhythm,
        ),
        orders=Orders(
            alerts=alerts, knowledge=knowledge, journal=memory.journal, recorder=memory.recorder,
            watch=watch, rhythm=rhythm, own_project=place.project,
        ),
        reading=Reading(
            knowledge=knowledge, journal=memory.journal, alerts=alerts, watch=watch, traffic=traffic,
            rhythm=rhythm,
        ),
        edges=edges,
        memory=memory,
    )  # fmt: skip


def _knowing(
    edges: Edges,
    memory: Memory,
    *,
    alerts: Alerts,
    shares: Callable[..., Shares | None],
    rhythm: Rhythm,
    outside: Outside,
) -> tuple[Knowledge, Runner]:
    """What is known of services and what takes steps of them: each is asked by the other."""
    runner = Runner(
        steps=edges.steps,
        world=memory.world,
        recorder=memory.recorder,
        learn=edges.target.prepare,
        done=rhythm.decide_soon,
        unwanted=lambda step, limits: knowledge.unwanted(step, limits, now=rhythm.now()),
        unfinished=memory.journal.unfinished,
    )
    knowledge = Knowledge(
        world=memory.world,
        journal=memory.journal,
        alerts=alerts,
        outside=outside,
        anchors=memory.anchors,
        stepping=runner.stepping,
        shares=shares,
    )
    return knowledge, runner


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
    door = Door(settings=settings, answered=context.metrics.engine_calls.inc)
    balancer = Nginx(
        directory=settings.files.upstreams, control=door.nginx(), pause=time.sleep, monotonic=time.monotonic
    )
    target: Target
    steps: Steps
    if settings.scope.target == SWARM:
        target = counts = door.counts(place, pause=context.stopping.wait, may_change=may_change)
        steps = CountStepper(target=counts, context=context)
    else:
        target = containers = door.containers(place)
        steps = Stepper(target=containers, balancer=balancer, context=context)
    prober = Prober(executor=OwnThread(name="ask"), wake=context.wake)
    return Edges(target=target, steps=steps, balancer=balancer, prober=prober)


def _remember(settings: Settings) -> Memory:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = Metrics(registry)
    journal = Journal(path=settings.files.data / "journal.sqlite", keep=settings.keep.events)
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
