"""The values of the API, each defined once.

From here come the JSON that the scaler answers (``api.py``), the document at ``/openapi.json``
(``openapi.py``) and what the command line reads (``alertscale/model.py``), for whose sake nothing but msgspec
and our words is imported. Words are texts here, their lists a matter of the document: a newer scaler may have
added one.
"""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from scaler.model.reasons import (
    AlertResult,
    DecisionReason,
    Direction,
    ErrorReason,
    EventKind,
    IgnoredReason,
    Light,
    Pause,
    ReplicaState,
)

VERSION: Final = "0.1.0"
"""Of the scaler and of the command line."""

EVENT_KINDS: Final = tuple(map(str, EventKind))
PAUSES: Final = tuple(map(str, Pause))


class Time(float):
    """Seconds since the epoch; in JSON as ``rfc3339`` writes it, or null if it is not finite."""

    __slots__ = ()


def rfc3339(seconds: float) -> str:
    """Write a time, in seconds since the epoch, as the API does: in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encoded(value: object) -> str | None:
    """Encode a ``Time`` for msgspec, which knows the other types by itself.

    Raises:
        NotImplementedError: any other type; msgspec's documentation asks this error of an ``enc_hook``.
    """
    if isinstance(value, Time):
        return rfc3339(value) if math.isfinite(value) else None
    raise NotImplementedError(f"{type(value)} has no place in the API")


def _says(description: str, **schema: object) -> Meta:
    """Describe a field; ``schema`` is what the document says of it beside its type."""
    return Meta(description=description, extra_json_schema=schema or None)


class Error(Struct, frozen=True, kw_only=True):
    """Why a request failed."""

    error: Annotated[str, _says("A sentence for a person, with the way out.")]
    reason: Annotated[str, _says("A word for a program.", enum=[*ErrorReason])]


class Result(Struct, frozen=True, kw_only=True):
    """What became of an alert."""

    alertname: Annotated[str, _says("The rule's name.")]
    result: Annotated[str, _says("Whether it counts.", enum=[*AlertResult])]
    reason: Annotated[str | UnsetType, _says("Why it is ignored.", enum=[*IgnoredReason])] = UNSET
    detail: Annotated[str | UnsetType, _says("The same as a sentence.")] = UNSET


class Results(Struct, frozen=True, kw_only=True):
    """What became of each alert."""

    results: Annotated[tuple[Result, ...], _says("One for each alert, in the order sent.")]


class Replica(Struct, frozen=True, kw_only=True):
    """One container."""

    number: Annotated[int, _says("Compose's container number.")]
    name: Annotated[str, _says("The container's.")]
    id: Annotated[str, _says("The first twelve characters.")]
    state: Annotated[str, _says("Where it stands.", enum=[*ReplicaState])]
    address: Annotated[str, _says("Empty while it has none.")]
    detail: Annotated[str, _says("Why it is not ready; empty when it is.")]
    cpu: Annotated[
        float | None, _says("Share of its CPU limit that it uses now; null while nothing measures it.")
    ]
    memory: Annotated[
        float | None, _says("Share of its memory limit that it holds now; null while nothing measures it.")
    ]


class Relief(Struct, frozen=True, kw_only=True):
    """Memory used over allowed, mean over the replicas that get requests, 0 to 1."""

    before: Annotated[float, _says("Right before the last step up for memory.")]
    now: Annotated[float, _says("Now.")]


class Decision(Struct, frozen=True, kw_only=True):
    """The last decision."""

    direction: Annotated[str | None, _says("null: hold.", enum=[*Direction, None])]
    reason: Annotated[str, _says("Why.", enum=[*DecisionReason])]
    replicas: Annotated[int, _says("How many were counted.")]
    target: Annotated[int, _says("How many there are to be.")]
    resources: Annotated[tuple[str, ...], _says("Of the alerts that led to it.")]
    memory: Annotated[Relief | None, _says("What adding has not lowered; null unless that is why and known.")]
    sentence: Annotated[str, _says("The decision and why, for a person; `until` can be read after it.")]
    until: Annotated[Time | None, _says("When it could change by itself.")]
    at: Annotated[Time | None, _says("When it was taken.")]


class FiringAlert(Struct, frozen=True, kw_only=True):
    """An alert that asks for a step."""

    alertname: Annotated[str, _says("The rule's name.")]
    scale: Annotated[str, _says("What it asks for.", enum=[*Direction])]
    resource: Annotated[str, _says("Of which resource: `cpu`, `memory` or one of your own.")]
    since: Annotated[str, _says("As Alertmanager sent it; empty if it did not.")]
    first_heard: Annotated[Time, _says("When the scaler first heard of it.")]
    last_heard: Annotated[
        Time, _says("When it last did; `signal_ttl` later it is forgotten unless it is heard of again.")
    ]
    summary: Annotated[str, _says("The alert's annotation; empty if it has none.")]
    url: Annotated[str, _says("The rule in Prometheus.")]


class Limits(Struct, frozen=True, kw_only=True):
    """What its labels say; null while they cannot be read. Durations are seconds."""

    minimum: Annotated[int, _says("`alertscale.min`")] = field(name="min")
    maximum: Annotated[int, _says("`alertscale.max`")] = field(name="max")
    step: Annotated[int, _says("`alertscale.step`")]
    port: Annotated[int | None, _says("`alertscale.port`; null: the one port that the service exposes.")]
    ready: Annotated[str | None, _says("`alertscale.ready`; null: Docker's health check, or a TCP connect.")]
    ready_timeout: Annotated[float, _says("`alertscale.ready-timeout`, or what holds without it.")]
    resources: Annotated[tuple[str, ...], _says("`alertscale.resources`")]
    cooldown_up: Annotated[float, _says("`alertscale.cooldown.up`")]
    cooldown_down: Annotated[float, _says("`alertscale.cooldown.down`")]
    drain: Annotated[float, _says("`alertscale.drain`")]
    keepalive: Annotated[float, _says("`alertscale.keepalive`")]
    balance: Annotated[str, _says("`alertscale.balance`")]
    pause: Annotated[str, _says("`alertscale.pause`", enum=[*PAUSES])]


class Inputs(Struct, frozen=True, kw_only=True):
    """What the last decision was taken on, beside `limits`, `pause` and `wanted`; null before the first."""

    replicas: Annotated[int, _says("How many counted: those that run or start, and are not leaving.")]
    versions: Annotated[
        int,
        _says("How many different versions (config hash and image) they carried; more than one: a deploy."),
    ]
    stepping: Annotated[bool, _says("A step was under way.")]
    last_change: Annotated[Time | None, _says("When the last step, either way, was done; null if never.")]
    cooldown_up_until: Annotated[
        Time | None,
        _says("No step up before, on an alert; it may have passed. Null without a last change."),
    ]
    cooldown_down_until: Annotated[
        Time | None,
        _says("No step down before, on an alert; it may have passed. Null without a last change."),
    ]
    retry_at: Annotated[
        Time | None,
        _says(
            "No step up before, since the last ones failed or a replica has just gone; it may have passed."
        ),
    ]
    retry_down_at: Annotated[Time | None, _says("The same of steps down.")]
    former: Annotated[int | None, _says("The count before somebody else set it back, for a minute.")]
    writable: Annotated[bool, _says("The journal could be written; without it nothing is scaled.")]
    watched: Annotated[
        bool,
        _says(
            "Alerts arrive: the Watchdog was heard of, and Prometheus lives. If not, nothing is scaled down."
        ),
    ]
    signal_ttl: Annotated[float, _says("Seconds after which an alert that is not heard of is forgotten.")]
    up: Annotated[tuple[str, ...], _says("Resources of which an alert asked for more.")]
    down: Annotated[tuple[str, ...], _says("Resources of which an alert asked for fewer.")]


class Failure(Struct, frozen=True, kw_only=True):
    """A step that failed."""

    at: Annotated[Time, _says("When it ended.")]
    text: Annotated[str, _says("What failed and why, in a sentence.")]
    log: Annotated[
        tuple[str, ...],
        _says("The last lines of the log of the replica that was made, which is gone with it; oldest first."),
    ]


class Threshold(Struct, frozen=True, kw_only=True):
    """What an alert that scales compares with, as it stands in Prometheus' rules."""

    alertname: Annotated[str, _says("The rule that it is read from.")]
    direction: Annotated[str, _says("What it asks for.", enum=[*Direction])] = field(name="scale")
    resource: Annotated[str, _says("What it is a threshold of: `cpu`, `memory`.")]
    metric: Annotated[
        str,
        _says("The series that is compared; empty if the expression is not a comparison with a number."),
    ]
    operator: Annotated[str, _says("`>`, `>=`, `<` or `<=`; empty without a number.")]
    value: Annotated[float | None, _says("The number; null if there is none.")]
    expression: Annotated[str, _says("As Prometheus writes it.")]
    seconds: Annotated[float, _says("How long it must hold.")] = field(name="for_seconds")


