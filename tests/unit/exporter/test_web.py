"""The WSGI application and the health check, over a real socket."""

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from exporter.healthcheck import healthy, reachable
from exporter.web import create_app


class QuietHandler(WSGIRequestHandler):
    """Writes no access log into the test's output."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@contextmanager
def served(*, ready: bool = True) -> Iterator[int]:
    app = create_app(scrape=lambda: b"up 1\n", ready=lambda: ready)
    with make_server("127.0.0.1", 0, app, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, path: str, *, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_metrics_come_as_prometheus_text() -> None:
    with served() as port:
        status, headers, body = ask(port, "/metrics")
    assert (status, body) == (200, b"up 1\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Content-Length"] == "5"


def test_healthz_is_503_until_the_engine_was_listed() -> None:
    with served(ready=False) as port:
        assert ask(port, "/healthz")[0] == 503
        assert ask(port, "/metrics")[0] == 200
    with served(ready=True) as port:
        assert ask(port, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/x", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/healthz", 405),
        ("HEAD", "/metrics", 200),
    ],
)
def test_other_requests_get_their_answer(method: str, path: str, status: int) -> None:
    with served() as port:
        assert ask(port, path, method=method)[0] == status


def run_healthcheck(port: int) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).parents[3] / "exporter" / "healthcheck.py"
    return subprocess.run(
        [sys.executable, "-S", str(script)],
        env={"EXPORTER_LISTEN": f"0.0.0.0:{port}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_health_check_exits_0_when_healthy_and_1_when_not() -> None:
    with served(ready=True) as port:
        assert run_healthcheck(port).returncode == 0
    with served(ready=False) as port:
        assert run_healthcheck(port).returncode == 1


def test_the_health_check_of_a_dead_exporter_exits_1_and_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = run_healthcheck(port)
    assert result.returncode == 1
    assert f"does not answer on 127.0.0.1:{port}" in result.stderr
    assert not healthy(host="127.0.0.1", port=port)


@pytest.mark.parametrize(
    ("listens_on", "asked_at"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("[::]", "::1"),
        ("[::1]", "::1"),
        ("10.0.0.7", "10.0.0.7"),
        ("localhost", "localhost"),
    ],
)
def test_the_health_check_asks_where_the_exporter_listens(listens_on: str, asked_at: str) -> None:
    assert reachable(listens_on) == asked_at
