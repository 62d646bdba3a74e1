"""Exit 0 when the scaler's ``/healthz`` answers 200. Only a socket, since it runs every few seconds."""

import os
import socket
import sys


def main() -> int:
    """Ask; return the exit code."""
    port = int(os.environ.get("ALERTSCALE_LISTEN", "0.0.0.0:8000").rpartition(":")[2])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return 0 if b" 200 " in connection.recv(64) else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
