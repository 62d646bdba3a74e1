"""What the scaler's API answers: the scaler's own values, and what is asked of them here.

Times are seconds since the epoch, on the scaler's clock. Unknown fields are left aside and unknown words are
taken as they are, so that a newer scaler can be asked; ``raw`` is the answer as it came.
"""

from collections import Counter
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from alertscale.reading import read
from scaler.web import schema
from scaler.web.schema import (
    EVENT_KINDS,
    PAUSES,
    VERSION,
    Error,
    FiringAlert,
    Inputs,
    Limits,
    Replica,
    Time,
    rfc3339,
)

__all__ = [
    "EVENT_KINDS",
    "PAUSES",
    "VERSION",
    "Error",
    "FiringAlert",
    "Inputs",
    "Limits",
    "Replica",
    "rfc3339",
]  # handed on as they are

T = TypeVar("T", bound=msgspec.Struct)


class Decision(schema.Decision, frozen=True, kw_only=True):
    """The last decision; ``direction`` is None when holding, ``until`` when only an event can change it."""

    at: Time


class Service(schema.Service, frozen=True, kw_only=True):
    """A service that asks to be scaled; ``limits`` is None while its labels cannot be read."""

    decision: Decision | None
    raw: dict[str, Any]

    @property
    def key(self) -> str:
        """The name that leaves no doubt, ``project/service``."""
        return f"{self.project}/{self.name}"

    @property
    def states(self) -> Counter[str]:
        """How many replicas are in each state."""
        return Counter(replica.state for replica in self.replicas)

    def is_called(self, name: str) -> bool:
        """Whether a person who says that name means this service."""
        return name in {self.name, self.key}


class Event(schema.Event, frozen=True, kw_only=True):
    """An entry of the history."""

    at: Time
    raw: dict[str, Any]


class Health(schema.Health, frozen=True, kw_only=True):
    """Whether the scaler can do its work; the errors are empty when there is none."""

    raw: dict[str, Any]


class _Services(msgspec.Struct):
    services: tuple[Any, ...]


class _Events(msgspec.Struct):
    events: tuple[Any, ...]


def services_of(raw: object, *, where: str) -> tuple[Service, ...]:
    """Read all services; arguments and errors are those of ``answer_of``."""
    each = enumerate(read(raw, _Services, where=where).services)
    return tuple(answer_of(one, Service, where=f"{where}.services[{n}]") for n, one in each)


def events_of(raw: object, *, where: str) -> tuple[Event, ...]:
    """Read a page of the history; arguments and errors are those of ``answer_of``."""
    each = enumerate(read(raw, _Events, where=where).events)
    return tuple(answer_of(one, Event, where=f"{where}.events[{n}]") for n, one in each)


def answer_of(raw: object, kind: type[T], *, where: str) -> T:
    """Read an answer.

    Args:
        raw: as ``json`` reads it.
        kind: what it is.
        where: the address that answered, and the place within its answer.

    Raises:
        AnswerError: it is not one.
    """
    return read(raw | {"raw": raw} if isinstance(raw, dict) else raw, kind, where=where, dec_hook=_time)


def _time(_: type, value: object) -> Time:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - one without a zone
    if moment.tzinfo is None:
        raise ValueError("a time with its zone")
    return Time(moment.timestamp())
