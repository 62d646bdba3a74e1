"""Which replica? The model of a new one and its number, who leaves and who must not, who is cleared away."""

from collections.abc import Container, Mapping, Sequence
from typing import Final

from scaler.model.labels import compose_stem
from scaler.model.services import GONE, Health, Replica, Service
from scaler.model.view import View
from scaler.policy.deploy import is_under_way, versions

DEAD_FOR: Final = 10.0
"""Seconds after which a replica that exited is removed while others live."""


def _newest_version(replicas: Sequence[Replica]) -> str | None:
    """The one that began last: one of an older version, copied in the middle of a deploy, may be younger.

    In a rollback beside survivors that is the version that is rolled back, until it is gone: nothing on a
    container tells one that Compose has made to go back from one that we have copied.
    """
    began: dict[str, tuple[float, int]] = {}
    for replica in replicas:
        at = (replica.created_at, replica.number)
        began[replica.version] = min(began.get(replica.version, at), at)
    return max(began, key=began.__getitem__, default=None)


def model(counted: Sequence[Replica], ready: Container[str] = frozenset()) -> Replica:
    """Whom a new replica is copied from: of Compose's names one that serves, of the newest version.

    Args:
        counted: by ascending number, at least one.
        ready: ids of those that are ready.
    """
    newest = _newest_version(counted)

    def rank(replica: Replica) -> tuple[bool, bool, bool, bool, float, int]:
        return (
            compose_stem(replica.name, replica.labels) is not None,
            replica.id in ready,
            replica.status == "running",
            replica.version == newest,
            replica.created_at,
            replica.number,
        )

    return max(counted, key=rank)


def new_numbers(service: Service, count: int) -> range:
    """Numbers for so many new replicas: above the highest, that of dead ones included."""
    highest = max(r.number for r in service.replicas)
    return range(highest + 1, highest + 1 + count)


def leaving(candidates: Sequence[Replica], count: int, *, view: View) -> list[Replica]:
    """So many of these leave: first what cannot serve, then the outdated, then the highest numbers.

    Args:
        candidates: those that may.
        count: how many do.
        view: tells who can serve. Where nobody is ready, whom nginx tries all the same stays.
    """
    newest = _newest_version(candidates)

    def worth(replica: Replica) -> tuple[bool, bool, bool, bool, int]:
        return (
            view.is_ready(replica),
            replica.health is not Health.UNHEALTHY,
            # One that is ready is in nginx in a moment.
            view.is_ready(replica) or replica.id in view.serving,
            replica.version == newest,
            -replica.number,
        )

    return sorted(candidates, key=worth)[:count]


def spare(
    service: Service, counted: Sequence[Replica], *, going: Sequence[Replica] = (), view: View
) -> int | None:
    """How many may leave so that one that can serve stays for certain; None for as many as the bounds allow.

    Args:
        service: whose. Where the engine keeps the count it chooses who leaves, and knows of no readiness but
            its own: what does not run goes first, and of the others any.
        counted: its replicas.
        going: those of them that leave, where they are named; else :func:`leaving` chooses.
        view: tells who can serve.
    """
    able = sum(view.is_able(r) for r in counted)
    if service.kept is not None:
        return None if able in {0, len(counted)} else able - 1
    stays = any(view.is_able(r) for r in counted if r not in going)
    return None if stays or not able else 0


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
