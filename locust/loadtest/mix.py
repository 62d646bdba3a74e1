"""What users ask for. Replace the requests by those of your own service, and nothing else here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Request:
    """A kind of request.

    Attributes:
        method: Of HTTP.
        path: With its query.
        name: Under which the report counts it.
        weight: How often, beside the others.
        body: Sent along.
        full: What a 503 says that is no failure, since the service has done what it should; none if empty.
    """

    method: str
    path: str
    name: str
    weight: int
    body: bytes = b""
    full: bytes = b""


REQUESTS: Final[Mapping[str, Request]] = {
    "light": Request(method="GET", path="/", name="/", weight=10),
    "cpu": Request(method="GET", path="/work?ms=50", name="/work", weight=6),
    # A request that nginx must not send twice.
    "post": Request(method="POST", path="/work?ms=50", name="/work", weight=3, body=b"x" * 1024),
    "memory": Request(
        method="POST", path="/memory?mb=10&seconds=5", name="/memory", weight=1, full=b"memory is full"
    ),
}
MOST_WEIGHT: Final = 1000


def read_mix(text: str) -> dict[str, int]:
    """Read weights such as `light=10,cpu=1`; a kind that is not named is not asked for, nothing is all.

    Raises:
        ValueError: It cannot be read, or no kind has a weight.
    """
    if not text.strip():
        return {kind: request.weight for kind, request in REQUESTS.items()}
    weights: dict[str, int] = {}
    for part in text.split(","):
        kind, _, weight = (piece.strip() for piece in part.partition("="))
        if kind not in REQUESTS or kind in weights or not 0 <= int(weight) <= MOST_WEIGHT:
            raise ValueError(part)
        weights[kind] = int(weight)
    if not any(weights.values()):
        raise ValueError(text)
    return weights
