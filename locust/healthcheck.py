"""Docker's health check: the web UI listens, or the load has started by itself, without one."""

import os
import socket

if os.environ.get("LOCUST_AUTOSTART") != "1":
    socket.create_connection(("127.0.0.1", 8089), timeout=2).close()
