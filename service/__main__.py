"""`python -m service`: read the environment, serve, stop cleanly.

Exit codes: 0 stopped, and every accepted request was answered; 1 stopped, and the end of the grace cut
requests off; 2 it could not start (settings, port).
"""

import logging
import os
import signal
import socket
import sys

from service.settings import Settings, SettingsError, read_settings
from service.stop import StopRequest

log = logging.getLogger("service")


def _serve(settings: Settings, *, stop: StopRequest) -> int:
    # Imported late: Flask takes its time on half a core, and signals are to be heard meanwhile.
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415

    from service.app import create_app  # noqa: PLC0415
    from service.memory import MemoryStore  # noqa: PLC0415
    from service.metrics import Metrics, measured  # noqa: PLC0415
    from service.server import Server  # noqa: PLC0415

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    memory = MemoryStore(limit_mb=settings.memory_limit_mb)
    metrics = Metrics(registry, memory_held=memory.held)
    replica = socket.gethostname()
    app = create_app(replica=replica, registry=registry, memory=memory, stopping=lambda: stop.requested)
    try:
        server = Server(measured(app, metrics=metrics), port=settings.port, threads=settings.threads)
    except OSError as error:
        log.error("PORT=%d cannot be listened on: %s; choose another", settings.port, error)  # noqa: TRY400
        return 2
    log.info("replica %s listens on port %d", replica, settings.port)
    unfinished = server.run(
        stop=stop, linger_seconds=settings.linger_seconds, grace_seconds=settings.grace_seconds
    )
    if unfinished:
        log.error(
            "stopped: GRACE_SECONDS=%g were over with at least %d requests unfinished",
            settings.grace_seconds,
            unfinished,
        )
        return 1
    log.info("stopped: every accepted request was answered")
    return 0


def main() -> int:
    """Run the program; return its exit code."""
    stop = StopRequest()
    # As a container's first process we would ignore a signal without a handler.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    log.info("starting")
    # A queue of requests is normal under load, and seen in the metrics; waitress would log each.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            log.error("%s", fault)  # noqa: TRY400 - a user's mistake needs no traceback
        return 2
    return _serve(settings, stop=stop)


if __name__ == "__main__":
    sys.exit(main())
