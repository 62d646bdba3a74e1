"""The HTTP server: waitress, with all of its bounds in one place.

One thread receives; a request comes to a worker thread only when it is complete. So neither idle
connections nor slow senders keep a worker thread busy; what they cost is a socket and a buffer each, and
how many there are, how large and for how long is bounded here.
"""

import time
from typing import Any, Final, Protocol
from wsgiref.types import WSGIApplication

import waitress  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.server import MultiSocketServer  # type: ignore[import-untyped]

from scaler.web.app import MAX_BODY

RECEIVE_TIMEOUT: Final = 30.0
"""Seconds in which a request must have arrived whole, headers and body."""

BOUNDS: Final[dict[str, Any]] = {
    # Requests at work at once. Each takes milliseconds, and none waits for the engine.
    "threads": 8,
    # Open connections; further ones wait in the kernel until one is closed. Prometheus, Alertmanager
    # and an open status page need five.
    "connection_limit": 800,
    # select() would end at file descriptor 1023.
    "asyncore_use_poll": True,
    # Seconds without a byte after which a connection is closed, looked at every five seconds.
    "channel_timeout": 30,
    "cleanup_interval": 5,
    # Bytes of the request line and headers; each connection may hold as many.
    "max_request_header_size": 16 * 1024,
    # Bytes of a body. What claims more is refused by its header, unread, in plain text; between
    # MAX_BODY and this it is refused in JSON, and counted.
    "max_request_body_size": 2 * MAX_BODY,
    # Bytes of a body or an answer held in memory for one connection; what is more goes to a temporary
    # file, whose place docker-compose.yml bounds.
    "inbuf_overflow": 64 * 1024,
    "outbuf_overflow": 64 * 1024,
    # No header that names the server and its version.
    "ident": None,
}


class Server(Protocol):
    """What is used of waitress' server."""

    effective_port: int

    def run(self) -> None:
        """Serve until SystemExit or KeyboardInterrupt."""

    def close(self) -> None:
        """Close the listening socket."""


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """A request that knows when its first byte came."""

    def __init__(self, adj: object) -> None:
        super().__init__(adj)
        self.begun = time.monotonic()


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that is closed when a request takes too long to arrive.

    waitress itself closes only connections without a byte, which one byte now and then outwits.
    """

    parser_class = _Request

    def readable(self) -> bool:
        """Whether to read on; asked at each pass of the receiving thread, every second at least."""
        begun = self.request.begun if self.request is not None and not self.requests else None
        if begun is not None and time.monotonic() - begun > self.server.receive_timeout:
            self.will_close = True
        return bool(super().readable())


def create_server(
    app: WSGIApplication, *, host: str, port: int, receive_timeout: float = RECEIVE_TIMEOUT
) -> Server:
    """Listen.

    Args:
        app: the WSGI application.
        host: an address.
        port: 0 for any that is free.
        receive_timeout: seconds in which a request must have arrived whole.

    Raises:
        OSError: the address cannot be listened on.
    """
    server: Any = waitress.create_server(app, host=host, port=port, **BOUNDS)
    # A name with several addresses makes a server for each.
    for one in server.map.values() if isinstance(server, MultiSocketServer) else (server,):
        one.channel_class = _Channel
        one.receive_timeout = receive_timeout
    listening: Server = server
    return listening
