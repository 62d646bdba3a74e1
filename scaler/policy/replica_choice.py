"""Which replica? The model of a new one and its number, who leaves, and which dead are cleared away."""

from collections.abc import Container, Mapping, Sequence
from typing import Final

from scaler.model.labels import compose_stem
from scaler.model.services import GONE, Replica, Service
from scaler.policy.deploy import is_under_way, versions

DEAD_FOR: Final = 10.0
"""Seconds after which a replica that exited is removed while others live."""


def model(counted: Sequence[Replica], ready: Container[str] = frozenset()) -> Replica:
    """Whom a new replica is copied from: of those whose name is Compose's, one that serves; the newest.

    Args:
        counted: by ascending number, at least one.
        ready: ids of those that are ready.
    """

    def rank(replica: Replica) -> tuple[bool, bool, bool, float, int]:
        named = compose_stem(replica.name, replica.labels) is not None
        return named, replica.id in ready, replica.status == "running", replica.created_at, replica.number

    return max(counted, key=rank)


def new_numbers(service: Service, count: int) -> range:
    """Numbers for so many new replicas: above the highest, that of dead ones included."""
    highest = max(r.number for r in service.replicas)
    return range(highest + 1, highest + 1 + count)


def leaving(candidates: Sequence[Replica], count: int) -> list[Replica]:
    """So many of these leave: the highest numbers first, as Compose does it."""
    return sorted(candidates, key=lambda r: r.number, reverse=True)[:count]


def cleared_away(service: Service, dead_for: Mapping[str, float]) -> list[Replica]:
    """The dead that are removed while others live: Compose counts them, and they serve nobody.

    Args:
        service: on an engine without a count of its own; one that keeps it does this itself.
        dead_for: seconds since each was first seen dead, by id.
    """
    deploys = is_under_way(versions=versions(service, service.replicas))
    if service.kept is not None or deploys or not any(r.live for r in service.replicas):
        return []
    return [r for r in service.replicas if r.status in GONE and dead_for.get(r.id, 0.0) >= DEAD_FOR]
