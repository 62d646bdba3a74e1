"""What the API and the status page show of a service."""

from __future__ import annotations

from dataclasses import dataclass

from scaler.alerts import ServiceKey, Signal
from scaler.journal import Hold
from scaler.labels import Limits
from scaler.policy import Decision
from scaler.readiness import NOT_ASKED
from scaler.reasons import Pause, ReplicaState
from scaler.targets.base import Replica, Service
from scaler.world import View


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
class ServiceView:
    """A service as the API shows it; ``limits`` and ``decision`` are None while labels cannot be read."""

    key: ServiceKey
    limits: Limits | None
    replicas: tuple[ReplicaView, ...]
    decision: Decision | None
    decided_at: float
    signals: tuple[Signal, ...]
    pause: Pause
    wanted: int | None
    faults: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the scaler can do its work."""

    passes_age: float
    engine: bool
    watchdog_age: float
    balancer_error: str
    journal_error: str


def service_view(
    view: View,
    service: Service,
    *,
    decided: tuple[Decision | None, float],
    hold: Hold,
    signals: tuple[Signal, ...],
) -> ServiceView:
    """Put together what is shown of one service.

    Args:
        view: the world.
        service: one of its services.
        decided: the last decision and when it was taken, seconds since the epoch.
        hold: what a person asked for.
        signals: the alerts that fire for it.
    """
    decision, decided_at = decided
    return ServiceView(
        key=service.key,
        limits=view.limits.get(service.key),
        replicas=tuple(_replica_view(view, r) for r in service.replicas),
        decision=decision,
        decided_at=decided_at,
        signals=signals,
        pause=hold.pause,
        wanted=hold.wanted,
        faults=view.faults.get(service.key, ()),
    )


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
