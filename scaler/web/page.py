"""The status page: what is shown at ``/``, its files, the chart's figures and the lights.

The page is made here and complete without a script. The script (``static/app.js``) asks for the same page
again and puts in what has changed, so that nothing but the lamps is drawn by two programs.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request

from scaler.config_check import Finding
from scaler.loop.views import Health, ServiceView
from scaler.model.errors import AlertscaleError, RequestError
from scaler.model.reasons import ErrorReason, EventKind
from scaler.model.records import Event
from scaler.model.services import ServiceKey
from scaler.prometheus.chart import RANGES, Chart, History
from scaler.prometheus.client import Prometheus, Source
from scaler.prometheus.lamps import Pipeline, Station
from scaler.prometheus.thresholds import Threshold
from scaler.web.assets import Assets, load_uplot, make_assets
from scaler.web.query import whole_argument, word_argument
from scaler.web.rule_links import rule_links
from scaler.web.sentences import sentence

log = structlog.get_logger()

HIGHEST_ID: Final = 2**53
"""Of an event; what a program in a browser can count to."""

PAGE_OF_EVENTS: Final = 50

_ALERTS_LOOKED_AT: Final = 200

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


class Reading(Protocol):
    """What the page knows of the autoscaler."""

    def services(self) -> tuple[ServiceView, ...]:
        """Read the state."""

    def events(
        self,
        *,
        limit: int,
        before: int | None = None,
        service: ServiceKey | None = None,
        kind: EventKind | None = None,
    ) -> tuple[Event, ...]:
        """Read the history."""

    def health(self) -> Health:
        """Read the health figures."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which events are shown.

    Attributes:
        service: only of that one; None for all.
        kind: only of that kind; None for all.
        before: only those with a lower id; None for the newest.
    """

    service: ServiceKey | None
    kind: EventKind | None
    before: int | None


def add_page(
    app: Flask,
    autoscaler: Reading,
    *,
    prometheus: Source | None,
    signal_ttl: float,
    clock: Callable[[], float],
    findings: Callable[[], Sequence[Finding]] = tuple,
) -> None:
    """Add the page and what it asks for.

    Args:
        app: the application.
        autoscaler: what is shown.
        prometheus: None if there is none.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        clock: seconds since the epoch.
        findings: what the check of the stack's files found.
    """
    source = prometheus or Prometheus("", password_file=Path())
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ThreadPool-prometheus")
    history = History(source=source, past=autoscaler, executor=executor, wall=clock, monotonic=time.monotonic)
    pipeline = Pipeline(
        source=source,
        health=autoscaler.health,
        executor=executor,
        signal_ttl=signal_ttl,
        wall=clock,
        monotonic=time.monotonic,
    )
    app.jinja_env.filters |= {"moment": _moment, "clock": _clock_time, "sentence": sentence, "web": _web}
    assets = _assets()
    _add_assets(app, assets)
    _add_figures(app, autoscaler, history, pipeline, clock)

    @app.get("/")
    def page() -> Response:
        filters = _filters()
        part = word_argument(request.args, "part", default="page", words=("page", "live"))
        health = autoscaler.health()
        events = autoscaler.events(
            limit=PAGE_OF_EVENTS + 1, before=filters.before, service=filters.service, kind=filters.kind
        )
        silent = health.watchdog_age > signal_ttl
        html = render_template(
            "live.html" if part == "live" else "status.html",
            services=sorted(autoscaler.services(), key=lambda v: v.key),
            events=events[:PAGE_OF_EVENTS],
            older=events[PAGE_OF_EVENTS - 1].id if len(events) > PAGE_OF_EVENTS else None,
            rules=_rules(autoscaler, events, filters),
            kinds=tuple(EventKind),
            filters=filters,
            health=health,
            blind=silent,
            findings=findings(),
            watchdog=clock() - health.watchdog_age if math.isfinite(health.watchdog_age) else None,
            stations=() if part == "live" else pipeline.stations(wait=False),
            assets=assets,
            ranges=tuple(RANGES),
        )
        response = make_response(html)
        response.headers["Alertscale-Now"] = f"{clock():.3f}"
        if part == "live":
            response.set_etag(hashlib.sha256(html.encode()).hexdigest()[:24])
            response.headers["Cache-Control"] = "no-cache"
            response.make_conditional(request)
        return response


def _assets() -> Assets:
    try:
        uplot = load_uplot()
    except AlertscaleError as error:
        # A scaler without a chart scales all the same.
        log.error("the status page has no chart", error=str(error))  # noqa: TRY400 - one line
        uplot = {}
    return make_assets(Path(__file__).parent / "static", uplot)


def _add_assets(app: Flask, assets: Assets) -> None:
    @app.get("/assets/<version>/<name>")
    def asset(version: str, name: str) -> Response:
        found = assets.files.get(name) if version == assets.version else None
        if found is None:
            raise RequestError("there is no such file; load the page anew", reason=ErrorReason.NOT_FOUND)
        response = Response(found.content, content_type=found.content_type)
        response.headers["Cache-Control"] = _FOR_GOOD
        return response


def _add_figures(
    app: Flask, autoscaler: Reading, history: History, pipeline: Pipeline, clock: Callable[[], float]
) -> None:
    @app.get("/api/v1/history")
    def figures() -> Response:
        span = word_argument(request.args, "range", default="1h", words=tuple(RANGES))
        key = _named(autoscaler, request.args.get("service", ""))
        return jsonify(_chart(key, span, history.chart(key, span)))

    @app.get("/api/v1/pipeline")
    def stations() -> Response:
        shown = [_station(s) for s in pipeline.stations(wait=True)]
        return jsonify({"now": _moment(clock()), "stations": shown})


def _filters() -> Filters:
    kind = word_argument(request.args, "kind", default="", words=("", *EventKind))
    project, _, name = request.args.get("service", "").rpartition("/")
    before = whole_argument(request.args, "before", default=0, lowest=0, highest=HIGHEST_ID)
    return Filters(
        service=(project, name) if name else None,
        kind=EventKind(kind) if kind else None,
        before=before or None,
    )


def _rules(autoscaler: Reading, events: Sequence[Event], filters: Filters) -> Mapping[int, str]:
    """Find the rules also of entries whose alerts a filter leaves out."""
    alerts = autoscaler.events(
        limit=_ALERTS_LOOKED_AT, before=filters.before, service=filters.service, kind=EventKind.ALERT
    )
    both = {e.id: e for e in (*events, *alerts)}
    return rule_links(sorted(both.values(), key=lambda e: -e.id))


def _named(autoscaler: Reading, name: str) -> ServiceKey:
    for view in autoscaler.services():
        if name == "/".join(view.key):
            return view.key
    raise RequestError(
        f"service: {name[:100]!r} is not project/service of one that is scaled", reason=ErrorReason.NOT_FOUND
    )


def _chart(key: ServiceKey, span: str, chart: Chart) -> dict[str, Any]:
    return {
        "project": key[0],
        "service": key[1],
        "range": span,
        "error": chart.error,
        "times": chart.lines.times,
        **chart.lines.values,
        "thresholds": [_threshold(t) for t in chart.lines.thresholds],
        "marks": [
            {"at": _moment(e.at), "kind": e.kind, "reason": e.reason, "text": e.text} for e in chart.marks
        ],
    }


def _threshold(threshold: Threshold) -> dict[str, Any]:
    return {
        "alertname": threshold.alertname,
        "scale": threshold.direction,
        "resource": threshold.resource,
        "metric": threshold.metric,
        "value": threshold.value,
        "expression": threshold.expression,
        "for_seconds": threshold.seconds,
    }


def _station(station: Station) -> dict[str, Any]:
    return {
        "name": station.name,
        "light": station.light,
        "proof": _moment(station.proof),
        "text": station.text,
    }


def _moment(seconds: float | None) -> str | None:
    """Write a time of this clock as the API does; None for one that never was."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _clock_time(seconds: float | None) -> str:
    """Show a time to a person without a script: UTC."""
    if seconds is None or not math.isfinite(seconds):
        return "not seen yet"
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%H:%M:%S UTC")


def _web(address: str) -> str:
    """Let nothing but web addresses become links; an alert may carry anything."""
    return address if address.startswith(("http://", "https://")) else ""
