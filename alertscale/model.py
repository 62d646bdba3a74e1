"""What the scaler's API answers, read into values. Times are seconds since the epoch, on the scaler's clock.

The shapes are those of ``/openapi.json``; unknown fields are left aside, so that a newer scaler can be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from alertscale.reading import Fields

PAUSES: Final = ("none", "up", "down", "all")
EVENT_KINDS: Final = ("started", "alert", "decision", "step", "reload", "replica", "manual", "fault")


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One container; ``detail`` says why it is not ready."""

    name: str
    state: str
    address: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The last decision; ``direction`` is None when holding, ``until`` when only an event can change it."""

    direction: str | None
    reason: str
    replicas: int
    target: int
    resources: tuple[str, ...]
    until: float | None
    at: float


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert that fires now and asks for a step."""

    name: str
    scale: str
    resource: str
    summary: str
    first_heard: float
    last_heard: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service's labels say. Durations are seconds."""

    minimum: int
    maximum: int
    step: int
    resources: tuple[str, ...]
    cooldown_up: float
    cooldown_down: float
    pause: str


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the last decision was taken on; times are seconds since the epoch.

    Attributes:
        replicas: those that run or are being started.
        versions: how many versions they carry; more than one is a deploy.
        stepping: a step was under way.
        last_change: when the last step was done; None if never.
        cooldown_up_until: no step up before; None if there is nothing to wait for.
        cooldown_down_until: no step down before; likewise.
        retry_at: no step up before, since one failed; None if none did.
        former: the count before somebody else set it back lately; None if nobody did.
        writable: the journal can be written.
        watched: the Watchdog was heard of lately.
        signal_ttl: seconds for which an alert counts after it was last heard of.
    """

    replicas: int
    versions: int
    stepping: bool
    last_change: float | None
    cooldown_up_until: float | None
    cooldown_down_until: float | None
    retry_at: float | None
    former: int | None
    writable: bool
    watched: bool
    signal_ttl: float


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that asks to be scaled; ``limits`` is None while its labels cannot be read.

    ``raw`` is the answer as it came.
    """

    project: str
    name: str
    replicas: tuple[Replica, ...]
    decision: Decision | None
    alerts: tuple[Alert, ...]
    pause: str
    wanted: int | None
    faults: tuple[str, ...]
    limits: Limits | None
    inputs: Inputs | None
    raw: Mapping[str, Any]

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


@dataclass(frozen=True, kw_only=True)
class Event:
    """An entry of the history; ``raw`` is the answer as it came."""

    id: int
    at: float
    project: str
    service: str
    kind: str
    reason: str
    text: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the scaler can do its work; the errors are empty when there is none."""

    engine: bool
    seconds_since_pass: float
    seconds_since_watchdog: float | None
    balancer_error: str
    journal_error: str
    raw: Mapping[str, Any]


def service_of(fields: Fields) -> Service:
    """Read a service.

    Raises:
        AnswerError: it is not one.
    """
    decision, limits, inputs = (fields.maybe(name) for name in ("decision", "limits", "inputs"))
    return Service(
        project=fields.text("project"),
        name=fields.text("service"),
        replicas=tuple(_replica(one) for one in fields.each("replicas")),
        decision=_decision(decision) if decision else None,
        alerts=tuple(_alert(one) for one in fields.each("alerts")),
        pause=fields.text("pause"),
        wanted=fields.whole_or_none("wanted"),
        faults=fields.words("faults"),
        limits=_limits(limits) if limits else None,
        inputs=_inputs(inputs) if inputs else None,
        raw=fields.raw,
    )


def event_of(fields: Fields) -> Event:
    """Read an entry of the history.

    Raises:
        AnswerError: it is not one.
    """
    return Event(
        id=fields.whole("id"),
        at=fields.time("at"),
        project=fields.text("project"),
        service=fields.text("service"),
        kind=fields.text("kind"),
        reason=fields.text("reason"),
        text=fields.text("text"),
        raw=fields.raw,
    )


def health_of(fields: Fields) -> Health:
    """Read the health figures.

    Raises:
        AnswerError: they are not.
    """
    return Health(
        engine=fields.flag("engine"),
        seconds_since_pass=fields.number("seconds_since_pass"),
        seconds_since_watchdog=fields.number_or_none("seconds_since_watchdog"),
        balancer_error=fields.text("balancer_error"),
        journal_error=fields.text("journal_error"),
        raw=fields.raw,
    )


def _replica(fields: Fields) -> Replica:
    return Replica(
        name=fields.text("name"),
        state=fields.text("state"),
        address=fields.text("address"),
        detail=fields.text("detail"),
    )


def _decision(fields: Fields) -> Decision:
    return Decision(
        direction=fields.text_or_none("direction"),
        reason=fields.text("reason"),
        replicas=fields.whole("replicas"),
        target=fields.whole("target"),
        resources=fields.words("resources"),
        until=fields.time_or_none("until"),
        at=fields.time("at"),
    )


def _alert(fields: Fields) -> Alert:
    return Alert(
        name=fields.text("alertname"),
        scale=fields.text("scale"),
        resource=fields.text("resource"),
        summary=fields.text("summary"),
        first_heard=fields.time("first_heard"),
        last_heard=fields.time("last_heard"),
    )


def _limits(fields: Fields) -> Limits:
    return Limits(
        minimum=fields.whole("min"),
        maximum=fields.whole("max"),
        step=fields.whole("step"),
        resources=fields.words("resources"),
        cooldown_up=fields.number("cooldown_up"),
        cooldown_down=fields.number("cooldown_down"),
        pause=fields.text("pause"),
    )


def _inputs(fields: Fields) -> Inputs:
    return Inputs(
        replicas=fields.whole("replicas"),
        versions=fields.whole("versions"),
        stepping=fields.flag("stepping"),
        last_change=fields.time_or_none("last_change"),
        cooldown_up_until=fields.time_or_none("cooldown_up_until"),
        cooldown_down_until=fields.time_or_none("cooldown_down_until"),
        retry_at=fields.time_or_none("retry_at"),
        former=fields.whole_or_none("former"),
        writable=fields.flag("writable"),
        watched=fields.flag("watched"),
        signal_ttl=fields.number("signal_ttl"),
    )
