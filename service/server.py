"""waitress with what it lacks: an end that loses no request.

waitress 3.0.2 handles no signal. Run as a container's first process it ignores SIGTERM until Docker kills
it, and a handler that raises SystemExit gives running requests 5 s and drops the queued ones. Here the
main loop is our own, built from waitress' parts; on a stop request it

1. goes on accepting until no request has come for `linger_seconds`, since whoever sends them may not know
   yet that it stops (alertscale hears of it from the engine, and has nginx reloaded within a second), but
   for no longer than `LONGEST_LINGER_SECONDS`; then closes the listening socket: later connections are
   refused;
2. goes on reading and answering on the open connections, each answer with `Connection: close`;
3. then closes connections that have been idle for `KEEPALIVE_LINGER_SECONDS`; a client that uses its
   connection all the time is thus told to close it rather than cut off with its next request on the way;
4. returns when no connection is open, no worker is busy and the kernel has delivered the last byte, or
   when the grace is over, whichever is first.
"""

import logging
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher, WSGITask  # type: ignore[import-untyped]

from service.metrics import PROBES
from service.stop import StopRequest

log = logging.getLogger(__name__)

# The same idea as nginx' keepalive_min_timeout: a connection used a moment ago may carry the next
# request already, and closing it under that request would lose it.
KEEPALIVE_LINGER_SECONDS = 1.0

# A client that never ceases is told by refusal in the end.
LONGEST_LINGER_SECONDS = 5.0

_BACKLOG = 1024
_CONNECTION_LIMIT = 500
_MAX_BODY_BYTES = 16 * 1024 * 1024
# A body that the client reads slowly may wait in memory up to this size; its worker then waits too.
_OUTPUT_BYTES = 256 * 1024
_IDLE_POLL_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.05


class _Task(WSGITask):  # type: ignore[misc]
    """Answers one request, and says `Connection: close` with it while the server stops."""

    def build_response_header(self) -> bytes:
        # Pipelined requests on the same connection are answered first: closing would drop them.
        if self.channel.server.stopping and len(self.channel.requests) <= 1:
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = _Task

    def busy(self) -> bool:
        """Return whether a request is being received, waits, runs, or has output left."""
        return bool(self.requests or self.request or self.total_outbufs_len or self.close_when_flushed)


class _Workers(ThreadedTaskDispatcher):  # type: ignore[misc]
    """A queue of requests and the threads that work on it."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.set_thread_count(threads)

    def load(self) -> int:
        """Return how many requests wait or run, those of vanished clients included."""
        with self.lock:
            return len(self.queue) + int(self.active_count)


class Server(TcpWSGIServer):  # type: ignore[misc]
    """A waitress server that can be stopped without losing a request.

    Attributes:
        stopping: True once `run` has begun to stop.
    """

    channel_class = _Channel

    def __init__(self, application: WSGIApplication, *, port: int, threads: int) -> None:
        """Listen on all IPv4 addresses.

        Args:
            application: What answers the requests.
            port: TCP port.
            threads: Requests answered at the same time. One more thread is kept for the probes, so
                that a replica with all workers busy is still known to be alive.

        Raises:
            OSError: The port cannot be had.
        """
        self.stopping = False
        self._monotonic: Callable[[], float] = time.monotonic
        self._asked_last = float("-inf")
        self._port = port
        self._sockets: dict[int, Any] = {}
        self._workers = _Workers(threads)
        self._probe_workers = _Workers(1)
        super().__init__(
            application,
            map=self._sockets,
            dispatcher=self._workers,
            adj=Adjustments(
                host="0.0.0.0",  # noqa: S104 - a container's own address is not known beforehand
                port=port,
                ident=None,
                backlog=_BACKLOG,
                connection_limit=_CONNECTION_LIMIT,
                max_request_body_size=_MAX_BODY_BYTES,
                outbuf_high_watermark=_OUTPUT_BYTES,
                clear_untrusted_proxy_headers=True,
            ),
        )

    def add_task(self, channel: _Channel) -> None:
        """Queue a connection's next request (called by waitress)."""
        path = getattr(channel.requests[0], "path", "")
        workers = self._probe_workers if path in PROBES else self._workers
        if workers is self._workers:
            self._asked_last = self._monotonic()
        workers.add_task(channel)

    def run(
        self,
        *,
        stop: StopRequest,
        linger_seconds: float,
        grace_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> int:
        """Serve until asked to stop, then finish.

        Args:
            stop: Tells when to stop.
            linger_seconds: How long nobody must have asked for anything before new connections are
                refused; `LONGEST_LINGER_SECONDS` at most.
            grace_seconds: The longest that all of this may take.
            monotonic: Seconds that never go back.

        Returns:
            How many requests, at least, the end of the grace cut off; 0 when all were answered.
        """
        self._monotonic = monotonic
        stop.wake = self.pull_trigger
        while not stop.requested:
            self._turn(_IDLE_POLL_SECONDS)
        self.stopping = True
        asked = monotonic()
        deadline = asked + grace_seconds
        last = min(asked + LONGEST_LINGER_SECONDS, deadline)
        while monotonic() < min(max(asked, self._asked_last) + linger_seconds, last):
            self._turn(_DRAIN_POLL_SECONDS)
        self._stop_listening()
        while (self.active_channels or self._unfinished()) and monotonic() < deadline:
            self._turn(_DRAIN_POLL_SECONDS)
            self._close_idle_channels()
        unfinished = self._unfinished()
        wasyncore.close_all(self._sockets)
        return unfinished

    def _turn(self, timeout: float) -> None:
        # poll() rather than select(): the latter fails on descriptors above 1023.
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._sockets, count=1)

    def _stop_listening(self) -> None:
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        for _ in range(_BACKLOG):
            if not poller.poll(0):
                break
            self.handle_accept()
        # Not self.close(), which would also close the trigger that workers wake the loop with.
        wasyncore.dispatcher.close(self)

    def _close_idle_channels(self) -> None:
        # waitress stamps last_activity with the wall clock.
        used_before = time.time() - KEEPALIVE_LINGER_SECONDS
        for channel in list(self.active_channels.values()):
            if not channel.busy() and channel.last_activity < used_before:
                channel.handle_close()

    def _unfinished(self) -> int:
        # The same request may be seen in several of these places, and in none of them alone.
        return max(
            len([channel for channel in list(self.active_channels.values()) if channel.busy()]),
            self._workers.load(),
            self._probe_workers.load(),
            undelivered_connections(port=self._port),
        )


def undelivered_connections(*, port: int) -> int:
    """Count connections from a local port with bytes that the other side has not acknowledged.

    A closed socket's last bytes are still in the kernel. They are lost when the process was a
    container's first one, for its network goes away with it; a slow reader of a large body would get
    a part of it.

    Args:
        port: The local TCP port.
    """
    try:
        # IPv4 connections: columns 2, 3 and 5 are the two addresses as hex `address:port` and the queues as
        # hex `tx:rx`, tx being what is not acknowledged.
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError as error:
        log.warning("cannot tell whether all bytes were delivered: %s", error)
        return 0
    suffix = f":{port:04X}"
    rows = [line.split() for line in lines]
    return sum(row[1].endswith(suffix) and row[4][:8] != "00000000" for row in rows)
