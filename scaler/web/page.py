"""The status page: what is shown at ``/``, and its files.

The page is made here and complete without a script. The script (``static/app.js``) asks for the same page
again and puts in what has changed, so that nothing but the lamps is drawn by two programs.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from flask import Flask, Response, make_response, render_template, request

from scaler.config_check import Finding
from scaler.model.errors import AlertscaleError, RequestError
from scaler.model.reasons import ErrorReason, EventKind
from scaler.model.records import Event, EventQuery
from scaler.prometheus.chart import RANGES
from scaler.prometheus.lamps import Pipeline
from scaler.web.api import Reading
from scaler.web.assets import Assets, load_uplot, make_assets
from scaler.web.explanation import rule_links, sentence
from scaler.web.guard import HIGHEST_ID, whole_argument, word_argument
from scaler.web.schema import rfc3339

log = structlog.get_logger()

PAGE_OF_EVENTS: Final = 50

_ALERTS_LOOKED_AT: Final = 200

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


def add_page(
    app: Flask,
    reading: Reading,
    *,
    pipeline: Pipeline,
    signal_ttl: float,
    wall: Callable[[], float],
    findings: Callable[[], Sequence[Finding]],
) -> None:
    """Add the page and its files.

    Args:
        app: the application.
        reading: what is shown.
        pipeline: the lights.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        wall: seconds since the epoch.
        findings: what the check of the stack's files found.
    """
    app.jinja_env.filters |= {"moment": _moment, "clock": _clock_time, "sentence": sentence, "web": _web}
    assets = _assets()
    _add_assets(app, assets)

    @app.get("/")
    def page() -> Response:
        filters = _filters()
        part = word_argument(request.args, "part", default="page", words=("page", "live"))
        health = reading.health()
        events = reading.events(filters)
        silent = health.watchdog_age > signal_ttl
        html = render_template(
            "live.html" if part == "live" else "status.html",
            services=sorted(reading.services(), key=lambda v: v.key),
            events=events[:PAGE_OF_EVENTS],
            older=events[PAGE_OF_EVENTS - 1].id if len(events) > PAGE_OF_EVENTS else None,
            rules=_rules(reading, events, filters),
            kinds=tuple(EventKind),
            filters=filters,
            health=health,
            blind=silent,
            findings=findings(),
            watchdog=wall() - health.watchdog_age if math.isfinite(health.watchdog_age) else None,
            stations=() if part == "live" else pipeline.stations(wait=False),
            assets=assets,
            ranges=tuple(RANGES),
        )
        response = make_response(html)
        response.headers["Alertscale-Now"] = rfc3339(wall())
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


def _filters() -> EventQuery:
    """Read which entries are to be shown; one more, to know whether there are older ones."""
    kind = word_argument(request.args, "kind", default="", words=("", *EventKind))
    project, _, name = request.args.get("service", "").rpartition("/")
    before = whole_argument(request.args, "before", default=0, lowest=0, highest=HIGHEST_ID)
    return EventQuery(
        limit=PAGE_OF_EVENTS + 1,
        service=(project, name) if name else None,
        kind=EventKind(kind) if kind else None,
        before=before or None,
    )


def _rules(reading: Reading, events: Sequence[Event], filters: EventQuery) -> Mapping[int, str]:
    """Find the rules also of entries whose alerts a filter leaves out."""
    alerts = reading.events(replace(filters, limit=_ALERTS_LOOKED_AT, kind=EventKind.ALERT))
    both = {e.id: e for e in (*events, *alerts)}
    return rule_links(sorted(both.values(), key=lambda e: -e.id))


def _moment(seconds: float | None) -> str | None:
    """Write a time as the API does, to the whole second: one that jitters would change the page's ETag."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return rfc3339(math.floor(seconds))


def _clock_time(seconds: float | None) -> str:
    """Show a time to a person without a script: UTC."""
    if seconds is None or not math.isfinite(seconds):
        return "not seen yet"
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%H:%M:%S UTC")


def _web(address: str) -> str:
    """Let nothing but web addresses become links; an alert may carry anything."""
    return address if address.startswith(("http://", "https://")) else ""
