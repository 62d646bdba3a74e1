"""What the API and the status page show of a service."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from scaler.model.labels import Limits
from scaler.model.reasons import Pause, ReplicaState
from scaler.model.records import Event, Hold
from scaler.model.services import Replica, Service, ServiceKey
from scaler.model.view import NOT_ASKED, View
from scaler.policy.scaling import Decision, Demand, State
from scaler.policy.signals import Signal


@dataclass(frozen=True, kw_only=True)
class ReplicaView:
    """A replica as the API shows it."""

    number: int
    name: str
    id: str
    state: ReplicaState
    address: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the last decision was taken on, beside limits, pause and wanted.

    Times are seconds since the epoch.

    Attributes:
        replicas: those that counted.
        versions: how many different versions they carried.
        stepping: a step was under way.
        last_change: when the last step was done; None if never.
        cooldown_up_until: no step up before, on an alert; None without a last change.
        cooldown_down_until: no step down before, on an alert; None without a last change.
        retry_at: no step up before, since the last ones failed or a replica has just gone.
        retry_down_at: the same of steps down.
        former: the count before somebody else set it back lately.
        writable: the journal could be written.
        watched: the Watchdog had been heard of lately enough.
        signal_ttl: seconds after which an alert not heard of is forgotten.
        up: resources of which an alert asked for more, sorted.
        down: resources of which an alert asked for fewer, sorted.
    """

    replicas: int
    versions: int
    stepping: bool
    last_change: float | None
    cooldown_up_until: float | None
    cooldown_down_until: float | None
    retry_at: float | None
    retry_down_at: float | None
    former: int | None
    writable: bool
    watched: bool
    signal_ttl: float
    up: tuple[str, ...]
    down: tuple[str, ...]


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
    """A service as the API shows it; ``limits`` and ``decision`` are None while labels cannot be read.

    The times of ``signals`` are seconds since the epoch; ``inputs`` are those of ``decision``.
    """

    key: ServiceKey
    limits: Limits | None
    replicas: tuple[ReplicaView, ...]
    decision: Decision | None
    decided_at: float
    signals: tuple[Signal, ...]
    pause: Pause
    wanted: int | None
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    inputs: Inputs | None = None
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the scaler can do its work."""

    passes_age: float
    engine: bool
    watchdog_age: float
    balancer_error: str
    journal_error: str


def inputs_of(
    *,
    state: State,
    demand: Demand,
    limits: Limits,
    signal_ttl: float,
    wall: Callable[[float | None], float | None],
) -> Inputs:
    """Put together what a decision was taken on.

    Args:
        state: what was known of the service.
        demand: the alerts that fired for it.
        limits: what its labels said.
        signal_ttl: seconds after which an alert not heard of is forgotten.
        wall: carries a time of ``state`` over to seconds since the epoch.
    """
    changed = wall(state.last_change)
    return Inputs(
        replicas=state.replicas,
        versions=state.versions,
        stepping=state.stepping,
        last_change=changed,
        cooldown_up_until=None if changed is None else changed + limits.cooldown_up,
        cooldown_down_until=None if changed is None else changed + limits.cooldown_down,
        retry_at=wall(state.retry_at),
        retry_down_at=wall(state.retry_down_at),
        former=state.former,
        writable=state.writable,
        watched=demand.watched,
        signal_ttl=signal_ttl,
        up=tuple(sorted(demand.up)),
        down=tuple(sorted(demand.down)),
    )


def on_the_wall(signal: Signal, wall: Callable[[float | None], float | None]) -> Signal:
    """The same signal with its times as seconds since the epoch."""
    # Carried over once: each time it is, it comes out by the last digits' difference elsewhere.
    first = wall(signal.first_heard) or 0.0
    return replace(signal, first_heard=first, last_heard=first + signal.last_heard - signal.first_heard)


def service_view(
    view: View,
    service: Service,
    *,
    decided: tuple[Decision | None, float],
    hold: Hold,
    signals: tuple[Signal, ...],
    inputs: Inputs | None = None,
    failed: Event | None = None,
) -> ServiceView:
    """Put together what is shown of one service.

    Args:
        view: the world.
        service: one of its services, or one that is gone.
        decided: the last decision and when it was taken, seconds since the epoch.
        hold: what a person asked for.
        signals: the alerts that fire for it, their times in seconds since the epoch.
        inputs: what that decision was taken on; None before the first.
        failed: the end of the last step, if that failed.
    """
    decision, decided_at = decided
    gone = view.gone.get(service.key)
    return ServiceView(
        key=service.key,
        limits=gone.limits if gone else view.limits.get(service.key),
        replicas=tuple(_replica_view(view, r) for r in service.replicas),
        decision=decision,
        decided_at=decided_at,
        signals=signals,
        pause=hold.pause,
        wanted=hold.wanted,
        faults=(*view.faults.get(service.key, ()), *view.unserved.get(service.key, ())),
        notes=service.notes,
        inputs=inputs,
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
    )
