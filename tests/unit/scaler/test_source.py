"""Whether Prometheus lives, asked of a server that answers what the path says."""

import base64
import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler.source import Prometheus

NO_FILE = Path("/nowhere/password")
LOGIN = "Basic " + base64.b64encode(b"me:secret").decode()


class Answers(http.server.BaseHTTPRequestHandler):
    """200 for the true path, 404 for others, 503 below /starting; hangs up below /broken.

    Below /locked 401 without the password.
    """

    def do_GET(self) -> None:
        if self.path.startswith("/broken"):
            return
        if self.path.startswith("/locked") and self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.end_headers()
            return
        known = {
            "/locked/-/ready": 200,
            "/-/ready": 200,
            "/prometheus/-/ready": 200,
            "/starting/-/ready": 503,
        }
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
    assert Prometheus(address + path, password_file=NO_FILE).lives() is lives


def test_nobody_there_means_dead() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    assert not Prometheus(f"http://127.0.0.1:{port}", password_file=NO_FILE).lives()


def test_a_name_that_leads_nowhere_means_dead() -> None:
    assert not Prometheus("http://nowhere.invalid:9090", password_file=NO_FILE).lives()


def test_without_an_address_alertmanager_is_trusted() -> None:
    assert Prometheus("", password_file=NO_FILE).lives()


def test_the_password_is_read_anew_at_each_question(address: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    locked = Prometheus(address.replace("//", "//me@") + "/locked", password_file=file)
    assert not locked.lives()

    file.write_text("secret\n")
    assert locked.lives()

    file.write_text("another\n")
    assert not locked.lives()


def test_a_refused_password_is_said_with_its_file_and_without_itself(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text("another\n")

    Prometheus(address.replace("//", "//me@") + "/locked", password_file=tmp_path / "password").lives()

    said = capsys.readouterr().out
    assert "refuses the password" in said
    assert str(tmp_path / "password") in said
    assert "another" not in said


def test_who_names_no_user_sends_no_password(address: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")

    assert not Prometheus(address + "/locked", password_file=tmp_path / "password").lives()


def test_a_password_that_nobody_asks_for_does_no_harm(address: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")

    assert Prometheus(address.replace("//", "//me@"), password_file=tmp_path / "password").lives()
