"""The document at ``/openapi.json``: the values of ``schema.py``, and every call with what it answers.

The examples are in ``examples.json``, by the value that they are of.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from scaler.model.reasons import EventKind, Pause
from scaler.prometheus.chart import RANGES
from scaler.web import schema
from scaler.web.api import MAX_EVENTS
from scaler.web.guard import HIGHEST_ID
from scaler.web.webhook import notification_schema

Json = dict[str, Any]

_ABOUT: Final = (
    "Reading needs nothing; whatever changes something needs the bearer token. The server itself refuses, in"
    " plain text and without reading on, what is no HTTP (400), a body of more than 8 MiB (413), more than"
    " 16 KiB of headers (431) and a transfer coding other than chunked (501). GET stands for HEAD as well."
    " A path that is not here is answered 404, a method that is not here 405 with `Allow`, both with the"
    " schema `Error`."
)
_TAGS: Final = {
    "webhook": "What Alertmanager calls.",
    "services": "What is scaled.",
    "health": "Whether the scaler can do its work.",
    "page": "For people.",
}
_ANSWERED: Final = (
    schema.Error,
    schema.Results,
    schema.Services,
    schema.Events,
    schema.History,
    schema.Pipeline,
    schema.Health,
)
_SENT: Final = (schema.ScaleOrder, schema.RetireOrder, schema.PauseOrder)
_IN_PLACE: Final = {"Result", "Services", "Events", "Pipeline", "ScaleOrder", "RetireOrder", "PauseOrder"}
"""Values that stand where they are used, which is in one place, and not among those with a name."""
_REFERENCE: Final = "#/components/schemas/{name}"


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """What many calls share: status, when it happens, and an error for example."""

    status: int
    when: str
    reasons: tuple[str, ...]
    error: str


_FAILURES: Final[Mapping[str, _Failure]] = {
    "BadRequest": _Failure(
        status=400,
        when="Not JSON, not the schema (it names the place), or not a number where one belongs; it will"
        " never be right.",
        reasons=("bad_request",),
        error="$.alerts[0].status: 'burning' is not one of ['firing', 'resolved']",
    ),
    "Unauthorized": _Failure(
        status=401,
        when="No token, or another one.",
        reasons=("unauthorized",),
        error="this needs the header 'Authorization: Bearer <token>'; read the token with:"
        " docker compose exec scaler cat /run/alertscale/token",
    ),
    "NotFound": _Failure(
        status=404,
        when="No service of that name, or several.",
        reasons=("not_found",),
        error="no service is called 'shop'; known: alertscale/flask-app",
    ),
    "OutOfBounds": _Failure(
        status=409,
        when="A count outside the bounds, no replica that would be left ready, or labels that cannot be"
        " read.",
        reasons=("out_of_bounds", "labels"),
        error="replicas: 9 is not within alertscale.min 1 and alertscale.max 5 of flask-app; change the"
        " label to go beyond",
    ),
    "TooLarge": _Failure(
        status=413,
        when="The body is larger than 4 MiB; in plain text when larger than 8 MiB.",
        reasons=("too_large",),
        error="the body is larger than 4194304 bytes; let Alertmanager send fewer alerts at once",
    ),
    "NotJson": _Failure(
        status=415,
        when="The content type is not `application/json`.",
        reasons=("not_json",),
        error="Content-Type: 'text/plain' is not application/json",
    ),
    "Unavailable": _Failure(
        status=503,
        when="It may be right later.",
        reasons=("engine_unavailable", "journal", "no_token", "standby", "stopping"),
        error="the scaler has not listed the engine's services yet; try again",
    ),
    "Fault": _Failure(
        status=500,
        when="A fault of the scaler's own; its log says more.",
        reasons=("internal",),
        error="the scaler met a fault of its own; its log says more: docker compose logs scaler",
    ),
}
_READ: Final = ("Unavailable", "Fault")
_CHANGE: Final = ("BadRequest", "Unauthorized", "TooLarge", "NotJson", *_READ)


def document() -> Json:
    """Return the document, OpenAPI 3.1."""
    calls = (*_webhook(), *_services(), *_past(), *_health(), *_page())
    token = "Made at the first start: docker compose exec scaler cat /run/alertscale/token"  # noqa: S105 - where it is
    parts = dict(_schemas())
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "alertscale: the scaler",
            "version": "1",
            "summary": "Alertmanager's webhook, the API, metrics and the status page.",
            "description": _ABOUT,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {path: {method: call} for method, path, call in calls},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": token}},
            "responses": {name: _failure(name) for name in _FAILURES},
            "schemas": {name: part for name, part in parts.items() if name not in _IN_PLACE},
        },
    }
    filled: Json = _filled(whole, {name: parts[name] for name in _IN_PLACE})
    return filled


Calls = Iterator[tuple[str, str, Json]]


def _webhook() -> Calls:
    about = (
        "One result for each alert, in the order sent. Alertmanager repeats a notification only after a 5xx."
    )
    held = "Understood, and held as long as it is repeated; the loop decides on it within a second."
    yield "post", "/alerts", _call(
        "webhook notify", "Take a notification of Alertmanager's, version 4", about,
        body=_json("Notification", examples=_examples()["Notification"]),
        answers={202: {"description": held} | _json("Results", examples=_examples()["Results"])},
        failures=_CHANGE,
    )  # fmt: skip


def _past() -> Calls:
    earlier = "Only entries with a lower `id`: the last one of the page before. 0 for no such bound."
    yield "get", "/api/v1/events", _call(
        "services events", "The history, newest first",
        parameters=[
            _query("limit", "How many at most.", 20, _whole(1, MAX_EVENTS, default=100)),
            _query("before", earlier, 412, _whole(0, HIGHEST_ID, default=0)),
        ],
        answers=_answer(200, "The entries.", "Events"),
        failures=("BadRequest", *_READ),
    )  # fmt: skip
    about = (
        "Asked of Prometheus for all viewers together, at most once in four seconds. When Prometheus does not"
        " answer, the lists are empty and `error` says why."
    )
    yield "get", "/api/v1/history", _call(
        "services history", "What the chart of a service shows", about,
        parameters=[
            {"required": True}
            | _query("service", "`project/service`.", "alertscale/flask-app", _text(3, 300)),
            _query("range", "How far back.", "15m", _word(RANGES, default="1h")),
        ],
        answers=_answer(200, "The figures.", "History"),
        failures=("BadRequest", "NotFound", *_READ),
    )  # fmt: skip


def _services() -> Calls:
    yield "get", "/api/v1/services", _call(
        "services services", "Every service with its replicas, decision, alerts and faults",
        "How busy they are is asked of Prometheus, at most once in two seconds for all that ask. When it does"
        " not answer, `load.error` says why, and there are no figures.",
        answers=_answer(200, "All that carry `alertscale.enable`.", "Services"),
    )  # fmt: skip
    yield _order(
        "scale", "Order a count; the loop goes there step by step",
        body={"replicas": 3},
        answer=(202, "Ordered: `wanted` is the count until it is reached.", {"wanted": 3}),
    )  # fmt: skip
    about = (
        "Each leaves nginx, finishes its requests, is stopped and removed, as in a step down; pauses and"
        " bounds do not hold it. Refused while no other replica is ready. Not kept over a restart of the"
        " scaler, other than the steps that have begun: ask again."
    )
    yield _order(
        "retire", "Take away certain replicas, all at once: for a deploy", about,
        body={"replicas": ["alertscale-flask-app-1"]},
        answer=(202, "Ordered: they drain, then they are gone.", {}),
    )  # fmt: skip
    held = "Held from the next decision on, until it is changed, restarts included."
    yield _order(
        "pause", "Hold steps, or let them go", body={"pause": "down"}, answer=(200, held, {"pause": "down"})
    )


def _health() -> Calls:
    yield "get", "/api/v1/pipeline", _call(
        "health pipeline", "The way of an alert, station by station",
        answers=_answer(200, "In the order of the way.", "Pipeline"),
    )  # fmt: skip
    yield "get", "/healthz", _call(
        "health healthz", "Does the loop run?",
        answers=_answer(200, "The loop made a pass within the last minute.", "Health")
        | _answer(503, "It did not.", "Health", {"seconds_since_pass": 75.0}),
        failures=("Fault",),
    )  # fmt: skip
    yield "get", "/readyz", _call(
        "health readyz", "Does the loop run, does the Docker Engine answer, and can the journal be written?",
        answers=_answer(200, "All of it.", "Health")
        | _answer(503, "Not all of it.", "Health", {"engine": False}),
        failures=("Fault",),
    )  # fmt: skip
    metric = (
        "# HELP alertscale_engine_up 1 while the Docker Engine answers, else 0\n"
        "# TYPE alertscale_engine_up gauge\nalertscale_engine_up 1.0\n"
    )
    yield "get", "/metrics", _call(
        "health metrics", "Metrics for Prometheus",
        answers=_texts("Prometheus' text format.", {"text/plain": metric}),
        failures=("Fault",),
    )  # fmt: skip


def _page() -> Calls:
    unchanged = "`part=live` has not changed since the ETag that was sent."
    yield "get", "/", _call(
        "page page", "The status page",
        "Complete without a script. `part=live` is what the script puts in anew, with an ETag.",
        parameters=[
            _query("part", "The whole page, or only what changes.", "live",
                   _word(["page", "live"], default="page")),
            _query("service", "Events of this `project/service` only.", "alertscale/flask-app",
                   {"type": "string", "default": ""}),
            _query("kind", "Events of this kind only; without one, steps and faults.", "step",
                   _word(["", "all", *EventKind], default="")),
            _query("before", "Events with a lower `id` only; 0 for no such bound.", 412,
                   _whole(0, HIGHEST_ID, default=0)),
        ],
        answers=_texts("HTML.", {"text/html": "<!doctype html>..."}) | {304: {"description": unchanged}},
        failures=("BadRequest", *_READ),
    )  # fmt: skip
    yield "get", "/assets/{version}/{name}", _call(
        "page asset", "A file of the status page",
        "Browsers may keep it for good: another content has another address.",
        parameters=[
            _part("version", "As the page names it.", _text(1, 100), example="2d27e8ad3d228164"),
            _part("name", "The file.", _text(1, 100), example="app.js"),
        ],
        answers=_texts(
            "The file.",
            {"text/javascript": "export {};", "text/css": "body {}", "image/svg+xml": "<svg/>"},
        ),
        failures=("NotFound", *_READ),
    )  # fmt: skip
    head = {"openapi": "3.1.0", "info": {"title": "alertscale: the scaler", "version": "1"}, "paths": {}}
    itself = {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}, "example": head}
    yield "get", "/openapi.json", _call(
        "page openapi", "This document",
        answers={200: {"description": "OpenAPI 3.1.", "content": {"application/json": itself}}},
        failures=("Fault",),
    )  # fmt: skip


def _call(
    name: str,
    summary: str,
    description: str = "",
    *,
    parameters: Sequence[Json] = (),
    body: Json | None = None,
    answers: Mapping[int, Json],
    failures: Sequence[str] = _READ,
) -> Json:
    """Describe a call, named by tag and operation; what has a body changes something, and needs the token."""
    tag, operation = name.split()
    failed = {_FAILURES[one].status: {"$ref": f"#/components/responses/{one}"} for one in failures}
    told: Json = {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "security": [{"token": []}] if body else None,
        "parameters": parameters,
        "requestBody": {"required": True} | body if body else None,
        "responses": {str(status): one for status, one in (*answers.items(), *failed.items())},
    }
    return {key: value for key, value in told.items() if value}


def _order(
    operation: str, summary: str, description: str = "", *, body: Json, answer: tuple[int, str, Json]
) -> tuple[str, str, Json]:
    """Describe an order: the example of its body, its answer and what differs in the example of that."""
    about = (
        "A service, or `project/service` where several projects have one of that name. The slash may be"
        " sent as it is."
    )
    named = {"service": {"value": "flask-app"}, "project": {"value": "alertscale/flask-app"}}
    status, what, changes = answer
    call = _call(
        f"services {operation}", summary, description,
        parameters=[_part("name", about, _text(1, 300), examples=named)],
        body=_json(f"{operation.capitalize()}Order", example=body),
        answers=_answer(status, what, "Service", changes),
        failures=(*_CHANGE, "NotFound", "OutOfBounds"),
    )  # fmt: skip
    return "post", f"/api/v1/services/{{name}}/{operation}", call


def _examples() -> Json:
    made: Json = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))
    return made | {"Service": made["Services"]["services"][0]}


def _json(name: str, **examples: object) -> Json:
    return {"content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name=name)}} | examples}}


def _answer(status: int, description: str, name: str, changes: Mapping[str, object] = {}) -> dict[int, Json]:
    return {status: {"description": description} | _json(name, example=_examples()[name] | changes)}


def _texts(description: str, kinds: Mapping[str, str]) -> dict[int, Json]:
    content = {kind: {"schema": {"type": "string"}, "example": text} for kind, text in kinds.items()}
    return {200: {"description": description, "content": content}}


def _query(name: str, description: str, example: object, values: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": values, "example": example}


def _part(name: str, description: str, values: Json, **examples: object) -> Json:
    made = {"name": name, "in": "path", "required": True, "description": description, "schema": values}
    return made | examples


def _whole(lowest: int, highest: int, *, default: int) -> Json:
    return {"type": "integer", "minimum": lowest, "maximum": highest, "default": default}


def _text(shortest: int, longest: int) -> Json:
    return {"type": "string", "minLength": shortest, "maxLength": longest}


def _word(words: Iterable[str], *, default: str) -> Json:
    return {"type": "string", "enum": list(words), "default": default}


def _failure(name: str) -> Json:
    failure = _FAILURES[name]
    reasons = ", ".join(f"`{reason}`" for reason in failure.reasons)
    example = {"error": failure.error, "reason": failure.reasons[0]}
    made: Json = {"description": f"{failure.when} `reason`: {reasons}."} | _json("Error", example=example)
    if name == "Unauthorized":
        made["headers"] = {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}}
    if name == "TooLarge":
        text = "Request Entity Too Large\n\nexceeds max_body of 8388608\n\n(generated by waitress)"
        made["content"]["text/plain"] = {"schema": {"type": "string"}, "example": text}
    return made


def _schemas() -> Iterator[tuple[str, Json]]:
    """Yield each value: what is answered has no field beside those described, what is sent may."""
    own = notification_schema()
    yield "Notification", {k: v for k, v in own.items() if k not in {"$schema", "$comment", "title"}}
    for structs, closed in ((_ANSWERED, {"additionalProperties": False}), (_SENT, {})):
        _, found = msgspec.json.schema_components(structs, schema_hook=_time, ref_template=_REFERENCE)
        for name, made in found.items():
            if "enum" in made:  # msgspec sorts its words, and leaves out that they are texts
                yield name, {"type": "string", "description": made["description"], "enum": [*Pause]}
            else:
                fields = {key: _nullable(field) for key, field in made["properties"].items()}
                yield name, {k: v for k, v in made.items() if k != "title"} | {"properties": fields} | closed


def _time(_: type) -> Json:
    return {"type": "string", "format": "date-time", "examples": ["2026-11-23T04:16:51.000Z"]}


def _filled(node: Any, parts: Mapping[str, Json]) -> Any:  # noqa: ANN401 - JSON
    """Put parts where they are referred to."""
    if isinstance(node, list):
        return [_filled(one, parts) for one in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref")).rpartition("/")[2]
    return {key: _filled(value, parts) for key, value in parts.get(name, node).items()}


def _nullable(field: Json) -> Json:
    """Write what may be null as one of two types, not as any of two schemas."""
    if "items" in field:
        return field | {"items": _nullable(field["items"])}
    one, *null = field.get("anyOf", [field])
    if not null or "type" not in one:
        return field
    rest = {k: v for k, v in field.items() if k != "anyOf"}
    return {**rest, **one, "type": [one["type"], "null"]}
