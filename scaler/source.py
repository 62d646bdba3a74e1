"""Whether the source of alerts lives: asked before a replica is removed.

Alertmanager goes on repeating the alerts of a Prometheus that died, for up to four times its resend
delay, since no Prometheus is left to resolve them. What fired then is a memory, not a measurement.
"""

from __future__ import annotations

import base64
import http.client
import urllib.parse
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

TIMEOUT: Final = 1.0


class Prometheus:
    """A Prometheus that alerts come from.

    Args:
        url: its base address, such as ``http://prometheus:9090``, or ``http://user@prometheus:9090`` if it
            may ask for a password; empty to trust Alertmanager alone.
        password_file: that user's password, read anew at each question; it need not be there.
    """

    def __init__(self, url: str, *, password_file: Path) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or http.client.HTTP_PORT
        self._path = parts.path.rstrip("/") + "/-/ready"
        self._user = parts.username or ""
        self._password_file = password_file

    def lives(self) -> bool:
        """Ask it, for at most ``TIMEOUT`` seconds; never raises."""
        if not self._host:
            return True
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"} | self._credentials())
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            log.warning("Prometheus does not answer", host=self._host, port=self._port, error=str(error))
            return False
        finally:
            connection.close()
        if status == http.client.UNAUTHORIZED:
            log.warning(
                "Prometheus refuses the password",
                host=self._host,
                port=self._port,
                file=str(self._password_file),
            )
        return status == http.client.OK

    def _credentials(self) -> dict[str, str]:
        if not self._user:
            return {}
        try:
            password = self._password_file.read_bytes().strip()
        except OSError:
            # Whoever asks for no password needs none; whoever does says so by its answer.
            return {}
        return {"Authorization": "Basic " + base64.b64encode(self._user.encode() + b":" + password).decode()}
