"""Whether Prometheus lives, asked of a server that answers what the path says."""

import base64
import contextlib
import http.server
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler.model.errors import UnavailableError
from scaler.policy.relief import Shares
from scaler.policy.signals import AtSource
from scaler.prometheus.client import Prometheus, _lowest, at_source

NO_FILE = Path("/nowhere/password")
LOGIN = "Basic " + base64.b64encode(b"me:secret").decode()


class Answers(http.server.BaseHTTPRequestHandler):
    """200 for the true path, 404 for others, 503 below /starting; hangs up below /broken.

    Below /locked 401 without the password, below /moved the way to the true path, below /nowhere the way to
    what is no address, below /slow an answer without end, each part in time; the API answers with the query
    that it was sent.
    """

    def do_GET(self) -> None:
        if self.path.startswith("/broken"):
            return
        if self.path.startswith("/locked") and self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.end_headers()
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        if self.path.startswith("/nowhere"):
            self.send_response(302)
            self.send_header("Location", "http://[no address")
            self.end_headers()
            return
        if self.path.startswith("/slow"):
            self._drip()
            return
        if "/api/v1/" in self.path:
            self._v1(*self.path.split("/api/v1/"))
            return
        if "/api/" in self.path:
            self._api(self.path.partition("/api/")[2])
            return
        known = {
            "/locked/-/ready": 200,
            "/-/ready": 200,
            "/prometheus/-/ready": 200,
            "/starting/-/ready": 503,
            "/vm/-/ready": 200,
            "/odd/-/ready": 200,
        }
        self.send_response(known.get(self.path, 404))
        self.end_headers()

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):  # until who asked has gone
            while True:
                self.wfile.write(b"x")
                time.sleep(0.01)

    def _api(self, path: str) -> None:
        what, _, query = path.partition("?")
        status, body = {
            "echo": (200, json.dumps({"status": "success", "data": {"query": query}}).encode()),
            "refused": (400, b'{"status": "error", "error": "invalid parameter"}'),
            "html": (200, b"<html>"),
            "list": (200, b"[]"),
            "deep": (200, b"[" * 100_000),
            "large": (200, b'{"status": "success", "data": "' + b"x" * (8 * 1024 * 1024) + b'"}'),
        }[what]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def _v1(self, below: str, path: str) -> None:
        """What fires is told with the names that were asked for; below /elsewhere there is no such API."""
        what, _, query = path.partition("?")
        names = urllib.parse.parse_qs(query).get("rule_name[]", [])
        pending = {"labels": {"alertname": "Pending"}, "state": "pending"}
        firing = {"labels": {"alertname": "Firing"}, "state": "firing"}
        rules = [{"type": "alerting", "name": name, "alerts": [pending, firing]} for name in names]
        answers: dict[str, object] = {
            "rules": {"groups": [{"rules": [*rules, {"type": "recording", "name": "a:record"}]}]},
            "status/flags": {
                "web.external-url": "" if below == "/unnamed" else "http://localhost:10090/",
                "web.listen-address": "0.0.0.0:9090",
            },
            "status/runtimeinfo": {"hostname": "a1b2c3"},
        }
        answers["query"] = {"result": _parts(below, urllib.parse.parse_qs(query).get("query", [""])[0])}
        answers |= {"status/flags": [] if below == "/odd" else answers["status/flags"]}
        self.send_response(503 if below == "/starting" else 404 if below == "/vm" else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "success", "data": answers[what]}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


def _parts(below: str, query: str) -> list[object]:
    """A value for each part that the query names; below /half not for the first, below /nan no number."""
    names = [name for name in ("before", "lowest", "now") if f'"{name}"' in query]
    value = "NaN" if below == "/nan" else "0.82"
    return [
        {"metric": {"project": "shop", "alertscale_at": name}, "value": [1, value]}
        for name in names[below == "/half" :]
    ]


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
        ("/moved", False),
        ("/nowhere", False),
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


