"""Is the exporter healthy? Exit 0 or 1. Sockets only: it runs every few seconds, for ever."""

# The part of `socket` that is written in C: the rest takes longer to import than all else here takes to run.
import _socket
import os
import sys

TIMEOUT_SECONDS = 2.0
_STATUS_BYTES = 64


def reachable(host: str) -> str:
    """The address at which a server that listens on ``host`` can be reached from here."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104


def healthy(*, host: str, port: int) -> bool:
    """Whether the exporter answers GET /healthz with 200."""
    connection = _socket.socket(_socket.AF_INET6 if ":" in host else _socket.AF_INET)
    try:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect((host, port))
        connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        return connection.recv(_STATUS_BYTES).split(b" ")[1:2] == [b"200"]
    except OSError as error:
        print(f"the exporter does not answer on {host}:{port}: {error}", file=sys.stderr)  # noqa: T201
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    listen_host, _, listen_port = (os.environ.get("EXPORTER_LISTEN") or "0.0.0.0:8080").rpartition(":")
    sys.exit(0 if healthy(host=reachable(listen_host), port=int(listen_port)) else 1)
