"""Docker's health check: exits 0 when this container's /health answers 200, else 1.

Docker runs it every few seconds within the replica's CPU limit, hence a bare socket: importing an HTTP
client, or socket.create_connection's name look-up, would cost as much again as starting Python.
"""

import os
import socket
import sys

_TIMEOUT_SECONDS = 2.0


def alive(port: int) -> bool:
    """Return whether /health on a local port answers 200.

    Raises:
        OSError: No connection, or no answer in time.
    """
    with socket.socket() as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        status = connection.recv(64).split(b" ", 2)
    return status[1:2] == [b"200"]


if __name__ == "__main__":
    try:
        healthy = alive(int(os.environ.get("PORT") or "5000"))
    except OSError as error:
        sys.stderr.write(f"no answer from /health: {error}\n")
        healthy = False
    sys.exit(0 if healthy else 1)