class Use(Struct, frozen=True, kw_only=True):
    """How much of a resource a service uses now."""

    resource: Annotated[str, _says("Of which: `cpu`, `memory` or one of your own.")]
    value: Annotated[
        float | None,
        _says(
            "Of CPU and memory the mean over the replicas that may get requests; null while nothing measures"
            " it."
        ),
    ]
    ratio: Annotated[bool, _says("It is a share of the limit; else it is in the unit of its series.")]
    thresholds: Annotated[
        tuple[Threshold, ...], _says("Of the alerts that scale on it, as Prometheus has them now.")
    ]


class Load(Struct, frozen=True, kw_only=True):
    """How busy a service is now; asked of Prometheus, at most once in two seconds for all."""

    at: Annotated[
        Time | None, _says("When Prometheus said so, at most six seconds ago; null without figures.")
    ]
    sentence: Annotated[str, _says("The same for a person: the figures and what they are held against.")]
    error: Annotated[str, _says("Why there are no figures; empty if Prometheus answered.")]
    uses: Annotated[tuple[Use, ...], _says("One for each resource of `alertscale.resources`.")]


class Service(Struct, frozen=True, kw_only=True):
    """A service that carries `alertscale.enable`."""

    project: Annotated[str, _says("Compose project.")]
    name: Annotated[str, _says("Compose service.")] = field(name="service")
    minimum: Annotated[int | None, _says("`alertscale.min`; null while its labels cannot be read.")] = field(
        name="min"
    )
    maximum: Annotated[int | None, _says("`alertscale.max`; null while its labels cannot be read.")] = field(
        name="max"
    )
    load: Annotated[Load, _says("How busy it is.")]
    replicas: Annotated[tuple[Replica, ...], _says("By number.")]
    decision: Annotated[
        Decision | None,
        _says("The last one; null before the first, and while its labels cannot be read."),
    ]
    alerts: Annotated[tuple[FiringAlert, ...], _says("Those that fire now, oldest first.")]
    pause: Annotated[str, _says("What a person holds through the API.", enum=[*PAUSES])]
    pause_label: Annotated[
        str | None,
        _says("`alertscale.pause`; null while its labels cannot be read.", enum=[*PAUSES, None]),
    ]
    wanted: Annotated[int | None, _says("The count asked for through the API, until it is reached.")]
    faults: Annotated[
        tuple[str, ...], _says("Labels that cannot be read, and why nginx does not have it, a sentence each.")
    ]
    notes: Annotated[
        tuple[str, ...],
        _says("What to know of it that keeps nothing from being done, such as hooks that nobody can tell."),
    ]
    limits: Annotated[Limits | None, _says("What its labels say; null while they cannot be read.")]
    inputs: Annotated[Inputs | None, _says("What the decision was taken on.")]
    failure: Annotated[
        Failure | None,
        _says(
            "The last step that failed; null once a step has been done since the last step up that failed."
        ),
    ]


