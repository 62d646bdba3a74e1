"""The application: the webhook, the API, the status page, metrics and health, put together.

What is common to all of them is here: bounds, headers, and how an error is answered.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from scaler.config_check import Finding
from scaler.loop.views import Health
from scaler.model.errors import AlertscaleError
from scaler.model.reasons import ErrorReason
from scaler.prometheus.chart import History
from scaler.prometheus.client import Prometheus, Source
from scaler.prometheus.lamps import Pipeline
from scaler.prometheus.load import Loads
from scaler.state.metrics import Metrics
from scaler.web import openapi, schema
from scaler.web.api import Figures, Orders, Reading, add_api, answer
from scaler.web.guard import Guard
from scaler.web.page import About, add_page
from scaler.web.webhook import add_webhook

log = structlog.get_logger()

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of a request body; a notification of 2,000 alerts is about 2 MiB."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STALLED_AFTER: Final = 60.0
"""Seconds without a pass of the loop after which it counts as dead."""


def create_app(
    *,
    orders: Orders,
    reading: Reading,
    metrics: Metrics,
    token: Callable[[], str],
    wall: Callable[[], float],
    prometheus: Source | None = None,
    signal_ttl: float = 15.0,
    findings: Callable[[], Sequence[Finding]] = tuple,
    about: About | None = None,
) -> Flask:
    """Build the WSGI application.

    Args:
        orders: takes in alerts and what people order.
        reading: what is shown.
        metrics: served at ``/metrics``.
        token: reads the bearer token, at each request, as ``Guard`` says.
        wall: seconds since the epoch.
        prometheus: asked for the chart and the lights of the status page; None if there is none.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        findings: what the check of the stack's files found, shown on the status page.
        about: what is said of the scaler itself; None where that is not known.
    """
    app = Flask("scaler", template_folder=str(Path(__file__).with_name("templates")), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    # What openapi.py does not name does not exist: no OPTIONS, and no redirect for a doubled slash.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    guard = Guard(token)
    figures = _figures(prometheus, reading, signal_ttl, wall)
    _add_errors(app)
    add_webhook(app, orders, metrics, guard)
    add_api(app, orders=orders, reading=reading, guard=guard, figures=figures, wall=wall)
    about = about or About()
    add_page(
        app,
        reading,
        figures=figures,
        signal_ttl=signal_ttl,
        wall=wall,
        findings=findings,
        about=about,
    )
    _add_health(app, reading, metrics, about)
    _add_document(app)

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app


def _figures(
    prometheus: Source | None, reading: Reading, signal_ttl: float, wall: Callable[[], float]
) -> Figures:
    source = prometheus or Prometheus("", password_file=Path())
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ThreadPool-prometheus")
    history = History(source=source, past=reading, executor=executor, wall=wall, monotonic=time.monotonic)
    pipeline = Pipeline(
        source=source,
        health=reading.health,
        executor=executor,
        signal_ttl=signal_ttl,
        wall=wall,
        monotonic=time.monotonic,
    )
    loads = Loads(source=source, executor=executor, wall=wall, monotonic=time.monotonic)
    return Figures(history=history, pipeline=pipeline, loads=loads)


@cache
def _document() -> str:
    return json.dumps(openapi.document())


def _add_document(app: Flask) -> None:
    @app.get("/openapi.json")
    def described() -> Response:
        return Response(_document(), content_type="application/json")


def _add_health(app: Flask, reading: Reading, metrics: Metrics, about: About) -> None:
    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        health = reading.health()
        return _health(health, about, good=health.passes_age < STALLED_AFTER)

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        health = reading.health()
        works = health.engine and not health.journal_error
        return _health(health, about, good=works and health.passes_age < STALLED_AFTER)

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)


def _health(health: Health, about: About, *, good: bool) -> tuple[Response, int]:
    heard = health.watchdog_age
    figures = schema.Health(
        engine=health.engine,
        seconds_since_pass=round(health.passes_age, 1),
        seconds_since_watchdog=round(heard, 1) if math.isfinite(heard) else None,
        balancer_error=health.balancer_error,
        journal_error=health.journal_error,
        version=schema.VERSION,
        host=about.host,
    )
    return answer(figures, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


def _add_errors(app: Flask) -> None:
    @app.errorhandler(AlertscaleError)
    def ours(error: AlertscaleError) -> tuple[Response, int]:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", path=request.path, reason=str(error.reason), error=str(error))
        response, status = _failed(str(error), error.reason, error.status)
        if error.reason is ErrorReason.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response, status

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Response, int]:
        code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            text = f"the body is larger than {MAX_BODY} bytes; let Alertmanager send fewer alerts at once"
            return _failed(text, ErrorReason.TOO_LARGE, code)
        reason = ErrorReason.NOT_FOUND if code == HTTPStatus.NOT_FOUND else ErrorReason.BAD_REQUEST
        response, status = _failed(error.description or error.name, reason, code)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response, status

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> tuple[Response, int]:
        log.error("request failed", path=request.path, exc_info=error)
        text = "the scaler met a fault of its own; its log says more: docker compose logs scaler"
        return _failed(text, ErrorReason.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR)


def _failed(text: str, reason: ErrorReason, status: int) -> tuple[Response, int]:
    return answer(schema.Error(error=text, reason=reason), status)
