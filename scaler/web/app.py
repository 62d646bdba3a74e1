"""HTTP: Alertmanager's webhook, the API, metrics and the status page.

It sees the loop through the calls of ``Orders`` and ``Reading`` alone, so that the process that listens to
the network can one day run apart from the one that holds the Docker socket.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from flask import Flask, Response, jsonify, request
from jsonschema.protocols import Validator
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from scaler.config_check import Finding
from scaler.loop.views import Health, Inputs, ReplicaView, ServiceView
from scaler.model.errors import AlertscaleError, RequestError, UnavailableError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason, Pause
from scaler.model.records import Event
from scaler.policy.signals import Alert, Verdict, not_json, parse
from scaler.prometheus.client import Source
from scaler.state.metrics import Metrics
from scaler.web.page import HIGHEST_ID, Reading, add_page
from scaler.web.query import whole_argument
from scaler.web.sentences import sentence

log = structlog.get_logger()

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of a request body; a notification of 2,000 alerts is about 2 MiB."""

MAX_EVENTS: Final = 1000
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STALLED_AFTER: Final = 60.0
"""Seconds without a pass of the loop after which it counts as dead."""


class Orders(Protocol):
    """What is asked of the loop."""

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        """Take in alerts."""

    def scale(self, name: str, replicas: int) -> ServiceView:
        """Order a count."""

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        """Take away certain replicas."""

    def pause(self, name: str, pause: Pause) -> ServiceView:
        """Hold steps."""


