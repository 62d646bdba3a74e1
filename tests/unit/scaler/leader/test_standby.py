"""A scaler that stands by hands requests on to the one that acts: a real server on loopback."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from scaler.leader.standby import Standby, Switch


@dataclass
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Acting:
    """The scaler that acts: notes what it is asked, and answers as told.

    Attributes:
        address: ``host:port``.
        seen: every request.
        status: of each answer.
        headers: of each answer.
        body: of each answer.
    """

    address: str = ""
    seen: list[Seen] = field(default_factory=list)
    status: int = 202
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b'{"alerts": []}'

    def client(self) -> Client:
        """Return what asks one that stands by, and knows this one."""
        return Client(Standby(lambda: self.address))

    @property
    def asked(self) -> Seen:
        (seen,) = self.seen
        return seen


@pytest.fixture
def acting() -> Iterator[Acting]:
    made = Acting()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {k.lower(): v for k, v in self.headers.items()}
            made.seen.append(Seen(self.command, self.path, headers, body))
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(made.body)

        do_GET = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def reason(answer: TestResponse) -> tuple[int, str]:
    document = json.loads(answer.get_data())
    assert document["error"]
    return answer.status_code, document["reason"]


class TestHandingOn:
    def test_a_notification_arrives_as_it_was_sent_with_its_token(self, acting: Acting) -> None:
        answer = acting.client().post(
            "/alerts",
            data=b'{"version": "4"}',
            headers={"Authorization": "Bearer secret", "Content-Type": "application/json"},
        )

        assert (acting.asked.method, acting.asked.target) == ("POST", "/alerts")
        assert acting.asked.body == b'{"version": "4"}'
        assert acting.asked.headers["authorization"] == "Bearer secret"
        assert acting.asked.headers["content-type"] == "application/json"
        assert acting.asked.headers["host"] == acting.address
        assert (answer.status_code, answer.get_data()) == (202, b'{"alerts": []}')
        assert answer.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
    def test_the_method_is_kept(self, acting: Acting, method: str) -> None:
        acting.client().open("/api/v1/services", method=method)

        assert acting.asked.method == method

    @pytest.mark.parametrize(
        "target",
        [
            "/",
            "/api/v1/events?limit=5&service=flask-app",
            "/api/v1/events?text=a%26b%3Dc&again=%C3%BC",
            "/api/v1/services/a%3Fb%25%20c%23d/scale",
            "/api/v1/services/%C3%BC/scale",
        ],
    )
    def test_path_and_query_arrive_as_they_came(self, acting: Acting, target: str) -> None:
        acting.client().get(target)

        assert acting.asked.target == target

    @pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 404, 409, 500, 503])
    def test_the_answer_is_that_of_the_one_that_acts_whatever_it_is(
        self, acting: Acting, status: int
    ) -> None:
        acting.status = status
        acting.headers = {"Content-Type": "text/html", "Location": "/login", "ETag": '"5"'}
        answer = acting.client().get("/")

        assert (answer.status_code, answer.get_data()) == (status, acting.body)
        headers = answer.headers
        assert [headers[n] for n in ("Content-Type", "Location", "ETag")] == ["text/html", "/login", '"5"']

    def test_what_concerns_one_connection_alone_stays_on_it(self, acting: Acting) -> None:
        acting.headers = {"Content-Type": "text/plain", "Keep-Alive": "timeout=5", "Upgrade": "h2c"}
        answer = acting.client().get("/", headers={"TE": "trailers", "Upgrade": "h2c"})

        assert not {"te", "upgrade"} & acting.asked.headers.keys()
        assert not {"Keep-Alive", "Upgrade"} & set(answer.headers.keys())

    def test_it_goes_straight_there_whatever_proxy_is_set(
        self, acting: Acting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

        assert acting.client().get("/").status_code == 202

    def test_it_is_asked_who_acts_at_each_request(self, acting: Acting) -> None:
        address = ""
        client = Client(Standby(lambda: address))
        assert reason(client.get("/")) == (503, "standby")
        address = acting.address

        assert client.get("/").status_code == 202


class TestNobodyActs:
    def test_the_answer_is_503_so_that_alertmanager_delivers_again(self) -> None:
        client = Client(Standby(lambda: ""))

        assert reason(client.post("/alerts", data=b"{}")) == (503, "standby")

    def test_also_when_the_one_that_acts_does_not_answer(self) -> None:
        with_a_free_port = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        port = with_a_free_port.server_port
        with_a_free_port.server_close()

        answer = Client(Standby(lambda: f"127.0.0.1:{port}")).get("/")
        assert reason(answer) == (503, "standby")

    def test_a_request_is_handed_on_once(self, acting: Acting) -> None:
        """Two that each think that the other acts do not send it to and fro."""
        acting.client().get("/")
        handed_on = {"X-Alertscale-Handed-On": acting.asked.headers["x-alertscale-handed-on"]}
        answer = acting.client().get("/", headers=handed_on)

        assert reason(answer) == (503, "standby")
        assert len(acting.seen) == 1


class TestOwnAnswers:
    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_it_is_healthy_and_tells_who_acts(self, acting: Acting, path: str) -> None:
        answer = acting.client().get(path)

        assert answer.status_code == 200
        assert json.loads(answer.get_data()) == {"acting": False, "acts": acting.address}
        assert acting.seen == []

    def test_also_when_nobody_does(self) -> None:
        answer = Client(Standby(lambda: "")).get("/readyz")

        assert (answer.status_code, json.loads(answer.get_data())["acts"]) == (200, "")

    def test_its_metrics_say_that_it_does_not_act(self, acting: Acting) -> None:
        answer = acting.client().get("/metrics")

        assert "\nalertscale_acting 0.0\n" in answer.get_data(as_text=True)
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert acting.seen == []


def test_a_switch_lets_another_answer_from_then_on() -> None:
    def says(text: str) -> Response:
        return Response(text)

    switch = Switch(says("one"))
    client = Client(switch)
    first = client.get("/").get_data(as_text=True)
    switch.to(says("two"))

    assert (first, client.get("/").get_data(as_text=True)) == ("one", "two")
