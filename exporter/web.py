"""The WSGI application: GET /metrics and GET /healthz."""

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from exporter.exposition import CONTENT_TYPE

_PLAIN = "text/plain; charset=utf-8"


def create_app(*, scrape: Callable[[], bytes], ready: Callable[[], bool]) -> WSGIApplication:
    """Make the application.

    Args:
        scrape: takes a scrape.
        ready: whether the Engine was ever listed.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, content_type, body = _answer(
            method=environ["REQUEST_METHOD"], path=environ["PATH_INFO"], scrape=scrape, ready=ready
        )
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        if status.startswith("405"):
            headers.append(("Allow", "GET, HEAD"))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return app


def _answer(
    *, method: str, path: str, scrape: Callable[[], bytes], ready: Callable[[], bool]
) -> tuple[str, str, bytes]:
    if path not in {"/metrics", "/healthz"}:
        return "404 Not Found", _PLAIN, b"Only /metrics and /healthz are here.\n"
    if method not in {"GET", "HEAD"}:
        return "405 Method Not Allowed", _PLAIN, b"Only GET is allowed.\n"
    if path == "/metrics":
        return "200 OK", CONTENT_TYPE, scrape()
    if not ready():
        return "503 Service Unavailable", _PLAIN, b"The Docker Engine has not answered yet.\n"
    return "200 OK", _PLAIN, b"ok\n"