class Services(Struct, frozen=True, kw_only=True):
    """All services."""

    services: Annotated[tuple[Service, ...], _says("By project and name.")]


class Event(Struct, frozen=True, kw_only=True):
    """An entry of the history."""

    id: Annotated[int, _says("Rises with time.")]
    at: Annotated[Time | None, _says("When.")]
    project: Annotated[str, _says("Empty for the scaler as a whole.")]
    service: Annotated[str, _says("Empty for the scaler as a whole.")]
    kind: Annotated[str, _says("What it tells.", enum=[*EVENT_KINDS])]
    reason: Annotated[str, _says("A word of the closed list of its kind.")]
    text: Annotated[str, _says("A sentence for a person.")]
    detail: Annotated[dict[str, Any], _says("More, by kind.")]


class Events(Struct, frozen=True, kw_only=True):
    """A page of the history."""

    events: Annotated[tuple[Event, ...], _says("Newest first.")]


class Mark(Struct, frozen=True, kw_only=True):
    """An alert that fired, or a step that was taken."""

    at: Annotated[Time | None, _says("When.")]
    kind: Annotated[
        str, _says("An alert that fired, or a step that ended.", enum=[EventKind.ALERT, EventKind.STEP])
    ]
    reason: Annotated[str, _says("As the event's.")]
    text: Annotated[str, _says("What happened, in a sentence.")]


