"""Is a deploy under way? While a service has replicas of more than one definition, no alert scales it.

What makes a definition is told by the engine: ``version`` of a replica, in ``engines/``.
"""

from collections.abc import Iterable

from scaler.model.services import Replica, Service


def versions(service: Service, replicas: Iterable[Replica]) -> int:
    """How many definitions replicas of a service carry; two at least while the engine replaces them."""
    carried = len({r.version for r in replicas}) or 1
    return max(carried, 2) if service.kept is not None and service.kept.updating else carried


def is_under_way(*, versions: int) -> bool:
    """Whether so many definitions mean a deploy."""
    return versions > 1
