"""Prometheus: whether it lives, asked before a replica is removed, and what its API says.

Alertmanager goes on repeating the alerts of a Prometheus that died, for up to four times its resend
delay, since no Prometheus is left to resolve them. What fired then is a memory, not a measurement.
"""

import json
import time
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import requests
import structlog
import urllib3
from requests.auth import HTTPBasicAuth

from scaler.model.errors import UnavailableError

log = structlog.get_logger()

TIMEOUT: Final = 1.0
"""Seconds for an answer to whether it lives."""

READ_TIMEOUT: Final = 2.0
"""Seconds for an answer of the API."""

_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer."""

_PART: Final = 64 * 1024

_HEADERS: Final = {"Connection": "close", "Accept-Encoding": "identity"}
"""What is bounded is what was sent; nothing is unpacked."""


_HTTP: Final = 80

_FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
"""The second while the answer is read, where requests wraps nothing."""


class Source(Protocol):
    """What the chart and the lights ask."""

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """Ask its API; see :meth:`Prometheus.read`."""


class _Session(requests.Session):
    """Takes a redirect for an answer like any other.

    With ``allow_redirects=False`` requests 2.34.2 does not follow one, but prepares to: it reads the whole
    body, however long, and parses the address, which may raise anything.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - see above
        return None


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
        self._port = parts.port or _HTTP
        self._base = f"http://{self._host}:{self._port}{parts.path.rstrip('/')}"
        self._user = parts.username or ""
        self._password_file = password_file

    def lives(self) -> bool:
        """Ask it, for ``TIMEOUT`` seconds; never raises."""
        if not self._host:
            return True
        try:
            status, _ = self._ask("/-/ready", {}, within=TIMEOUT)
        except _FAILURES as error:
            log.warning("Prometheus does not answer", host=self._host, port=self._port, error=_why(error))
            return False
        if status == HTTPStatus.UNAUTHORIZED:
            log.warning(
                "Prometheus refuses the password",
                host=self._host,
                port=self._port,
                file=str(self._password_file),
            )
        return status == HTTPStatus.OK

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
        try:
            status, body = self._ask(path, query, within=READ_TIMEOUT)
        except _FAILURES as error:
            where = f"{self._host}:{self._port}"
            raise UnavailableError(f"Prometheus does not answer at {where}: {_why(error)}") from error
        return self._data(status, body)

    def _ask(self, path: str, query: Mapping[str, str], *, within: float) -> tuple[int, bytearray]:
        """Return status and body; one that is too long is longer than ``_LARGEST``."""
        deadline = time.monotonic() + within
        # A session a question: a connection that is kept is found dead when Prometheus has restarted.
        with _Session() as session:
            session.trust_env = False  # no proxy, and no password of another
            answer = session.get(
                self._base + path,
                params=query,
                auth=self._credentials(),
                headers=_HEADERS,
                timeout=within,
                stream=True,
            )
            return answer.status_code, _body(answer, deadline=deadline)

    def _data(self, status: int, body: bytearray) -> Any:  # noqa: ANN401 - as above
        if status == HTTPStatus.UNAUTHORIZED:
            raise UnavailableError(f"Prometheus refuses the password in {self._password_file}")
        try:
            document = json.loads(body) if len(body) <= _LARGEST else None
        except (ValueError, RecursionError):
            document = None
        if status == HTTPStatus.OK and isinstance(document, dict) and document.get("status") == "success":
            return document.get("data")
        said = document.get("error") if isinstance(document, dict) else None
        raise UnavailableError(f"Prometheus answers {status}: {str(said or 'not what its API says')[:300]}")

    def _credentials(self) -> HTTPBasicAuth | None:
        if not self._user:
            return None
        try:
            return HTTPBasicAuth(self._user.encode(), self._password_file.read_bytes().strip())
        except OSError:
            # Whoever asks for no password needs none; whoever does says so by its answer.
            return None


def _body(answer: requests.Response, *, deadline: float) -> bytearray:
    body = bytearray()
    while len(body) <= _LARGEST and (part := answer.raw.read1(_PART)):
        body += part
        if time.monotonic() > deadline:
            # Each part may have come in time.
            raise requests.ReadTimeout(f"timed out, with {len(body)} bytes read")
    return body


def _why(error: BaseException) -> str:
    """What the network said, without the layers through which it came."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
