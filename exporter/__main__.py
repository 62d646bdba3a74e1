"""Wires the exporter together. The only place that exits.

Exit codes: 0 stopped as it was told to; 1 a failure, or the way to the Engine is gone; 2 settings cannot be
read.
"""

import gc
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from wsgiref.types import WSGIApplication

import structlog
import waitress  # type: ignore[import-untyped]

from exporter.containers import Registry
from exporter.engine import DockerEngine, is_replaced
from exporter.errors import SettingsError
from exporter.metrics import Metrics
from exporter.scrape import Scraper, this_machine
from exporter.settings import Settings, read_settings
from exporter.stats import StatsReader
from exporter.web import create_app

# A scrape takes milliseconds and slow clients are served from waitress's buffers.
SERVER_THREADS = 2
MOST_CONNECTIONS = 50
SOCKET_LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Failure:
    """Ends the process with exit code 1, as when a thread dies: a half-dead exporter helps nobody."""

    def __init__(self) -> None:
        self.happened = False

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        """The threading module's hook for what no thread caught."""
        name = args.thread.name if args.thread else "?"
        log.error("thread.died", thread=name, exc_info=args.exc_value)
        self.end()

    def end(self) -> None:
        """End the process, from any thread."""
        self.happened = True
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The exit status: 0 when told to stop, 1 on a failure or when the way to the Engine is gone, 2 on
        faults in the settings.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            print(f"exporter: {fault}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    configure_logging(settings.log_level)
    failure = Failure()
    threading.excepthook = failure
    threading.Thread(
        target=_watch_socket, args=(settings.engine, failure), name="socket", daemon=True
    ).start()
    app = _wire(settings)
    try:
        _serve(app, settings=settings)
    except OSError as error:
        address = f"{settings.host}:{settings.port}"
        log.error(  # noqa: TRY400 - one sentence says it all
            "listen.failed",
            error=f"EXPORTER_LISTEN={address} cannot be used: {error}; choose a free port",
        )
        return 1
    return 1 if failure.happened else 0


def configure_logging(level: str) -> None:
    """One JSON line an event, on standard error; ``level`` is one of settings.LOG_LEVELS."""
    logging.basicConfig(level=level.upper(), format="%(message)s", stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _wire(settings: Settings) -> WSGIApplication:
    def connect() -> DockerEngine:
        return DockerEngine(address=settings.engine, now=time.time)

    metrics = Metrics()
    registry = Registry(
        connect=connect,
        cgroup_root=Path(settings.cgroup_root),
        container_labels=settings.container_labels,
        metrics=metrics,
    )
    stats = StatsReader(
        connect=connect,
        wanted=lambda: [t.container for t in registry.tracked().values() if t.files is None],
        metrics=metrics,
    )
    scraper = Scraper(
        tracked=registry.tracked,
        latest=stats.latest,
        machine=this_machine(),
        metrics=metrics,
    )
    registry.start()
    stats.start()
    return create_app(scrape=scraper.scrape, ready=lambda: registry.listed)


def _watch_socket(address: str, failure: Failure) -> None:
    """End the process once the Engine's socket was replaced: Docker starts us with the new one."""
    while not is_replaced(address):
        time.sleep(SOCKET_LOOK_SECONDS)
    log.error("engine.socket.replaced", address=address)
    failure.end()


def _serve(app: WSGIApplication, *, settings: Settings) -> None:
    server = waitress.create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=SERVER_THREADS,
        connection_limit=MOST_CONNECTIONS,
        ident=None,
    )
    # What was imported lives as long as the process; the collector need not look at it again.
    gc.collect()
    gc.freeze()
    log.info("exporter.started", host=settings.host, port=settings.port)
    # waitress ends its loop on SystemExit and lets a running scrape finish.
    server.run()
    log.info("exporter.stopped")


def _stop(_signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
