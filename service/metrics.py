"""What a replica says of itself, on a registry that is passed in."""

import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, Gauge, Histogram
from werkzeug.wsgi import ClosingIterator

# Asked by machines; answered even when every worker is busy, and not counted as requests in flight.
PROBES = frozenset({"/health", "/ready", "/metrics"})

# The key in the WSGI environment under which the app leaves the template of the route it chose.
ROUTE_KEY = "alertscale.route"

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one replica.

    Attributes:
        latency: Seconds from a worker's taking the request to the last byte of the body being
            handed over, by route template (`unmatched` when no route fits), method and status.
        in_flight: Requests that workers have in hand, probes left out.
    """

    def __init__(
        self, registry: CollectorRegistry, *, memory_held: Callable[[], float] | None = None
    ) -> None:
        """Register the metrics.

        Args:
            registry: Where they are registered.
            memory_held: Gives the bytes held by `POST /memory`, asked at each scrape.
        """
        self.latency = Histogram(
            "flask_http_request_duration_seconds",
            "Time to answer a request, by route template.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "flask_http_requests_in_flight",
            "Requests that are being answered now, probes left out.",
            registry=registry,
        )
        held = Gauge("flask_memory_held_bytes", "Memory held by POST /memory.", registry=registry)
        held.set_function(memory_held or (lambda: 0.0))


def measured(
    application: WSGIApplication,
    *,
    metrics: Metrics,
    monotonic: Callable[[], float] = time.perf_counter,
) -> WSGIApplication:
    """Wrap a WSGI application so that each request is measured until its body is finished.

    A request ends when the server closes the body: a streamed answer counts until its last byte, and
    one whose client went away until the server notices.
    """

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begin = monotonic()
        counted = environ.get("PATH_INFO", "") not in PROBES
        status = "500"
        if counted:
            metrics.in_flight.inc()

        def note_status(line: str, *arguments: object) -> object:
            nonlocal status
            status = line.partition(" ")[0]
            return start_response(line, *arguments)  # type: ignore[arg-type]

        def finish() -> None:
            if counted:
                metrics.in_flight.dec()
            method = environ["REQUEST_METHOD"]
            metrics.latency.labels(
                route=environ.get(ROUTE_KEY, "unmatched"),
                method=method if method in _METHODS else "other",
                status=status,
            ).observe(monotonic() - begin)

        try:
            body = application(environ, note_status)  # type: ignore[arg-type]
        except BaseException:
            finish()
            raise
        return ClosingIterator(body, [finish])

    return call
