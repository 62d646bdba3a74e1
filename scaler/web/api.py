"""``/api/v1``: every call of it, and how what the scaler knows becomes the values of ``schema.py``.

The scaler is seen through ``Orders`` and ``Reading`` alone, so that the process that listens to the network
can one day run apart from the one that holds the Docker socket.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

import msgspec
from flask import Flask, Response, jsonify, request

from scaler.loop.views import Decided, Health, Inputs, ReplicaView, ServiceView
from scaler.model.errors import RequestError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason, Pause
from scaler.model.records import Event, EventQuery
from scaler.model.services import ServiceKey
from scaler.policy.signals import Alert, Signal, Verdict
from scaler.prometheus.chart import RANGES, Chart, History, Past
from scaler.prometheus.lamps import Pipeline
from scaler.prometheus.load import MEASURED, Load, Loads, Measured
from scaler.web import schema
from scaler.web.explanation import busy, sentence
from scaler.web.guard import HIGHEST_ID, Guard, whole_argument, word_argument
from scaler.web.schema import Time

MAX_EVENTS: Final = 1000

T = TypeVar("T", bound=msgspec.Struct)


class Orders(Protocol):
    """What changes something."""

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        """Take in alerts."""

    def scale(self, name: str, replicas: int) -> ServiceView:
        """Order a count."""

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        """Take away certain replicas."""

    def pause(self, name: str, pause: Pause) -> ServiceView:
        """Hold steps."""


class Reading(Past, Protocol):
    """What is shown: the history of ``Past``, and the state."""

    def services(self) -> tuple[ServiceView, ...]:
        """Read the state."""

    def health(self) -> Health:
        """Read the health figures."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What Prometheus is asked for: the chart's figures, the lights, and how busy services are now."""

    history: History
    pipeline: Pipeline
    loads: Loads


def add_api(
    app: Flask,
    *,
    orders: Orders,
    reading: Reading,
    guard: Guard,
    figures: Figures,
    wall: Callable[[], float],
) -> None:
    """Add ``/api/v1``.

    Args:
        app: the application.
        orders: changes something.
        reading: what is shown.
        guard: lets in who has the token.
        figures: what Prometheus is asked for.
        wall: seconds since the epoch.
    """
    _add_state(app, reading, figures)
    _add_orders(app, orders, guard, figures)
    _add_figures(app, reading, figures, wall)


def _add_state(app: Flask, reading: Reading, figures: Figures) -> None:
    @app.get("/api/v1/services")
    def services() -> tuple[Response, int]:
        measured = figures.loads.now(wait=True)
        found = tuple(_service(view, measured) for view in reading.services())
        return answer(schema.Services(services=found))

    @app.get("/api/v1/events")
    def events() -> tuple[Response, int]:
        limit = whole_argument(request.args, "limit", default=100, lowest=1, highest=MAX_EVENTS)
        before = whole_argument(request.args, "before", default=0, lowest=0, highest=HIGHEST_ID) or None
        found = reading.events(EventQuery(limit=limit, before=before))
        return answer(schema.Events(events=tuple(map(_event, found))))


def _add_orders(app: Flask, orders: Orders, guard: Guard, figures: Figures) -> None:
    def shown(view: ServiceView) -> schema.Service:
        return _service(view, figures.loads.now(wait=False))

    @app.post("/api/v1/services/<path:name>/scale")
    def scale(name: str) -> tuple[Response, int]:
        order = _order(guard.admit(), schema.ScaleOrder, "{} is not a whole number")
        return answer(shown(orders.scale(name, order.replicas)), HTTPStatus.ACCEPTED)

    @app.post("/api/v1/services/<path:name>/retire")
    def retire(name: str) -> tuple[Response, int]:
        order = _order(guard.admit(), schema.RetireOrder, "not a list of ids or names of replicas")
        return answer(shown(orders.retire(name, order.replicas)), HTTPStatus.ACCEPTED)

    @app.post("/api/v1/services/<path:name>/pause")
    def pause(name: str) -> tuple[Response, int]:
        order = _order(guard.admit(), schema.PauseOrder, f"{{}} is not one of {', '.join(Pause)}")
        return answer(shown(orders.pause(name, order.pause)))


def _add_figures(app: Flask, reading: Reading, figures: Figures, wall: Callable[[], float]) -> None:
    @app.get("/api/v1/history")
    def history() -> tuple[Response, int]:
        span = word_argument(request.args, "range", default="1h", words=tuple(RANGES))
        key = _named(reading, request.args.get("service", ""))
        return answer(_history(key, span, figures.history.chart(key, span)))

    @app.get("/api/v1/pipeline")
    def pipeline() -> tuple[Response, int]:
        stations = tuple(_like(schema.Station, one) for one in figures.pipeline.stations(wait=True))
        return answer(schema.Pipeline(now=_time(wall()), stations=stations))


def answer(value: msgspec.Struct, status: int = HTTPStatus.OK) -> tuple[Response, int]:
    """Answer with a value of the API."""
    return jsonify(msgspec.to_builtins(value, enc_hook=schema.encoded)), status


def _order(body: bytes, kind: type[T], wrong: str) -> T:
    """Read an order, which has one field.

    Args:
        body: as received.
        kind: of which shape.
        wrong: what to say of a value of another shape, with a place for it.

    Raises:
        RequestError: it is not of that shape.
    """
    (name,) = kind.__struct_encode_fields__
    missing = RequestError(f'the body is not a JSON object with the field "{name}"')
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise missing from error
    if not isinstance(document, dict) or name not in document:
        raise missing
    try:
        return msgspec.convert({name: document[name]}, kind)
    except (msgspec.ValidationError, UnicodeError) as error:  # half a surrogate pair is no word
        raise RequestError(f"{name}: {wrong.format(_shown(document[name]))}") from error


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list or an object"  # a deep enough one cannot even be written out
    return repr(value)[:100]


