"""What the API and the status page show of a service."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from scaler.model.labels import Limits
from scaler.model.reasons import ReplicaState
from scaler.model.records import Event, Hold
from scaler.model.services import Replica, Service, ServiceKey
from scaler.model.view import NOT_ASKED, View
from scaler.policy.scaling import Decision, Demand, State
from scaler.policy.signals import Signal


@dataclass(frozen=True, kw_only=True)
class ReplicaView:
    """A replica as the API shows it; ``container`` is its container's name where that is another."""

    number: int
    name: str
    id: str
    state: ReplicaState
    address: str
    detail: str
    container: str = ""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a decision was taken on.

    Attributes:
        state: what was known of the service, its times in seconds since the epoch.
        demand: the alerts that fired for it.
        limits: what its labels said.
        signal_ttl: seconds after which an alert not heard of is forgotten.
    """

    state: State
    demand: Demand
    limits: Limits
    signal_ttl: float


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision that was taken.

    Attributes:
        decision: its ``until`` in seconds since the epoch.
        at: when, seconds since the epoch.
        inputs: what it was taken on; None for a service that is gone.
    """

    decision: Decision
    at: float
    inputs: Inputs | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The last step that failed, while none has been done since the last step up that did.

    Attributes:
        at: seconds since the epoch.
        text: a sentence for a person.
        log: the last lines of the log of the replica that was made, and is gone.
    """

    at: float
    text: str
    log: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ServiceView:
    """A service as the API shows it.

    Attributes:
        key: project and name.
        limits: what its labels say; None while they cannot be read.
        replicas: by number.
        decided: the last decision; None before the first, and while its labels cannot be read.
        signals: the alerts that fire for it, their times in seconds since the epoch.
        hold: what a person asked for.
        faults: of its labels, and why nginx does not have it, a sentence each.
        failure: the last step that failed.
    """

    key: ServiceKey
    limits: Limits | None
    replicas: tuple[ReplicaView, ...]
    decided: Decided | None
    signals: tuple[Signal, ...]
    hold: Hold
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the scaler can do its work."""

    passes_age: float
    engine: bool
    watchdog_age: float
    balancer_error: str
    journal_error: str


def on_the_wall(signal: Signal, wall: Callable[[float | None], float | None]) -> Signal:
    """The same signal with its times as seconds since the epoch."""
    # Carried over once: each time it is, it comes out by the last digits' difference elsewhere.
    first = wall(signal.first_heard) or 0.0
    return replace(signal, first_heard=first, last_heard=first + signal.last_heard - signal.first_heard)


def service_view(
    view: View,
    service: Service,
    *,
    decided: Decided | None,
    hold: Hold,
    signals: tuple[Signal, ...],
    failed: Event | None = None,
) -> ServiceView:
    """Put together what is shown of one service.

    Args:
        view: the world.
        service: one of its services, or one that is gone.
        decided: the last decision.
        hold: what a person asked for.
        signals: the alerts that fire for it, their times in seconds since the epoch.
        failed: the end of the last step, if that failed.
    """
    gone = view.gone.get(service.key)
    return ServiceView(
        key=service.key,
        limits=gone.limits if gone else view.limits.get(service.key),
        replicas=tuple(_replica_view(view, r) for r in service.replicas),
        decided=decided,
        signals=signals,
        hold=hold,
        faults=(*view.faults.get(service.key, ()), *view.unserved.get(service.key, ())),
        notes=service.notes,
        failure=_failure(failed) if failed else None,
    )


def _failure(failed: Event) -> Failure:
    return Failure(at=failed.at, text=failed.text, log=tuple(failed.detail.get("log", ())))


def _replica_view(view: View, replica: Replica) -> ReplicaView:
    readiness = view.readiness.get(replica.id, NOT_ASKED)
    return ReplicaView(
        number=replica.number,
        name=replica.name,
        id=replica.id[:12],
        state=view.state(replica),
        address=next(iter(sorted(replica.addresses.values())), ""),
        detail="" if readiness.ready else readiness.detail,
        container=replica.container,
    )
