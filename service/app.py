"""The routes. Everything a route needs from outside is passed to `create_app`."""

import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from markupsafe import escape
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from service.memory import MIB, MemoryFullError, MemoryStore
from service.metrics import ROUTE_KEY
from service.parameters import BadParameterError, Parameter

_WORK_MS = Parameter(name="ms", default=50, low=0, high=10_000, unit="milliseconds of CPU time")
_SLEEP_SECONDS = Parameter(name="seconds", default=2, low=0, high=60, unit="seconds")
_HOLD_SECONDS = Parameter(name="seconds", default=30, low=0, high=600, unit="seconds")
_BLOB_MB = Parameter(name="mb", default=5, low=0, high=100, unit="MiB")

_CHUNK = bytes(range(256)) * 256
_BURN_BLOCK = bytes(256 * 1024)

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>flask-app</title></head>
<body>
<h1>flask-app</h1>
<p>You were answered by replica <strong>{replica}</strong>.</p>
<ul>
<li><a href="/work?ms=50">/work?ms=50</a> burns CPU time</li>
<li><a href="/sleep?seconds=2">/sleep?seconds=2</a> waits</li>
<li>POST /memory?mb=50&amp;seconds=30 holds memory</li>
<li><a href="/blob?mb=5">/blob?mb=5</a> is a large body</li>
<li><a href="/health">/health</a>, <a href="/ready">/ready</a>, <a href="/metrics">/metrics</a></li>
</ul>
</body>
</html>
"""


def burn_cpu(seconds: float) -> None:
    """Use that much CPU time of this thread.

    The thread's own CPU clock decides, not the wall clock: under a CPU limit or beside busy
    neighbours the call takes longer, as real work does. crc32 releases the interpreter lock, so that
    the server's main loop goes on accepting connections meanwhile.
    """
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        zlib.crc32(_BURN_BLOCK)


def create_app(
    *,
    replica: str,
    registry: CollectorRegistry,
    memory: MemoryStore,
    stopping: Callable[[], bool],
) -> Flask:
    """Build the application.

    Args:
        replica: The name to answer with; in a container its host name.
        registry: What `/metrics` shows.
        memory: Where `POST /memory` holds it.
        stopping: Whether the server is on its way out; `/ready` then answers 503.
    """
    app = Flask(__name__, static_folder=None)
    _add_hooks(app)
    _add_load_routes(app, replica=replica, memory=memory)
    _add_probes(app, registry=registry, stopping=stopping)
    return app


def _add_hooks(app: Flask) -> None:
    @app.before_request
    def note_route() -> None:
        if request.url_rule is not None:
            request.environ[ROUTE_KEY] = request.url_rule.rule

    @app.errorhandler(BadParameterError)
    def bad_parameter(error: BadParameterError) -> ResponseReturnValue:
        return jsonify(
            error="bad parameter",
            reason=str(error),
            parameter=error.parameter,
            value=error.value,
            allowed=error.allowed,
        ), 400

    @app.errorhandler(MemoryFullError)
    def memory_full(error: MemoryFullError) -> ResponseReturnValue:
        return jsonify(error="memory is full", reason=str(error)), 503


def _add_load_routes(app: Flask, *, replica: str, memory: MemoryStore) -> None:
    hold_mb = Parameter(name="mb", default=min(50, memory.limit_mb), low=1, high=memory.limit_mb, unit="MiB")

    @app.get("/")
    def page() -> ResponseReturnValue:
        return _PAGE.format(replica=escape(replica))

    @app.route("/work", methods=["GET", "POST"])
    def work() -> ResponseReturnValue:
        ms = _WORK_MS.read(request.args)
        received = len(request.get_data(cache=False))
        burn_cpu(ms / 1000)
        return jsonify(replica=replica, ms=ms, received_bytes=received)

    @app.route("/sleep", methods=["GET", "POST"])
    def sleep() -> ResponseReturnValue:
        seconds = _SLEEP_SECONDS.read(request.args)
        received = len(request.get_data(cache=False))
        time.sleep(seconds)
        return jsonify(replica=replica, seconds=seconds, received_bytes=received)

    @app.post("/memory")
    def hold_memory() -> ResponseReturnValue:
        mb = int(hold_mb.read(request.args))
        seconds = _HOLD_SECONDS.read(request.args)
        total = memory.hold(mb=mb, seconds=seconds)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        return jsonify(
            replica=replica, mb=mb, held_mb=total // MIB, until=until.isoformat(timespec="seconds")
        )

    @app.get("/blob")
    def blob() -> ResponseReturnValue:
        size = int(_BLOB_MB.read(request.args) * MIB)
        response = Response(_chunks(size), mimetype="application/octet-stream")
        response.content_length = size
        return response


def _add_probes(app: Flask, *, registry: CollectorRegistry, stopping: Callable[[], bool]) -> None:
    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="alive")

    @app.get("/ready")
    def ready() -> ResponseReturnValue:
        if stopping():
            return jsonify(status="stopping"), 503
        return jsonify(status="ready")

    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _chunks(size: int) -> Iterator[bytes]:
    whole, rest = divmod(size, len(_CHUNK))
    for _ in range(whole):
        yield _CHUNK
    if rest:
        yield _CHUNK[:rest]
