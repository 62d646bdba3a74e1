"""Exit 0 when the scaler's ``/healthz`` answers 200. Only a socket, since it runs every few seconds."""

# The part of `socket` that is written in C: the rest takes longer to import than all else here takes to run.
import _socket
import os
import sys


def main() -> int:
    """Ask; return the exit code."""
    port = int((os.environ.get("ALERTSCALE_LISTEN") or "0.0.0.0:8000").rpartition(":")[2])
    connection = _socket.socket()
    try:
        connection.settimeout(2)
        connection.connect(("127.0.0.1", port))
        connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        return 0 if b" 200 " in connection.recv(64) else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
