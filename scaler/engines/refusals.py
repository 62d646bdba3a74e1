"""What the engine's refusals mean: who can mend them, and how."""

import re
from typing import Final

from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

# Known by their words: the engine's status is 404 or 500 for each of them.
_KNOWN: Final = (
    (
        re.compile(r"port is already allocated|address already in use|all ports are allocated"),
        ErrorReason.PORT_TAKEN,
        "free a host port of the service's range, or widen the range",
    ),
    (
        re.compile(r"network \S+ not found"),
        ErrorReason.NETWORK_GONE,
        "make it anew and connect the service: docker compose up -d --force-recreate, and the service's name",
    ),
    (
        re.compile(r"No such image"),
        ErrorReason.IMAGE_GONE,
        "bring it back with docker compose pull or docker compose build, then docker compose up -d",
    ),
    (
        re.compile(r"OOM-killed"),
        ErrorReason.OUT_OF_MEMORY,
        "raise the service's memory limit",
    ),
    (
        # Of Swarm's managers: whether a change was made before the leader was lost is seen later.
        re.compile(
            r"does not have a leader|lost leader status|code = (Unavailable|DeadlineExceeded|Canceled)"
            r"|context (deadline exceeded|canceled)|raft: stopped"
        ),
        ErrorReason.ENGINE_UNAVAILABLE,
        "the managers elect a leader by themselves within 20 s, if more than half of them are up",
    ),
)


def refusal(said: str) -> TargetError:
    """Make the error for a refusal: with a reason of its own and the way out, when its words are known."""
    for known, reason, way_out in _KNOWN:
        if known.search(said):
            return TargetError(f"{said}; {way_out}", reason=reason)
    return TargetError(said)
