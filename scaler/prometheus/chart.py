"""The chart's figures: Prometheus' series, the thresholds of its rules, and the marks of our own history."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from scaler.model.errors import AlertscaleError, UnavailableError
from scaler.model.reasons import EventKind
from scaler.model.records import Event, EventQuery
from scaler.model.services import ServiceKey
from scaler.prometheus.cached import Shared
from scaler.prometheus.client import Source, selector
from scaler.prometheus.thresholds import Threshold, read_thresholds

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "15m": (900, 5),
    "1h": (3600, 15),
    "6h": (21600, 90),
    "24h": (86400, 360),
}
"""Seconds that each range looks back, and between two of its points."""

# A new one also needs a field of `History` in web/schema.py, and its line in web/static/chart.js.
SERIES: Final[Mapping[str, str]] = {
    "replicas": "service:replicas:ready{%s}",
    "cpu": "avg_over_time(service:cpu_utilization:ratio{%s}[%ds])",
    "memory": "avg_over_time(service:memory_utilization:ratio{%s}[%ds])",
}
"""What each line shows, with places for the service's selector and the time between two points."""

_FRESH: Final = 4.0
_PATIENCE: Final = 5.0
_MOST_MARKS: Final = 300
_LABEL: Final = "alertscale_series"


class Past(Protocol):
    """What is asked of the scaler's own history."""

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        """Read the history, newest first."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Figures of one service, each list as long as ``times``.

    Attributes:
        times: seconds since the epoch.
        values: by the names of ``SERIES``; None where there is no figure.
        thresholds: of the alerts that scale it.
    """

    times: tuple[float, ...] = ()
    values: Mapping[str, tuple[float | None, ...]]
    thresholds: tuple[Threshold, ...] = ()


NOTHING: Final = Lines(values=dict.fromkeys(SERIES, ()))


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What the chart shows; with an ``error`` the lines are empty, and the marks are there all the same."""

    lines: Lines
    marks: tuple[Event, ...]
    error: str


class History:
    """Reads the figures of the chart.

    Args:
        source: Prometheus.
        past: the scaler's own history.
        executor: where Prometheus is asked.
        wall: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    def __init__(
        self,
        *,
        source: Source,
        past: Past,
        executor: Executor,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._source = source
        self._past = past
        self._wall = wall
        self._lines: Shared[Lines] = Shared(
            executor=executor, fresh=_FRESH, patience=_PATIENCE, monotonic=monotonic
        )

    def chart(self, service: ServiceKey, span: str) -> Chart:
        """Return what the chart of a service shows.

        Args:
            service: which.
            span: one of ``RANGES``.

        Raises:
            JournalError: our own history cannot be read.
        """
        error = ""
        try:
            lines = self._lines.get((service, span), lambda: self._ask(service, span))
        except AlertscaleError as raised:
            lines, error = NOTHING, str(raised)
        return Chart(lines=lines, marks=self._marks(service, span), error=error)

    def _ask(self, service: ServiceKey, span: str) -> Lines:
        back, step = RANGES[span]
        # On a grid: the points of the last answer do not move in the next one.
        end = math.floor(self._wall() / step) * step
        data = self._source.read(
            "/api/v1/query_range",
            {
                "query": query(service, step),
                "start": str(end - back),
                "end": str(end),
                "step": str(step),
                "timeout": "2s",
            },
        )
        times = tuple(float(t) for t in range(end - back, end + 1, step))
        thresholds = read_thresholds(self._source.read("/api/v1/rules", {"type": "alert"}))
        return Lines(
            times=times,
            values=_values(data, times),
            thresholds=tuple(t for t in thresholds if t.is_about(service)),
        )

    def _marks(self, service: ServiceKey, span: str) -> tuple[Event, ...]:
        since = self._wall() - RANGES[span][0]
        alerts, steps = (
            self._past.events(EventQuery(limit=_MOST_MARKS, service=service, kind=kind))
            for kind in (EventKind.ALERT, EventKind.STEP)
        )
        fired = (e for e in alerts if e.detail.get("state") == "firing")
        return tuple(sorted((e for e in (*fired, *steps) if e.at >= since), key=lambda e: e.id))


def query(service: ServiceKey, step: int) -> str:
    """Return the one expression that asks for every line of a service.

    Args:
        service: which.
        step: seconds between two points.
    """
    parts = []
    for name, form in SERIES.items():
        inner = form % ((selector(service), step) if form.count("%") > 1 else (selector(service),))
        parts.append(f'label_replace({inner}, "{_LABEL}", "{name}", "", "")')
    return " or ".join(parts)


def _values(data: object, times: tuple[float, ...]) -> dict[str, tuple[float | None, ...]]:
    found: dict[str, dict[float, float]] = {name: {} for name in SERIES}
    try:
        for series in data["result"]:  # type: ignore[index]
            points = found[series["metric"][_LABEL]]
            points.update({round(float(at), 3): float(value) for at, value in series["values"]})
    except (KeyError, TypeError, ValueError) as error:
        raise UnavailableError(f"Prometheus answers with what its API does not say: {error!r}") from error
    return {name: tuple(_finite(points.get(t)) for t in times) for name, points in found.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
