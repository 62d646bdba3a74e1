"""Whether Prometheus lives, asked of a server that answers what the path says."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from scaler.source import Prometheus


class Answers(http.server.BaseHTTPRequestHandler):
    """200 for the true path, 404 for others, 503 below /starting; hangs up below /broken."""

    def do_GET(self) -> None:
        if self.path.startswith("/broken"):
            return
        known = {"/-/ready": 200, "/prometheus/-/ready": 200, "/starting/-/ready": 503}
        self.send_response(known.get(self.path, 404))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "lives"),
    [
        ("", True),
        ("/", True),
        ("/prometheus", True),
        ("/prometheus/", True),
        ("/starting", False),
        ("/elsewhere", False),
        ("/broken", False),
    ],
)
def test_it_lives_when_it_says_that_it_is_ready(address: str, path: str, lives: bool) -> None:
    assert Prometheus(address + path).lives() is lives


def test_nobody_there_means_dead() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    assert not Prometheus(f"http://127.0.0.1:{port}").lives()


def test_a_name_that_leads_nowhere_means_dead() -> None:
    assert not Prometheus("http://nowhere.invalid:9090").lives()


def test_without_an_address_alertmanager_is_trusted() -> None:
    assert Prometheus("").lives()
