"""The status page: what is shown at ``/``, and its files.

The page is made here and complete without a script. The script (``static/app.js``) asks for the same page
again and puts in what has changed, so that nothing but the lamps is drawn by two programs.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from flask import Flask, Response, make_response, render_template, request

from scaler.config_check import Finding
from scaler.loop.views import ReplicaView, ServiceView
from scaler.model.errors import AlertscaleError, RequestError
from scaler.model.reasons import ErrorReason, EventKind, ReplicaState
from scaler.model.records import Event, EventQuery
from scaler.prometheus.chart import RANGES
from scaler.web.api import Figures, Reading, load_of
from scaler.web.assets import Assets, load_uplot, make_assets
from scaler.web.explanation import bounds, busy, figure, label, rule_links, sentence
from scaler.web.guard import HIGHEST_ID, whole_argument, word_argument
from scaler.web.schema import VERSION, rfc3339

log = structlog.get_logger()

PAGE_OF_EVENTS: Final = 50

_KINDS: Final[Mapping[str, tuple[EventKind | None, ...]]] = {
    "": (EventKind.STEP, EventKind.FAULT),
    "all": (None,),
    **{kind: (kind,) for kind in EventKind},
}
"""Which entries each choice shows; None for whatever there is. First what changed, and what is wrong."""

_ALERTS_LOOKED_AT: Final = 200

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class About:
    """What is said of the scaler itself.

    Attributes:
        host: the engine's name for its machine; empty if it is not known.
        folder: where ``read_token`` is run; empty for anywhere on that machine.
        read_token: the command that prints the token.
    """

    host: str = ""
    folder: str = ""
    read_token: str = "docker compose exec scaler cat /run/alertscale/token"  # noqa: S105 - where it is


def add_page(
    app: Flask,
    reading: Reading,
    *,
    figures: Figures,
    signal_ttl: float,
    wall: Callable[[], float],
    findings: Callable[[], Sequence[Finding]],
    about: About,
) -> None:
    """Add the page and its files.

    Args:
        app: the application.
        reading: what is shown.
        figures: the lights, and how busy services are.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        wall: seconds since the epoch.
        findings: what the check of the stack's files found.
        about: what is said of the scaler itself.
    """
    app.jinja_env.filters |= _FILTERS
    assets = _assets()
    _add_assets(app, assets)

    @app.get("/")
    def page() -> Response:
        filters, kind = _filters()
        part = word_argument(request.args, "part", default="page", words=("page", "live"))
        health = reading.health()
        events = _read(reading, filters, _KINDS[kind])
        services, measured = reading.services(), figures.loads.now(wait=False)
        silent = health.watchdog_age > signal_ttl
        html = render_template(
            "live.html" if part == "live" else "status.html",
            services=services,
            loads={view.key: load_of(view, measured) for view in services},
            events=events[:PAGE_OF_EVENTS],
            older=events[PAGE_OF_EVENTS - 1].id if len(events) > PAGE_OF_EVENTS else None,
            rules=_rules(reading, events, filters),
            kinds=_KINDS,
            kind=kind,
            filters=filters,
            health=health,
            blind=silent,
            findings=findings(),
            watchdog=wall() - health.watchdog_age if math.isfinite(health.watchdog_age) else None,
            stations=() if part == "live" else figures.pipeline.stations(wait=False),
            assets=assets,
            ranges=tuple(RANGES),
            about=about,
            version=VERSION,
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


def _filters() -> tuple[EventQuery, str]:
    """Read which entries are to be shown, and which kinds; one more, to know whether there are older ones."""
    kind = word_argument(request.args, "kind", default="", words=_KINDS)
    project, _, name = request.args.get("service", "").rpartition("/")
    before = whole_argument(request.args, "before", default=0, lowest=0, highest=HIGHEST_ID)
    query = EventQuery(
        limit=PAGE_OF_EVENTS + 1, service=(project, name) if name else None, before=before or None
    )
    return query, kind


def _read(reading: Reading, query: EventQuery, kinds: Sequence[EventKind | None]) -> tuple[Event, ...]:
    found = {e.id: e for kind in kinds for e in reading.events(replace(query, kind=kind))}
    return tuple(sorted(found.values(), key=lambda e: -e.id))[: query.limit]


def _rules(reading: Reading, events: Sequence[Event], filters: EventQuery) -> Mapping[int, str]:
    """Find the rules also of entries whose alerts a filter leaves out."""
    alerts = reading.events(replace(filters, limit=_ALERTS_LOOKED_AT, kind=EventKind.ALERT))
    both = {e.id: e for e in (*events, *alerts)}
    return rule_links(sorted(both.values(), key=lambda e: -e.id))


def starting(service: ServiceView) -> list[str]:
    """Say which replicas are starting, and why still: once of those for which it is the same."""
    groups: dict[str, list[ReplicaView]] = {}
    for replica in service.replicas:
        if replica.state is ReplicaState.STARTING:
            groups.setdefault(_without_address(replica), []).append(replica)
    told = []
    for why, replicas in groups.items():
        *before, last = (str(replica.number) for replica in replicas)
        if before:
            told.append(f"Replicas {', '.join(before)} and {last} are starting: {why}")
        else:
            told.append(f"Replica {last} is starting: {replicas[0].detail}")
    return told


def _without_address(replica: ReplicaView) -> str:
    if not replica.address:
        return replica.detail
    return replica.detail.replace(f"{replica.address}:", "port ").replace(replica.address, "its address")


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


_FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "moment": _moment,
    "clock": _clock_time,
    "web": _web,
    "sentence": sentence,
    "busy": busy,
    "label": label,
    "figure": figure,
    "bounds": bounds,
    "starting": starting,
}
"""What the templates have beside Jinja's own."""
