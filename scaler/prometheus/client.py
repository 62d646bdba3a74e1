"""Prometheus: what fires there, asked before a step on an alert, and what its API says.

Alertmanager goes on repeating an alert that no Prometheus resolves, for up to four times Prometheus' resend
delay: those of one that died, and one whose labels were edited in its rule, of which Prometheus sends no end.
What fired then is a memory, not a measurement.
"""

import json
import math
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import requests
import structlog
import urllib3
from requests.auth import HTTPBasicAuth

from scaler.model.errors import UnavailableError
from scaler.model.services import ServiceKey
from scaler.policy.relief import Shares
from scaler.policy.signals import AtSource
from scaler.prometheus.thresholds import each_rule

log = structlog.get_logger()

TIMEOUT: Final = 1.0
"""Seconds for an answer to whether it lives, and what fires."""

READ_TIMEOUT: Final = 2.0
"""Seconds for an answer of the API."""

_LEAST: Final = 0.05

_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer."""

_PART: Final = 64 * 1024

_HEADERS: Final = {"Connection": "close", "Accept-Encoding": "identity"}
"""What is bounded is what was sent; nothing is unpacked."""


_Query = Mapping[str, str | Sequence[str]]

_HTTP: Final = 80

_PART_OF: Final = "alertscale_at"

_SHORTEST: Final = 2
"""Seconds that a mean is over, at least."""

_OVER: Final = 10
"""Seconds that the mean of now, and of before a step, is over."""

_LOW_FOR: Final = 60
"""Seconds that the lowest mean is over, once that many have passed: a swing is no relief."""

_LONGEST: Final = 24 * 3600
"""Seconds that it is looked for in at most: what was lower before that has led to another step since."""

_LOOKED_AT: Final = 360
"""How many means are looked at for it, at most: Prometheus is to be asked for little."""

_NOT_UNDERSTOOD: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

_FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
"""The second while the answer is read, where requests wraps nothing."""


class Source(Protocol):
    """What the chart and the lights ask."""

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """Ask its API; see :meth:`Prometheus.read`."""


class _NotUnderstoodError(UnavailableError):
    """It answers that it has not what was asked for, and will not have it."""


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

    def alerts(self, names: frozenset[str]) -> AtSource | None:
        """Ask it what it says of some alerts, for ``TIMEOUT`` seconds; never raises.

        Args:
            names: theirs.

        Returns:
            Nothing known where no address is set, or what answers has not the API of Prometheus; None if it
            does not live.
        """
        if not self._host:
            return AtSource()
        until = time.monotonic() + TIMEOUT
        try:
            rules = self.read("/api/v1/rules", {"type": "alert", "rule_name[]": sorted(names)}, until=until)
            address = self._address(until)
        except (UnavailableError, LookupError, TypeError, AttributeError) as error:
            log.warning("Prometheus does not say what fires", error=str(error))
            alive = not _is_unreachable(error) and self.lives(until=until)
            return AtSource() if alive else None
        return at_source(rules, address=address)

    def shares(self, service: ServiceKey, *, before: float, since: float, now: float) -> Shares | None:
        """Ask it how much of its memory a service uses, for ``TIMEOUT`` seconds.

        Args:
            service: whose.
            before: when a step was decided, seconds since the epoch.
            since: when it had settled.
            now: seconds since the epoch.

        Returns:
            None where no address is set, or it has not this API, or no such record of one of these times.

        Raises:
            UnavailableError: it does not answer, or refuses.
        """
        if not self._host:
            return None
        mean = f"service:memory_utilization:ratio{{{selector(service)}}}"
        asked = {
            # One instant where the records are further apart than that.
            "before": f"(avg_over_time({mean}[{_OVER}s] @ {before:.3f}) or {mean} @ {before:.3f})",
            "lowest": f"({_lowest(mean, int(now - since))} or {mean})",
            "now": f"(avg_over_time({mean}[{_OVER}s]) or {mean})",
        }
        parts = (f'label_replace({form}, "{_PART_OF}", "{name}", "", "")' for name, form in asked.items())
        try:
            data = self.read("/api/v1/query", {"query": " or ".join(parts)}, until=time.monotonic() + TIMEOUT)
            found = {one["metric"][_PART_OF]: float(one["value"][1]) for one in data["result"]}
        except (UnavailableError, LookupError, TypeError, ValueError) as error:
            log.warning("Prometheus does not say whether adding helped", error=str(error))
            if isinstance(error, UnavailableError) and not isinstance(error, _NotUnderstoodError):
                raise
            return None
        if found.keys() != asked.keys() or not all(map(math.isfinite, found.values())):
            return None
        return Shares(**found)

    def _address(self, until: float) -> str:
        """With which the generator URLs of its alerts begin; empty if it does not say.

        Raises:
            UnavailableError: it does not answer.
            LookupError, TypeError, AttributeError: its answer is not of the form of its API.
        """
        flags = self.read("/api/v1/status/flags", {}, until=until)
        given, listens = (str(flags[f"web.{flag}"]) for flag in ("external-url", "listen-address"))
        if given:
            return given.rstrip("/")
        host = self.read("/api/v1/status/runtimeinfo", {}, until=until).get("hostname")
        return f"http://{host}:{listens.rpartition(':')[2]}" if host else ""

    def lives(self, *, until: float | None = None) -> bool:
        """Ask it, until then or for ``TIMEOUT`` seconds; never raises."""
        if not self._host:
            return True
        try:
            status, _ = self._ask("/-/ready", {}, within=_left(until, TIMEOUT))
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

    def read(self, path: str, query: _Query, *, until: float | None = None) -> Any:  # noqa: ANN401 - JSON, looked at by the caller
        """Ask its API.

        Args:
            path: such as ``/api/v1/query``.
            query: the parameters.
            until: seconds, monotonic; ``READ_TIMEOUT`` from now if not given.

        Returns:
            ``data`` of the answer.

        Raises:
            UnavailableError: no address is set, it does not answer in time, or it refuses; the message says
                which and what to do.
        """
        if not self._host:
            raise UnavailableError("ALERTSCALE_PROMETHEUS is not set, so there is no Prometheus to ask")
        try:
            status, body = self._ask(path, query, within=_left(until, READ_TIMEOUT))
        except _FAILURES as error:
            where = f"{self._host}:{self._port}"
            raise UnavailableError(f"Prometheus does not answer at {where}: {_why(error)}") from error
        return self._data(status, body)

    def _ask(self, path: str, query: _Query, *, within: float) -> tuple[int, bytearray]:
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
        error = _NotUnderstoodError if status in _NOT_UNDERSTOOD else UnavailableError
        raise error(f"Prometheus answers {status}: {str(said or 'not what its API says')[:300]}")

    def _credentials(self) -> HTTPBasicAuth | None:
        if not self._user:
            return None
        try:
            return HTTPBasicAuth(self._user.encode(), self._password_file.read_bytes().strip())
        except OSError:
            # Whoever asks for no password needs none; whoever does says so by its answer.
            return None


def _lowest(mean: str, seconds: int) -> str:
    """Form of the lowest mean over some time of these last seconds, none of which reaches further back."""
    over = max(_SHORTEST, min(seconds, _LOW_FOR))
    within = min(seconds, _LONGEST) - over
    step = max(_OVER, math.ceil(within / _LOOKED_AT))
    form = f"avg_over_time({mean}[{over}s])"
    return form if within < step else f"min_over_time({form}[{within}s:{step}s])"


def selector(service: ServiceKey) -> str:
    """What a series of a service is found by: what stands in its braces."""
    # A string of PromQL takes the escapes of JSON for all that a name may hold.
    return ", ".join(f"{k}={json.dumps(v)}" for k, v in zip(("project", "service"), service, strict=True))


def at_source(rules: object, *, address: str) -> AtSource:
    """What the answer of ``/api/v1/rules`` says of alerts; one that is pending does not fire."""
    known = [rule for rule in each_rule(rules) if rule.get("type") == "alerting"]
    listed = [alert for rule in known for alert in rule.get("alerts") or () if isinstance(alert, dict)]
    return AtSource(
        address=address,
        rules=frozenset(str(rule.get("name", "")) for rule in known),
        firing=tuple(alert.get("labels") or {} for alert in listed if alert.get("state") == "firing"),
    )


def _is_unreachable(error: Exception) -> bool:
    """Whether no connection was made, so that the next one would be waited for in vain, too."""
    cause = error.__cause__
    if not isinstance(cause, requests.ConnectionError):
        return False
    why = getattr(cause.args[0], "reason", None) if cause.args else None
    return isinstance(cause, requests.ConnectTimeout) or isinstance(
        why, urllib3.exceptions.NewConnectionError
    )


def _left(until: float | None, otherwise: float) -> float:
    """Seconds until then; never none, which would be for ever."""
    return otherwise if until is None else max(_LEAST, until - time.monotonic())


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