Figures = tuple[float | None, ...]


class History(Struct, frozen=True, kw_only=True):
    """Figures of one service; every list of figures is as long as `times`."""

    project: Annotated[str, _says("The service's Compose project.")]
    service: Annotated[str, _says("The service's name in its Compose file.")]
    range: Annotated[str, _says("How far back it reaches.", enum=["15m", "1h", "6h", "24h"])]
    error: Annotated[
        str, _says("Why there are no figures; empty if Prometheus answered. Marks are there all the same.")
    ]
    times: Annotated[tuple[Time, ...], _says("Of each point.")]
    replicas: Annotated[Figures, _says("Ready replicas.")]
    cpu: Annotated[Figures, _says("Share of the CPU limit, the mean over those that may get requests.")]
    memory: Annotated[Figures, _says("Share of the memory limit, the mean over those that may get requests.")]
    thresholds: Annotated[tuple[Threshold, ...], _says("Of the rules as Prometheus has them now.")]
    marks: Annotated[tuple[Mark, ...], _says("Oldest first.")]


class Station(Struct, frozen=True, kw_only=True):
    """One station on the way of an alert."""

    name: Annotated[str, _says("Which program or part of it.")]
    light: Annotated[
        str,
        _says(
            "`ok`: it has given proof of life lately; `down`: it has not; `unknown`: nobody can tell now.",
            enum=[*Light],
        ),
    ]
    proof: Annotated[Time | None, _says("When it last proved to live; null if it never did.")]
    text: Annotated[str, _says("What the proof is, or what is wrong.")]


class Pipeline(Struct, frozen=True, kw_only=True):
    """The lights."""

    now: Annotated[Time | None, _says("The scaler's clock.")]
    stations: Annotated[tuple[Station, ...], _says("The stations in the order of an alert's path.")]


class Health(Struct, frozen=True, kw_only=True):
    """The figures behind the answer."""

    engine: Annotated[bool, _says("The Docker Engine answers.")]
    seconds_since_pass: Annotated[float, _says("Since the loop's last pass.")]
    seconds_since_watchdog: Annotated[
        float | None, _says("Since the Watchdog alert was last heard of; null if never.")
    ]
    balancer_error: Annotated[
        str, _says("What nginx does not have as it should, and why; empty when it has all.")
    ]
    journal_error: Annotated[
        str, _says("Why the journal cannot be written, so that nothing is scaled; empty when it can.")
    ]
    version: Annotated[str, _says("The scaler's.")]
    host: Annotated[
        str, _says("The machine that it scales on, as the Docker Engine calls it; empty if unknown.")
    ]


class ScaleOrder(Struct, frozen=True, kw_only=True):
    """A count to go to."""

    replicas: Annotated[int, _says("Within the service's `min` and `max`.")]


class RetireOrder(Struct, frozen=True, kw_only=True):
    """Replicas to take away."""

    replicas: Annotated[
        tuple[str, ...],
        Meta(
            description="Ids, the beginnings of ids (12 characters or more), or names.",
            min_length=1,
        ),
    ]


class PauseOrder(Struct, frozen=True, kw_only=True):
    """Steps to hold."""

    pause: Annotated[Pause, _says("Replaces what was held before; what the label holds stays held.")]
