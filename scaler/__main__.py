"""Wires the parts and runs them; the only place that exits.

Exit codes: 0 stopped as it was told to; 1 it cannot start, or its way to the engine is gone; 2 settings
cannot be read.
"""

import logging
import os
import secrets
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from scaler.config_check import SelfCheck
from scaler.engines.contract import Place
from scaler.engines.door import Door
from scaler.leader.keeper import Acting, Keeper
from scaler.leader.lease import Lease
from scaler.model.errors import AlertscaleError, JournalError, SettingsError
from scaler.model.reasons import EventKind
from scaler.prometheus.client import Prometheus
from scaler.secret_file import write_private
from scaler.settings import SWARM, Settings, read_settings
from scaler.state.journal import Journal, read_holds, write_holds
from scaler.state.recorder import Recorder
from scaler.web.app import create_app
from scaler.web.page import About
from scaler.web.server import create_server
from scaler.wiring import wire

log = structlog.get_logger()

EXIT_SETTINGS: Final = 2
EXIT_FAILED: Final = 1
EXIT_AGAIN: Final = 75
"""Not seen from outside: the program is run anew in the same process."""


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The exit code: 0, 1 when it cannot start or its way to the engine is gone, 2 for settings that
        cannot be read.
    """
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"alertscale: {fault}\n")
        return EXIT_SETTINGS
    _configure_log(settings)
    try:
        return _run(settings)
    except (AlertscaleError, OSError) as error:
        log.critical("cannot start", error=str(error), exc_info=True)
        return EXIT_FAILED


def _run(settings: Settings) -> int:
    for directory in (settings.files.data, settings.files.upstreams, settings.files.token.parent):
        directory.mkdir(parents=True, exist_ok=True)
    _make_token(settings.files.token)
    door = Door(settings=settings)
    place = door.place()
    networks = sorted(place.networks) if place.networks is not None else "host"
    log.info("alertscale", target=settings.scope.target, project=place.project, networks=networks)
    running = _Running(settings, door, place)
    signal.signal(signal.SIGTERM, running.stop)
    signal.signal(signal.SIGINT, running.stop)
    return running.run()


class _Running:
    """The running scaler: its threads and how they end."""

    def __init__(self, settings: Settings, door: Door, place: Place) -> None:
        self._settings = settings
        self._door = door
        self._place = place
        self._stopping = threading.Event()
        self._exit = 0
        self._loop = threading.Thread(name="loop", daemon=True)

    def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        keeper = self._keeper() if self._settings.scope.target == SWARM else None
        if keeper is not None:
            self._serve(keeper.app, keeper.start)
            keeper.finish()
        else:
            acting = self._act("", is_ours_again=True, may_change=lambda: True)
            self._serve(acting.app, acting.begin)
        return self._exit

    def _serve(self, app: WSGIApplication, begin: Callable[[], object]) -> None:
        settings = self._settings
        server = create_server(app, host=settings.listen.host, port=settings.listen.port)
        begin()
        threading.Thread(target=self._watch_socket, name="socket", daemon=True).start()
        log.info("listening", address=f"{settings.listen.host}:{settings.listen.port}")
        try:
            server.run()
        except SystemExit:
            log.info("stopping")
        finally:
            self._stopping.set()
            # A step in the middle is journalled: the next start finishes it.
            if self._loop.is_alive():
                self._loop.join(timeout=2)

    def _keeper(self) -> Keeper:
        lease = Lease(
            store=self._door.lease(self._place),
            me=f"{self._place.node}-{secrets.token_hex(4)}",
            address=f"{self._place.address}:{self._settings.listen.port}",
            node=self._place.manager,
            monotonic=time.monotonic,
        )
        why = "beginning anew, as one that stands by"
        return Keeper(
            lease=lease,
            act=partial(self._act, may_change=lambda: lease.acting),
            lost=lambda: self.end(EXIT_AGAIN, f"the lease is lost; {why}"),
            leave=lambda: self.end(EXIT_AGAIN, f"the lease is laid down; {why}"),
            stopping=self._stopping,
        )

    def stop(self, _number: int, _frame: object) -> None:
        """End, on a signal."""
        self._stopping.set()
        raise SystemExit(0)

    def end(self, code: int, why: str) -> None:
        """End with a code, from another thread."""
        (log.critical if code == EXIT_FAILED else log.warning)(why)
        self._exit = code
        os.kill(os.getpid(), signal.SIGTERM)

    def _act(self, note: str, *, is_ours_again: bool, may_change: Callable[[], bool]) -> Acting:
        settings = self._settings
        prometheus = Prometheus(settings.prometheus.url, password_file=settings.prometheus.password_file)
        parts = wire(
            settings, self._place, stopping=self._stopping, prometheus=prometheus, may_change=may_change
        )
        _take_over(parts.memory.journal, parts.memory.recorder, note, is_ours_again=is_ours_again)
        selfcheck = SelfCheck(directory=settings.files.stack, survived=parts.memory.recorder.survived)
        app = create_app(
            orders=parts.orders,
            reading=parts.reading,
            metrics=parts.memory.metrics,
            token=settings.files.token.read_text,
            wall=time.time,
            prometheus=prometheus,
            signal_ttl=settings.signal_ttl,
            findings=selfcheck.findings,
            about=_about(self._place, settings.files.token),
        )
        self._loop = threading.Thread(target=parts.autoscaler.run, name="loop", daemon=True)

        def begin() -> None:
            parts.memory.recorder.tell(EventKind.STARTED, "started", "The scaler started")
            self._loop.start()
            threading.Thread(target=selfcheck.run, name="check", daemon=True).start()

        return Acting(
            app=app,
            begin=begin,
            note=lambda: write_holds(parts.memory.journal.holds()),
            idle=lambda: parts.autoscaler.idle,
        )

    def _watch_socket(self) -> None:
        if self._door.await_lost(self._stopping):
            self.end(
                EXIT_FAILED,
                "the engine's socket was replaced; ending, so that Docker starts the scaler with the new one",
            )


def _about(place: Place, token: Path) -> About:
    """What the status page says of the scaler itself, and how the token can be read from outside."""
    command = f"cat {shlex.quote(str(token))}"
    if place.folder:
        command = f"docker compose exec {place.service} {command}"
    elif place.networks is not None:
        command = f"docker exec {place.node} {command}"
    return About(host=place.machine, folder=place.folder, read_token=command)


def _take_over(journal: Journal, recorder: Recorder, note: str, *, is_ours_again: bool) -> None:
    """Take over what a person asked the scaler before us for; without it, act all the same.

    A step that an earlier process of ours left is finished only if nobody has acted since.
    """
    try:
        if not is_ours_again:
            journal.abandon("another scaler has acted since")
        if note:
            journal.replace_holds(read_holds(note))
    except JournalError as error:
        recorder.survived("holds", error)


def _make_token(path: Path) -> None:
    """Make the bearer token if there is none; Alertmanager, which runs as nobody, reads it too."""
    if path.exists() and path.stat().st_size:
        return
    write_private(path, secrets.token_urlsafe(32) + "\n")


def _configure_log(settings: Settings) -> None:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log.format == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            # Without the local variables: the token may be one.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
            if settings.log.format == "json"
            else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("waitress").setLevel(logging.ERROR)


if __name__ == "__main__":
    code = main()
    if code == EXIT_AGAIN:
        # As one that has never acted: no thread, no figure and no memory of that time is left.
        os.execv(sys.executable, [sys.executable, "-m", "scaler"])  # noqa: S606 - this very program
    sys.exit(code)
