"""Prometheus: whether it lives, asked before a replica is removed, and what its API says.

Alertmanager goes on repeating the alerts of a Prometheus that died, for up to four times its resend
delay, since no Prometheus is left to resolve them. What fired then is a memory, not a measurement.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from scaler.model.errors import UnavailableError

log = structlog.get_logger()

TIMEOUT: Final = 1.0

READ_TIMEOUT: Final = 2.0
"""Seconds for an answer of the API."""

_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer."""


class Source(Protocol):
    """What the chart and the lights ask."""

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """Ask its API; see :meth:`Prometheus.read`."""


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
        self._base = parts.path.rstrip("/")
        self._user = parts.username or ""
        self._password_file = password_file

    def lives(self) -> bool:
        """Ask it, for at most ``TIMEOUT`` seconds; never raises."""
        if not self._host:
            return True
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            headers = {"Connection": "close"} | self._credentials()
            connection.request("GET", self._base + "/-/ready", headers=headers)
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

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON, looked at by the caller
        """Ask its API.

        Args:
            path: such as ``/api/v1/query``.
            query: the parameters.

        Returns:
            ``data`` of the answer.

        Raises:
            UnavailableError: no address is set, it does not answer in time, or it refuses; the message says
                which and what to do.
        """
        if not self._host:
            raise UnavailableError("ALERTSCALE_PROMETHEUS is not set, so there is no Prometheus to ask")
        target = f"{self._base}{path}?{urllib.parse.urlencode(query)}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=READ_TIMEOUT)
        try:
            connection.request("GET", target, headers={"Connection": "close"} | self._credentials())
            answer = connection.getresponse()
            status, body = answer.status, answer.read(_LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            where = f"{self._host}:{self._port}"
            why = str(error) or type(error).__name__
            raise UnavailableError(f"Prometheus does not answer at {where}: {why}") from error
        finally:
            connection.close()
        return self._data(status, body)

    def _data(self, status: int, body: bytes) -> Any:  # noqa: ANN401 - as above
        if status == http.client.UNAUTHORIZED:
            raise UnavailableError(f"Prometheus refuses the password in {self._password_file}")
        try:
            document = json.loads(body) if len(body) <= _LARGEST else None
        except (ValueError, RecursionError):
            document = None
        if status == http.client.OK and isinstance(document, dict) and document.get("status") == "success":
            return document.get("data")
        said = document.get("error") if isinstance(document, dict) else None
        raise UnavailableError(f"Prometheus answers {status}: {str(said or 'not what its API says')[:300]}")

    def _credentials(self) -> dict[str, str]:
        if not self._user:
            return {}
        try:
            password = self._password_file.read_bytes().strip()
        except OSError:
            # Whoever asks for no password needs none; whoever does says so by its answer.
            return {}
        return {"Authorization": "Basic " + base64.b64encode(self._user.encode() + b":" + password).decode()}
