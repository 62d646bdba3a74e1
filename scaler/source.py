"""Whether the source of alerts lives: asked before a replica is removed.

Alertmanager goes on repeating the alerts of a Prometheus that died, for up to four times its resend
delay, since no Prometheus is left to resolve them. What fired then is a memory, not a measurement.
"""

from __future__ import annotations

import http.client
import urllib.parse
from typing import Final

import structlog

log = structlog.get_logger()

TIMEOUT: Final = 1.0


class Prometheus:
    """A Prometheus that alerts come from.

    Args:
        url: its base address, such as ``http://prometheus:9090``; empty to trust Alertmanager alone.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or http.client.HTTP_PORT
        self._path = parts.path.rstrip("/") + "/-/ready"

    def lives(self) -> bool:
        """Ask it, for at most ``TIMEOUT`` seconds; never raises."""
        if not self._host:
            return True
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException) as error:
            log.warning("Prometheus does not answer", host=self._host, port=self._port, error=str(error))
            return False
        finally:
            connection.close()