def _named(reading: Reading, name: str) -> ServiceKey:
    for view in reading.services():
        if name == "/".join(view.key):
            return view.key
    raise RequestError(
        f"service: {name[:100]!r} is not project/service of one that is scaled", reason=ErrorReason.NOT_FOUND
    )


def _like(kind: type[T], known: object) -> T:
    """Make a value of the API of one of ours whose attributes have the same names."""
    return msgspec.convert(known, kind, from_attributes=True, dec_hook=lambda _, seconds: Time(seconds))


def _time(seconds: float | None) -> Time | None:
    return None if seconds is None else Time(seconds)


def load_of(view: ServiceView, measured: Measured) -> Load:
    """How busy a service is."""
    return measured.of(view.key, view.limits.resources if view.limits else tuple(MEASURED))


def _load(load: Load) -> schema.Load:
    uses = tuple(_like(schema.Use, use) for use in load.uses)
    return schema.Load(at=_time(load.at), sentence=busy(load), error=load.error, uses=uses)


def _replica(view: ReplicaView, load: Load) -> schema.Replica:
    used = load.replicas.get(view.container or view.name, {})
    return schema.Replica(
        number=view.number,
        name=view.name,
        id=view.id,
        state=view.state,
        address=view.address,
        detail=view.detail,
        cpu=used.get("cpu"),
        memory=used.get("memory"),
    )


def _service(view: ServiceView, measured: Measured) -> schema.Service:
    limits = _limits(view.limits) if view.limits else None
    load = load_of(view, measured)
    return schema.Service(
        project=view.key[0],
        name=view.key[1],
        minimum=limits.minimum if limits else None,
        maximum=limits.maximum if limits else None,
        load=_load(load),
        replicas=tuple(_replica(replica, load) for replica in view.replicas),
        decision=_decision(view, view.decided) if view.decided else None,
        alerts=tuple(map(_firing, view.signals)),
        pause=view.hold.pause,
        pause_label=limits.pause if limits else None,
        wanted=view.hold.wanted,
        faults=view.faults,
        notes=view.notes,
        limits=limits,
        inputs=_inputs(view.decided.inputs) if view.decided and view.decided.inputs else None,
        failure=_like(schema.Failure, view.failure) if view.failure else None,
    )


def _limits(limits: Limits) -> schema.Limits:
    return schema.Limits(
        minimum=limits.minimum,
        maximum=limits.maximum,
        step=limits.step,
        port=limits.requests.port,
        ready=limits.probe.path,
        ready_timeout=limits.probe.timeout,
        resources=limits.resources,
        cooldown_up=limits.cooldown.up,
        cooldown_down=limits.cooldown.down,
        drain=limits.requests.drain,
        keepalive=limits.requests.keepalive,
        balance=limits.requests.balance,
        pause=limits.pause,
    )


def _decision(view: ServiceView, decided: Decided) -> schema.Decision:
    decision = decided.decision
    return schema.Decision(
        direction=decision.direction,
        reason=decision.reason,
        replicas=decision.replicas,
        target=decision.target,
        resources=decision.resources,
        memory=_like(schema.Relief, decision.shares) if decision.shares else None,
        sentence=sentence(view),
        until=_time(decision.until),
        at=_time(decided.at),
    )


def _inputs(inputs: Inputs) -> schema.Inputs:
    state, waits, limits = inputs.state, inputs.state.waits, inputs.limits
    changed = waits.last_change
    return schema.Inputs(
        replicas=state.replicas,
        versions=state.crew.versions,
        stepping=state.stepping,
        last_change=_time(changed),
        cooldown_up_until=None if changed is None else Time(changed + limits.cooldown.up),
        cooldown_down_until=None if changed is None else Time(changed + limits.cooldown.down),
        retry_at=_time(waits.retry_at),
        retry_down_at=_time(waits.retry_down_at),
        former=state.former,
        writable=state.writable,
        watched=inputs.demand.watched,
        signal_ttl=inputs.signal_ttl,
        up=tuple(sorted(inputs.demand.up)),
        down=tuple(sorted(inputs.demand.down)),
    )


def _firing(signal: Signal) -> schema.FiringAlert:
    return schema.FiringAlert(
        alertname=signal.alert.name,
        scale=signal.direction,
        resource=signal.resource,
        since=signal.alert.starts_at,
        first_heard=Time(signal.first_heard),
        last_heard=Time(signal.last_heard),
        summary=signal.alert.annotations.get("summary", ""),
        url=signal.alert.generator_url,
    )


def _event(event: Event) -> schema.Event:
    return schema.Event(
        id=event.id,
        at=_time(event.at),
        project=event.service[0],
        service=event.service[1],
        kind=event.kind,
        reason=event.reason,
        text=event.text,
        detail=_detail(event),
    )


def _detail(event: Event) -> dict[str, Any]:
    """What more is told, in which only a decision has a time, seconds since the epoch."""
    until = event.detail.get("until")
    return dict(event.detail) | ({"until": Time(until)} if isinstance(until, float) else {})


def _history(key: ServiceKey, span: str, chart: Chart) -> schema.History:
    return schema.History(
        project=key[0],
        service=key[1],
        range=span,
        error=chart.error,
        times=tuple(map(Time, chart.lines.times)),
        **chart.lines.values,
        thresholds=tuple(_like(schema.Threshold, threshold) for threshold in chart.lines.thresholds),
        marks=tuple(_like(schema.Mark, mark) for mark in chart.marks),
    )
