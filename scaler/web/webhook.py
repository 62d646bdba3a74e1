"""Alertmanager's webhook: what it sends is read strictly, and answered alert by alert."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, request
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from msgspec import UNSET

from scaler.model.errors import RequestError
from scaler.policy.signals import Alert, Verdict
from scaler.state.metrics import Metrics
from scaler.web import schema
from scaler.web.api import Orders, answer
from scaler.web.guard import Guard

_SHOWN: Final = 200
"""Characters of foreign text that an error message repeats."""


def add_webhook(app: Flask, orders: Orders, metrics: Metrics, guard: Guard) -> None:
    """Add ``/alerts``, and count its answers.

    Args:
        app: the application.
        orders: takes in the alerts.
        metrics: where they are counted.
        guard: lets in who has the token.
    """
    validator()

    @app.post("/alerts")
    def alerts() -> tuple[Response, int]:
        verdicts = orders.submit(parse(guard.admit()))
        return answer(schema.Results(results=tuple(map(_result, verdicts))), HTTPStatus.ACCEPTED)

    @app.after_request
    def count(response: Response) -> Response:
        if request.path == "/alerts" and request.method == "POST":
            metrics.webhooks.labels(str(response.status_code)).inc()
        return response


def parse(body: bytes) -> tuple[Alert, ...]:
    """Read a notification.

    Args:
        body: as received.

    Returns:
        The alerts, in the order sent.

    Raises:
        RequestError: not JSON, or not of the schema; it names the place and never changes.
    """
    try:
        document: Any = json.loads(body)
        # Half a surrogate pair passes loads, but neither the journal nor the log can hold it.
        json.dumps(document, ensure_ascii=False).encode()
        fault = next(iter(validator().iter_errors(document)), None)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {str(error)[:_SHOWN]}") from error
    if fault is not None:
        raise RequestError(f"{fault.json_path}: {fault.message[:_SHOWN]}")
    return tuple(map(_alert, document["alerts"]))


def _alert(entry: Mapping[str, Any]) -> Alert:
    return Alert(
        firing=entry["status"] == "firing",
        labels=entry["labels"],
        annotations=entry.get("annotations", {}),
        starts_at=entry.get("startsAt", ""),
        generator_url=entry.get("generatorURL", ""),
    )


def _result(verdict: Verdict) -> schema.Result:
    return schema.Result(
        alertname=verdict.alert.name,
        result=verdict.result,
        reason=verdict.ignored or UNSET,
        detail=verdict.detail if verdict.ignored else UNSET,
    )


def notification_schema() -> dict[str, Any]:
    """Read ``alert.schema.json``."""
    schema_: dict[str, Any] = json.loads(Path(__file__).with_name("alert.schema.json").read_text("utf-8"))
    return schema_


@cache
def validator() -> Validator:
    """Make, once, what notifications are held against."""
    wanted = notification_schema()
    Draft202012Validator.check_schema(wanted)
    made: Validator = extend(Draft202012Validator, {"additionalProperties": _strings_at_once})(wanted)  # type: ignore[no-untyped-call]
    return made


def _strings_at_once(
    asked: Validator, wanted: Mapping[str, object], instance: object, within: Mapping[str, object]
) -> Iterator[ValidationError]:
    """Check ``additionalProperties``; a map of strings, as labels are, in one go instead of one by one.

    That halves the time of checking a notification, which is most of the time of a webhook.
    """
    plain = wanted == {"type": "string"} and within.keys() <= {"type", "additionalProperties", "description"}
    if plain and isinstance(instance, dict) and all(isinstance(v, str) for v in instance.values()):
        return
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](asked, wanted, instance, within)