def create_app(
    *,
    orders: Orders,
    reading: Reading,
    metrics: Metrics,
    validator: Validator,
    token: Callable[[], str],
    clock: Callable[[], float],
    prometheus: Source | None = None,
    signal_ttl: float = 15.0,
    findings: Callable[[], Sequence[Finding]] = tuple,
) -> Flask:
    """Build the WSGI application.

    Args:
        orders: are carried out.
        reading: of what is known.
        metrics: served at ``/metrics``.
        validator: of Alertmanager's payload.
        token: reads the bearer token, at each request, so that it can be replaced while we run; an
            OSError or UnicodeDecodeError of its, or an empty text, lets nobody change anything.
        clock: seconds since the epoch.
        prometheus: asked for the chart and the lights of the status page; None if there is none.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        findings: what the check of the stack's files found, shown on the status page.
    """
    here = Path(__file__).parent
    app = Flask("scaler", template_folder=str(here / "templates"), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    # What openapi.json does not name does not exist: no OPTIONS, and no redirect for a doubled slash.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    guard = _Guard(token)
    _add_errors(app)
    _add_webhook(app, orders, metrics, validator, guard)
    _add_api(app, reading)
    _add_orders(app, orders, guard)
    _add_health(app, reading, metrics)

    document = (here / "openapi.json").read_bytes()

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(document, content_type="application/json")

    add_page(app, reading, prometheus=prometheus, signal_ttl=signal_ttl, clock=clock, findings=findings)

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app


class _Guard:
    """Lets nobody change anything without the bearer token."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def check(self) -> None:
        right = self._right()
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        # WSGI hands over the header's bytes as Latin-1; anything else was not sent over a wire.
        same = hmac.compare_digest(given.strip().encode("latin-1", "backslashreplace"), right)
        if kind.lower() != "bearer" or not same:
            raise RequestError(
                "this needs the header 'Authorization: Bearer <token>'; read the token with:"
                " docker compose exec scaler cat /run/alertscale/token",
                reason=ErrorReason.UNAUTHORIZED,
            )

    def _right(self) -> bytes:
        way_out = "restart the scaler, which makes one: docker compose restart scaler"
        try:
            right = self._token().strip().encode()
        except (OSError, UnicodeError) as error:
            raise UnavailableError(
                f"the token cannot be read: {error}; {way_out}", reason=ErrorReason.NO_TOKEN
            ) from error
        if not right:
            raise UnavailableError(f"the token's file is empty; {way_out}", reason=ErrorReason.NO_TOKEN)
        return right


def _add_webhook(app: Flask, orders: Orders, metrics: Metrics, validator: Validator, guard: _Guard) -> None:
    @app.post("/alerts")
    def alerts() -> tuple[Response, int]:
        guard.check()
        verdicts = orders.submit(parse(_json_body(), validator=validator))
        return jsonify({"results": [_verdict(v) for v in verdicts]}), HTTPStatus.ACCEPTED

    @app.after_request
    def count(response: Response) -> Response:
        if request.path == "/alerts" and request.method == "POST":
            metrics.webhooks.labels(str(response.status_code)).inc()
        return response


def _add_api(app: Flask, reading: Reading) -> None:
    @app.get("/api/v1/services")
    def services() -> Response:
        return jsonify({"services": [_service(v) for v in reading.services()]})

    @app.get("/api/v1/events")
    def events() -> Response:
        limit = whole_argument(request.args, "limit", default=100, lowest=1, highest=MAX_EVENTS)
        before = whole_argument(request.args, "before", default=0, lowest=0, highest=HIGHEST_ID) or None
        return jsonify({"events": [_event(e) for e in reading.events(limit=limit, before=before)]})


def _add_orders(app: Flask, orders: Orders, guard: _Guard) -> None:
    @app.post("/api/v1/services/<path:name>/scale")
    def scale(name: str) -> tuple[Response, int]:
        guard.check()
        replicas = _field("replicas")
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise RequestError(f"replicas: {_shown(replicas)} is not a whole number")
        return jsonify(_service(orders.scale(name, replicas))), HTTPStatus.ACCEPTED

    @app.post("/api/v1/services/<path:name>/retire")
    def retire(name: str) -> tuple[Response, int]:
        guard.check()
        named = _field("replicas")
        if not isinstance(named, list) or not named or not all(isinstance(one, str) for one in named):
            raise RequestError("replicas: not a list of ids or names of replicas")
        return jsonify(_service(orders.retire(name, tuple(named)))), HTTPStatus.ACCEPTED

    @app.post("/api/v1/services/<path:name>/pause")
    def pause(name: str) -> Response:
        guard.check()
        wanted = _field("pause")
        if not isinstance(wanted, str) or wanted not in set(Pause):
            raise RequestError(f"pause: {_shown(wanted)} is not one of none, up, down, all")
        return jsonify(_service(orders.pause(name, Pause(wanted))))


def _add_health(app: Flask, reading: Reading, metrics: Metrics) -> None:
    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        health = reading.health()
        alive = health.passes_age < STALLED_AFTER
        return jsonify(_health(health)), HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        health = reading.health()
        ready = health.engine and not health.journal_error and health.passes_age < STALLED_AFTER
        return jsonify(_health(health)), HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)


def _add_errors(app: Flask) -> None:
    @app.errorhandler(AlertscaleError)
    def ours(error: AlertscaleError) -> tuple[Response, int]:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", path=request.path, reason=str(error.reason), error=str(error))
        answer = jsonify({"error": str(error), "reason": error.reason})
        if error.reason is ErrorReason.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer, error.status

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Response, int]:
        code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            text = f"the body is larger than {MAX_BODY} bytes; let Alertmanager send fewer alerts at once"
            return jsonify({"error": text, "reason": ErrorReason.TOO_LARGE}), code
        reason = ErrorReason.NOT_FOUND if code == HTTPStatus.NOT_FOUND else ErrorReason.BAD_REQUEST
        answer = jsonify({"error": error.description, "reason": reason})
        if isinstance(error, MethodNotAllowed):
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return answer, code

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> tuple[Response, int]:
        log.error("request failed", path=request.path, exc_info=error)
        text = "the scaler met a fault of its own; its log says more: docker compose logs scaler"
        return jsonify({"error": text, "reason": ErrorReason.INTERNAL}), HTTPStatus.INTERNAL_SERVER_ERROR


def _json_body() -> bytes:
    if request.mimetype != "application/json":
        raise not_json(request.headers.get("Content-Type", ""))
    return request.get_data()


def _field(name: str) -> object:
    wrong = RequestError(f'the body is not a JSON object with the field "{name}"')
    body = _json_body()
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(document, dict) or name not in document:
        raise wrong
    return document[name]


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list or an object"  # a deep enough one cannot even be written out
    return repr(value)[:100]


def _time(seconds: float | None) -> str | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _verdict(verdict: Verdict) -> dict[str, Any]:
    shown = {"alertname": verdict.alert.name, "result": verdict.result}
    return shown | ({"reason": verdict.ignored, "detail": verdict.detail} if verdict.ignored else {})


def _service(view: ServiceView) -> dict[str, Any]:
    limits, decision = view.limits, view.decision
    return {
        "project": view.key[0],
        "service": view.key[1],
        "min": limits.minimum if limits else None,
        "max": limits.maximum if limits else None,
        "replicas": [_replica(r) for r in view.replicas],
        "decision": None
        if decision is None
        else {
            "direction": decision.direction,
            "reason": decision.reason,
            "replicas": decision.replicas,
            "target": decision.target,
            "resources": decision.resources,
            "sentence": sentence(view),
            "until": _time(decision.until),
            "at": _time(view.decided_at),
        },
        "alerts": [
            {
                "alertname": s.alert.name,
                "scale": s.direction,
                "resource": s.resource,
                "since": s.alert.starts_at,
                "first_heard": _time(s.first_heard),
                "last_heard": _time(s.last_heard),
                "summary": s.alert.annotations.get("summary", ""),
                "url": s.alert.generator_url,
            }
            for s in view.signals
        ],
        "pause": view.pause,
        "pause_label": limits.pause if limits else None,
        "wanted": view.wanted,
        "faults": view.faults,
        "limits": _limits(limits) if limits else None,
        "inputs": _inputs(view.inputs) if view.inputs else None,
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "min": limits.minimum,
        "max": limits.maximum,
        "step": limits.step,
        "port": limits.port,
        "ready": limits.ready,
        "ready_timeout": limits.ready_timeout,
        "resources": limits.resources,
        "cooldown_up": limits.cooldown_up,
        "cooldown_down": limits.cooldown_down,
        "drain": limits.drain,
        "pause": limits.pause,
    }


def _inputs(inputs: Inputs) -> dict[str, Any]:
    times = ("last_change", "cooldown_up_until", "cooldown_down_until", "retry_at")
    return asdict(inputs) | {name: _time(getattr(inputs, name)) for name in times}


def _replica(replica: ReplicaView) -> dict[str, Any]:
    return {
        "number": replica.number,
        "name": replica.name,
        "id": replica.id,
        "state": replica.state,
        "address": replica.address,
        "detail": replica.detail,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": _time(event.at),
        "project": event.service[0],
        "service": event.service[1],
        "kind": event.kind,
        "reason": event.reason,
        "text": event.text,
        "detail": event.detail,
    }


def _health(health: Health) -> dict[str, Any]:
    seconds = health.watchdog_age
    return {
        "engine": health.engine,
        "seconds_since_pass": round(health.passes_age, 1),
        "seconds_since_watchdog": round(seconds, 1) if math.isfinite(seconds) else None,
        "balancer_error": health.balancer_error,
        "journal_error": health.journal_error,
    }