def test_one_that_talks_without_end_is_not_listened_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaler.prometheus.client.TIMEOUT", 0.2)
    begun = time.monotonic()

    assert not Prometheus(address + "/slow", password_file=NO_FILE).lives()
    assert time.monotonic() - begun < 2


def test_no_proxy_of_the_environment_is_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert Prometheus(address, password_file=NO_FILE).lives()


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


class TestRead:
    def test_what_it_answers_to_the_query_is_returned(self, address: str) -> None:
        source = Prometheus(address + "/prometheus/", password_file=NO_FILE)
        assert source.read("/api/echo", {"query": "a > 1", "step": "5"}) == {"query": "query=a+%3E+1&step=5"}

    def test_the_password_is_sent(self, address: str, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret\n")
        locked = Prometheus(address.replace("//", "//me@") + "/locked", password_file=file)
        assert locked.read("/api/echo", {}) == {"query": ""}

        file.write_text("another\n")
        with pytest.raises(UnavailableError, match=f"refuses the password in {file}") as raised:
            locked.read("/api/echo", {})
        assert "another" not in str(raised.value)

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("/api/refused", "Prometheus answers 400: invalid parameter"),
            ("/api/html", "Prometheus answers 200: not what its API says"),
            ("/api/list", "Prometheus answers 200: not what its API says"),
            ("/api/deep", "Prometheus answers 200: not what its API says"),
            ("/api/large", "Prometheus answers 200: not what its API says"),
            (
                "/broken/api/echo",
                r"Prometheus does not answer at 127.0.0.1:\d+: Remote end closed connection",
            ),
            ("/moved/api/echo", "Prometheus answers 302: not what its API says"),
        ],
    )
    def test_an_answer_that_is_none_is_told_with_what_it_says(
        self, address: str, path: str, said: str
    ) -> None:
        base, api, rest = path.partition("/api/")
        with pytest.raises(UnavailableError, match=said):
            Prometheus(address + base, password_file=NO_FILE).read(api + rest, {})

    def test_one_that_takes_too_long_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scaler.prometheus.client.READ_TIMEOUT", 0.05)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
            source = Prometheus(f"http://127.0.0.1:{silent.getsockname()[1]}", password_file=NO_FILE)
            with pytest.raises(UnavailableError, match="timed out"):
                source.read("/api/echo", {})

    def test_nor_is_one_whose_answer_has_no_end(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scaler.prometheus.client.READ_TIMEOUT", 0.2)
        begun = time.monotonic()

        with pytest.raises(UnavailableError, match=r"timed out, with \d+ bytes read"):
            Prometheus(address + "/slow", password_file=NO_FILE).read("/api/echo", {})
        assert time.monotonic() - begun < 2

    def test_what_the_network_said_is_told_without_the_layers_above_it(self) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            where = f"127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(UnavailableError) as raised:
            Prometheus(f"http://{where}", password_file=NO_FILE).read("/api/echo", {})
        assert str(raised.value) == f"Prometheus does not answer at {where}: [Errno 111] Connection refused"

    def test_without_an_address_the_setting_is_named(self) -> None:
        with pytest.raises(UnavailableError, match="ALERTSCALE_PROMETHEUS is not set"):
            Prometheus("", password_file=NO_FILE).read("/api/echo", {})


NAMES = frozenset({"HighCPU", "LowCPU"})


class TestAlerts:
    def test_it_says_which_rules_it_has_what_fires_and_where_that_is_seen(self, address: str) -> None:
        assert Prometheus(address, password_file=NO_FILE).alerts(NAMES) == AtSource(
            address="http://localhost:10090", rules=NAMES, firing=({"alertname": "Firing"},) * 2
        )

    @pytest.mark.parametrize("path", ["/starting", "/broken", "/moved", "/locked"])
    def test_one_that_does_not_live_gives_no_answer(self, address: str, path: str) -> None:
        assert Prometheus(address + path, password_file=NO_FILE).alerts(NAMES) is None

    @pytest.mark.parametrize("path", ["/vm", "/odd"])
    def test_one_that_lives_and_has_no_such_api_knows_of_none(self, address: str, path: str) -> None:
        assert Prometheus(address + path, password_file=NO_FILE).alerts(NAMES) == AtSource()

    def test_without_an_external_url_it_is_seen_under_its_host_name(self, address: str) -> None:
        found = Prometheus(address + "/unnamed", password_file=NO_FILE).alerts(NAMES)

        assert found is not None
        assert found.address == "http://a1b2c3:9090"

    def test_nor_does_none_at_all(self) -> None:
        assert Prometheus("", password_file=NO_FILE).alerts(NAMES) == AtSource()

    @pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid:9090"])
    def test_one_that_cannot_be_reached_is_not_asked_twice(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The loop waits for it, and for a name that leads nowhere longer than for anything else."""
        dead = Prometheus(f"http://{host}", password_file=NO_FILE)
        monkeypatch.setattr(dead, "lives", lambda **_: pytest.fail("asked again"))
        assert dead.alerts(NAMES) is None

    def test_the_loop_waits_no_longer_for_it_than_for_whether_it_lives(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.prometheus.client.TIMEOUT", 1.0)
        begun = time.monotonic()

        assert Prometheus(address + "/slow", password_file=NO_FILE).alerts(NAMES) is None
        assert time.monotonic() - begun < 1.8

    @pytest.mark.parametrize(
        "rules",
        [None, [], {"groups": None}, {"groups": [{"rules": [{"type": "alerting", "alerts": [1, {}]}]}]}],
    )
    def test_what_is_not_of_the_form_of_its_api_is_passed_over(self, rules: object) -> None:
        assert at_source(rules, address="").firing == ()


class TestShares:
    """What became of a service's memory; that the query is right a real Prometheus says (integration)."""

    @pytest.fixture(autouse=True)
    def _patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that comes late on a busy machine is another than none."""
        monkeypatch.setattr("scaler.prometheus.client.TIMEOUT", 5.0)

    def ask(self, address: str) -> Shares | None:
        source = Prometheus(address, password_file=NO_FILE)
        return source.shares(("shop", "web"), before=1000, since=1020, now=1050)

    def test_the_mean_before_the_lowest_since_and_now(self, address: str) -> None:
        assert self.ask(address) == Shares(before=0.82, lowest=0.82, now=0.82)

    @pytest.mark.parametrize(
        ("seconds", "form"),
        [
            (0, "avg_over_time(m[2s])"),
            (40, "avg_over_time(m[40s])"),
            (69, "avg_over_time(m[60s])"),
            (70, "min_over_time(avg_over_time(m[60s])[10s:10s])"),
            (3660, "min_over_time(avg_over_time(m[60s])[3600s:10s])"),
            (10**6, "min_over_time(avg_over_time(m[60s])[86340s:240s])"),
        ],
    )
    def test_the_lowest_is_a_mean_of_what_came_after_and_costs_no_more_the_longer_ago_that_is(
        self, seconds: int, form: str
    ) -> None:
        assert _lowest("m", seconds) == form

    @pytest.mark.parametrize("path", ["/half", "/nan", "/vm"])
    def test_nothing_where_one_of_them_is_not_known(self, address: str, path: str) -> None:
        assert self.ask(address + path) is None

    @pytest.mark.parametrize("path", ["/starting", "/locked"])
    def test_one_that_refuses_now_is_not_one_that_has_no_record(self, address: str, path: str) -> None:
        with pytest.raises(UnavailableError):
            self.ask(address + path)

    def test_nor_is_one_that_does_not_answer_but_none_at_all_is(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(UnavailableError):
            self.ask(f"http://127.0.0.1:{port}")
        assert self.ask("") is None
