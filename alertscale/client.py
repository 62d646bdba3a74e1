"""HTTP to the scaler's API; knows nothing of the terminal."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import requests

from alertscale.access import GET_TOKEN, Access
from alertscale.errors import (
    AnswerError,
    CliError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from alertscale.model import Error, Event, Health, Service, answer_of, events_of, services_of

MOST_EVENTS: Final = 1000
"""Entries of the history that one request can bring."""

_TIMEOUT: Final = (3.0, 30.0)
"""Seconds to connect and to wait for the answer."""

_SAME_CLOCK: Final = 2.0
"""Seconds; a smaller difference may be nothing but the whole seconds of HTTP's Date."""

_SHOWN: Final = 200


class Client:
    """The scaler's API. A call that fails raises a :class:`~alertscale.errors.CliError`.

    Args:
        access: where the scaler is, and its token.
        wall: seconds since the epoch.
    """

    def __init__(self, access: Access, *, wall: Callable[[], float] = time.time) -> None:
        self._access = access
        self._wall = wall
        self._ahead = 0.0
        self._session = requests.Session()
        # No proxy of the environment (Docker hands the user's to containers): the scaler is on loopback, or
        # as near as its address says.
        self._session.trust_env = False

    @property
    def url(self) -> str:
        """Where the scaler is."""
        return self._access.url

    def now(self) -> float:
        """The time on the scaler's clock as its last answer showed it, seconds since the epoch."""
        return self._wall() + self._ahead

    def services(self) -> tuple[Service, ...]:
        """Read every service."""
        path = "/api/v1/services"
        return services_of(self._get(path), where=self.url + path)

    def service(self, name: str) -> Service:
        """Read one service.

        Args:
            name: ``service``, or ``project/service`` where several projects have one of that name.

        Raises:
            RefusedError: there is none, or there are several.
        """
        every = self.services()
        found = [service for service in every if service.is_called(name)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(service.key for service in found or every) or "none"
        if found:
            raise RefusedError(f"several services are called {name!r}", way_out=f"say which: {known}")
        way_out = f'known are: {known}; a service is known by its label alertscale.enable: "true"'
        raise RefusedError(f"{self.url}: no service is called {name!r}", way_out=way_out)

    def events(self, *, limit: int, before: int | None = None) -> tuple[Event, ...]:
        """Read the history, newest first.

        Args:
            limit: from 1 to ``MOST_EVENTS``.
            before: only entries with a lower id.
        """
        path = f"/api/v1/events?limit={limit}" + (f"&before={before}" if before else "")
        return events_of(self._get(path), where=self.url + path)

    def health(self) -> Health:
        """Read the health figures, those of a scaler that is not well included."""
        path = "/healthz"
        answer = self._send("GET", path)
        if answer.status_code not in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}:
            raise self._failure(answer, path)
        return answer_of(self._document(answer, path), Health, where=self.url + path)

    def scale(self, name: str, replicas: int) -> Service:
        """Order a count; the answer is the service as it stands."""
        return self._post(f"/api/v1/services/{quote(name)}/scale", {"replicas": replicas})

    def pause(self, name: str, pause: str) -> Service:
        """Hold steps (``up``, ``down``, ``all``) or let them go (``none``)."""
        return self._post(f"/api/v1/services/{quote(name)}/pause", {"pause": pause})

    def _get(self, path: str) -> object:
        answer = self._send("GET", path)
        if answer.status_code != HTTPStatus.OK:
            raise self._failure(answer, path)
        return self._document(answer, path)

    def _post(self, path: str, body: dict[str, Any]) -> Service:
        answer = self._send(
            "POST", path, json=body, headers={"Authorization": f"Bearer {self._access.token()}"}
        )
        if answer.status_code not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise self._failure(answer, path)
        return answer_of(self._document(answer, path), Service, where=self.url + path)

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - as requests takes them
        try:
            answer = self._session.request(
                method, self.url + path, timeout=_TIMEOUT, allow_redirects=False, **more
            )
        except requests.RequestException as error:
            raise UnreachableError(
                f"{self.url}: the scaler does not answer: {_cause(error)}", way_out=_START
            ) from error
        self._note_clock(answer)
        return answer

    def _note_clock(self, answer: requests.Response) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return  # a header that HTTP does not demand
        difference = theirs - self._wall()
        self._ahead = difference if abs(difference) > _SAME_CLOCK else 0.0

    def _document(self, answer: requests.Response, path: str) -> object:
        try:
            document: object = answer.json()
        except requests.JSONDecodeError as error:
            raise self._foreign(answer, path) from error
        return document

    def _foreign(self, answer: requests.Response, path: str) -> AnswerError:
        return AnswerError(
            f"{self.url}{path}: {answer.status_code} {answer.reason}, and no answer of the scaler's:"
            f" {answer.text[:_SHOWN]!r}",
            way_out="see that --url or ALERTSCALE_URL is the scaler's address",
        )

    def _failure(self, answer: requests.Response, path: str) -> CliError:
        document = self._document(answer, path)
        if not isinstance(document, dict) or not {"error", "reason"} <= document.keys():
            return self._foreign(answer, path)
        error = answer_of(document, Error, where=self.url + path)
        text = f"{self.url}: {error.error}"
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return UnauthorizedError(f"{self.url}: the scaler does not take this token", way_out=GET_TOKEN)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnavailableError(text, way_out="docker compose logs scaler")
        return RefusedError(text, way_out=_REFUSED.get(error.reason, "alertscale status shows what there is"))


_START: Final = (
    "start it with `docker compose up -d scaler`, or say where it is with --url or ALERTSCALE_URL"
    " (another port: SCALER_PORT in .env)"
)
_REFUSED: Final = {
    "out_of_bounds": "ask for a count within the bounds, or change the label in the Compose file",
    "labels": (
        "put the label right in the Compose file, then docker compose up -d --scale SERVICE=N with the live"
        " count"
    ),
    "not_found": "alertscale status lists every service",
}


def _cause(error: BaseException) -> str:
    """The innermost reason, without the layers that wrapped it."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return str(seen) or type(seen).__name__
