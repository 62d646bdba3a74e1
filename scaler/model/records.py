"""What is written down of steps, orders of people and the history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scaler.model.labels import Limits
from scaler.model.reasons import Direction, EventKind, Outcome, Pause, Phase
from scaler.model.services import Kept, ServiceKey


@dataclass(frozen=True, kw_only=True)
class Event:
    """An entry of the history.

    Attributes:
        at: seconds since the epoch.
        service: whom it concerns; ("", "") for the scaler as a whole.
        kind: what it tells; an :class:`EventKind`, or the word of a later version.
        reason: a word from one of the closed lists.
        text: a sentence for a person.
        detail: more, as JSON values.
        id: rises with time; 0 before it is recorded.
    """

    at: float
    kind: str
    reason: str
    text: str
    service: ServiceKey = ("", "")
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    """Which entries of the history are asked for.

    Attributes:
        limit: how many at most.
        service: only of that one; None for all.
        kind: only of that kind; None for all.
        before: only those with a lower id; None for the newest.
    """

    limit: int = 100
    service: ServiceKey | None = None
    kind: EventKind | None = None
    before: int | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step as the journal knows it.

    Attributes:
        id: the journal's.
        service: whom it concerns.
        direction: up or down; a word of a later version is no :class:`Direction`.
        number: Compose's container number of its replica; on Swarm the higher of the two counts that it
            lies between.
        why: the decision's reason.
        replica: the engine's id of its replica; None before that is known.
        phase: the last one begun; a word of a later version is no :class:`Phase`.
        phases: when each phase was begun, seconds since the epoch.
    """

    id: int
    service: ServiceKey
    direction: str
    number: int
    why: str
    replica: str | None
    phase: str
    phases: Mapping[str, float]

    @property
    def words(self) -> dict[str, object]:
        """What names it in the log."""
        project, service = self.service
        return {
            "project": project,
            "service": service,
            "direction": str(self.direction),
            "number": self.number,
            "why": self.why,
        }


@dataclass(frozen=True, kw_only=True)
class End:
    """How a step ended.

    Attributes:
        outcome: the word for it.
        detail: why, if it was not done.
        seconds: what each phase took.
        said: the last lines of the log of a replica that is gone.
    """

    outcome: Outcome
    detail: str = ""
    seconds: Mapping[Phase, float] = field(default_factory=dict)
    said: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What a person asked for through the API.

    Attributes:
        pause: which steps are held.
        wanted: the count asked for, until it is reached; None if none is.
    """

    pause: Pause = Pause.NONE
    wanted: int | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Which replicas a service had when the scaler last looked.

    Attributes:
        replicas: ids of those that counted.
        at: when that was, seconds since the epoch.
        former: the count before somebody else set it back; None if nobody did.
        former_at: when that was noticed, seconds since the epoch.
    """

    replicas: frozenset[str] = frozenset()
    at: float = 0.0
    former: int | None = None
    former_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A service as it was seen last.

    Attributes:
        labels: those of ours.
        healthy: seconds that its health check may take for a new replica; 0 if it has none.
        at: when, seconds since the epoch.
        engine: the id of the engine that had it.
    """

    labels: Mapping[str, str]
    healthy: float
    at: float
    engine: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """A step to take.

    Attributes:
        service: whose.
        direction: up or down.
        number: Compose's container number of the replica; where the engine keeps a count, the higher of the
            two counts that the step lies between.
        why: the decision's reason.
        limits: of the service.
        replica: down: which to remove; up: the model to copy; empty where the engine keeps a count.
        kept: what the engine kept of the service when this was decided; None where it keeps no count.
        count: what to reach, where the engine keeps a count.
    """

    service: ServiceKey
    direction: Direction
    number: int
    why: str
    limits: Limits
    replica: str
    kept: Kept | None = None
    count: int = 0
