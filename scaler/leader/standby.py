"""A scaler that does not act: it hands every request on to the one that does.

Alertmanager, people and programs reach any of several scalers under one name, and whichever they reach, the
one that acts answers. While nobody does, the answer is 503: Alertmanager delivers again.
"""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from werkzeug.wrappers import Request, Response

from scaler.model.reasons import ErrorReason
from scaler.state.metrics import ACTING, ACTING_HELP

log = structlog.get_logger()

_TIMEOUT: Final = (1.0, 15.0)
"""Seconds to connect to the acting scaler, and for its answer."""

_HANDED_ON: Final = "X-Alertscale-Handed-On"
_HOP_BY_HOP: Final = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "host", "content-length",
})  # fmt: skip
"""Header fields that concern one connection only (RFC 9110, section 7.6.1), and those made anew."""


class Switch:
    """A WSGI application in front of another, which may be exchanged while it serves.

    Args:
        app: the first one.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def to(self, app: WSGIApplication) -> None:
        """Let another application answer from now on."""
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return self._app(environ, start_response)


class Standby:
    """The WSGI application of a scaler that stands by; safe for several threads.

    Args:
        holder: ``host:port`` of the scaler that acts, asked at each request; empty when nobody is known to.
    """

    def __init__(self, holder: Callable[[], str]) -> None:
        self._holder = holder
        self._registry = CollectorRegistry()
        Gauge(ACTING, ACTING_HELP, registry=self._registry).set(0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        holder = self._holder()
        if request.path in {"/healthz", "/readyz"}:
            return _json({"acting": False, "acts": holder}, HTTPStatus.OK)
        if request.path == "/metrics":
            return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)
        if not holder:
            return _nobody("no scaler acts just now; one of those that stand by is about to")
        if request.headers.get(_HANDED_ON):
            # By one that thought we act: neither of us knows who does.
            return _nobody("this scaler does not act any more; try again")
        return _hand_on(request, holder)


def _hand_on(request: Request, holder: str) -> Response:
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
    # WSGI has decoded the path, byte by byte; a "?" in it must not become the query's.
    path = quote(request.environ["PATH_INFO"].encode("latin-1"))
    query = request.query_string.decode("latin-1")
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy, and no password of another in the place of the token
            answer = session.request(
                request.method,
                f"http://{holder}{path}{'?' if query else ''}{query}",
                headers=headers | {_HANDED_ON: "1"},
                data=request.get_data(),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        log.warning("the acting scaler does not answer", holder=holder, error=str(error))
        return _nobody(f"the scaler that acts does not answer at {holder}: {error}")
    kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP | {"content-encoding"}]
    return Response(answer.content, status=answer.status_code, headers=kept)


def _nobody(text: str) -> Response:
    return _json({"error": text, "reason": ErrorReason.STANDBY}, HTTPStatus.SERVICE_UNAVAILABLE)


def _json(document: dict[str, Any], status: HTTPStatus) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")
