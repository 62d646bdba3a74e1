"""How replicas are asked, when, and what an answer changes."""

# ruff: noqa: ANN401 - keywords stand for the fields of a Replica

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from scaler.model.labels import Limits, Probe, Requests, Scheme
from scaler.model.services import Health, Replica
from scaler.model.view import Readiness
from scaler.traffic.readiness import (
    ASK_NEW_EVERY,
    ASK_READY_EVERY,
    FAILURES,
    Check,
    CheckKind,
    OwnThread,
    Prober,
    address_on,
    ask,
    plan_check,
    serving_port,
)
from tests.fakes import AtOnce

BOTH = frozenset({"front", "back"})


def replica(**fields: Any) -> Replica:
    base: dict[str, Any] = {"ports": (5000,), "addresses": {"back": "10.0.0.2", "front": "10.0.1.2"}}
    return Replica(id="r", name="shop-web-1", number=1, status="running", **(base | fields))


def plan(limits: Limits, networks: frozenset[str] | None = BOTH, **fields: Any) -> Check:
    return plan_check(replica(**fields), limits, networks=networks)


class TestPlanCheck:
    def test_a_path_is_asked_over_http(self) -> None:
        check = plan(Limits(probe=Probe(path="/ready")))

        assert check == Check(kind=CheckKind.HTTP, address="10.0.0.2", port=5000, path="/ready")

    def test_a_path_is_asked_under_the_name_and_the_scheme_of_the_labels(self) -> None:
        check = plan(Limits(probe=Probe(path="/ready", host="shop.example.org", scheme=Scheme.HTTPS)))

        assert (check.host, check.scheme) == ("shop.example.org", Scheme.HTTPS)

    def test_a_path_goes_before_dockers_health_check(self) -> None:
        assert plan(Limits(probe=Probe(path="/ready")), health=Health.UNHEALTHY).kind is CheckKind.HTTP

    @pytest.mark.parametrize(
        ("health", "passed"),
        [(Health.STARTING, False), (Health.HEALTHY, True), (Health.UNHEALTHY, False)],
    )
    def test_without_a_path_dockers_health_check_counts(self, health: Health, passed: bool) -> None:
        check = plan(Limits(), health=health)

        assert (check.kind, check.passed) == (CheckKind.HEALTH, passed)
        assert check.detail == f"Docker's health check says {health}"

    def test_with_neither_a_tcp_connect_decides(self) -> None:
        assert plan(Limits()) == Check(kind=CheckKind.TCP, address="10.0.0.2", port=5000)

    def test_the_label_chooses_the_port(self) -> None:
        assert plan(Limits(requests=Requests(port=9000))).port == 9000
        assert plan(Limits(requests=Requests(port=9000)), ports=()).port == 9000

    @pytest.mark.parametrize(("ports", "said"), [((), "none"), ((80, 443), "80, 443")])
    def test_without_the_one_port_nobody_can_be_asked(self, ports: tuple[int, ...], said: str) -> None:
        check = plan(Limits(probe=Probe(path="/ready")), ports=ports)

        assert check.kind is CheckKind.NONE
        assert check.detail == f"it exposes {said}, not one port; give the service the label alertscale.port"

    @pytest.mark.parametrize(("addresses", "said"), [({}, "no network"), ({"x": "10.9.0.2"}, "x")])
    def test_without_a_shared_network_nobody_can_be_asked(self, addresses: dict[str, str], said: str) -> None:
        check = plan(Limits(), addresses=addresses)

        assert check.kind is CheckKind.NONE
        assert check.detail.startswith(f"it is on {said}, and the scaler is not; ")

    def test_on_the_host_every_network_is_reached(self) -> None:
        assert plan(Limits(), networks=None, addresses={"x": "10.9.0.2"}).address == "10.9.0.2"


def test_the_serving_port_is_the_label_or_the_one_exposed() -> None:
    assert serving_port(replica(), Limits(requests=Requests(port=1))) == 1
    assert serving_port(replica(), Limits()) == 5000
    assert serving_port(replica(ports=(1, 2)), Limits()) is None


def test_the_address_is_one_on_a_shared_network() -> None:
    assert address_on(replica(), frozenset({"front"})) == "10.0.1.2"
    assert address_on(replica(), frozenset()) is None
    assert address_on(replica(), None) == "10.0.0.2"


class Service(http.server.BaseHTTPRequestHandler):
    """Answers the status that the path names; hangs up on /hang."""

    def do_GET(self) -> None:
        if self.path == "/hang":
            return
        strict = self.path == "/strict"
        status = int(self.path.removeprefix("/")) if not strict else self.as_strict_ones_do()
        self.send_response(status)
        if strict and status in {301, 308}:
            self.send_header("Location", f"https://{self.headers['Host']}/strict")
        elif status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def as_strict_ones_do(self) -> int:
        """Django's ALLOWED_HOSTS, then its SECURE_SSL_REDIRECT behind a proxy; Rails is alike, with 403."""
        if self.headers["Host"] == "own-tls.example.org":
            return 308
        if self.headers["Host"] != "shop.example.org":
            return 400
        return 200 if self.headers["X-Forwarded-Proto"] == "https" else 301

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    where = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=another"]
    subprocess.run(
        [*made, "-keyout", where / "key.pem", "-out", where / "cert.pem"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where / "cert.pem", where / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


class TestAsk:
    @pytest.mark.parametrize(
        ("status", "ready"), [(200, True), (204, True), (302, False), (404, False), (503, False)]
    )
    def test_2xx_is_ready(self, port: int, status: int, ready: bool) -> None:
        answer = ask(Check(kind=CheckKind.HTTP, address="127.0.0.1", port=port, path=f"/{status}"))

        detail = "" if ready else f"127.0.0.1:{port}/{status} answers {status}, not 2xx"
        assert answer.ready is ready
        assert answer.detail.startswith(detail)

    @pytest.mark.parametrize(
        ("host", "scheme", "named"),
        [
            (None, Scheme.HTTP, ("answers 400", "127.0.0.1 is none", "the label alertscale.ready-host")),
            (
                "shop.example.org",
                Scheme.HTTP,
                ("answers 301", "https://shop.example.org/", "alertscale.ready-scheme: forwarded-https"),
            ),
            ("shop.example.org", Scheme.FORWARDED_HTTPS, ()),
            (
                "own-tls.example.org",
                Scheme.FORWARDED_HTTPS,
                ("answers 308", "does not believe X-Forwarded-Proto", "alertscale.ready-scheme: https if"),
            ),
        ],
        ids=["by address", "by name", "as behind a proxy", "that ends TLS itself"],
    )
    def test_one_that_checks_who_is_asked_for_is_told_by_its_label_and_then_ready(
        self, port: int, host: str | None, scheme: Scheme, named: tuple[str, ...]
    ) -> None:
        check = Check(
            kind=CheckKind.HTTP, address="127.0.0.1", port=port, path="/strict", host=host, scheme=scheme
        )
        answer = ask(check)

        assert answer.ready is not bool(named)
        for word in named:
            assert word in answer.detail

    @pytest.mark.parametrize("status", [400, 403, 421])
    def test_whatever_a_wrong_host_is_answered_is_told_with_the_label(self, port: int, status: int) -> None:
        answer = ask(Check(kind=CheckKind.HTTP, address="127.0.0.1", port=port, path=f"/{status}"))

        assert f"answers {status}, not 2xx: if it takes only hosts that it knows" in answer.detail

    def test_a_redirect_within_says_that_the_path_is_to_be_another(self, port: int) -> None:
        answer = ask(Check(kind=CheckKind.HTTP, address="127.0.0.1", port=port, path="/302"))

        assert answer.detail.endswith(
            "answers 302, not 2xx (it redirects to /elsewhere): let alertscale.ready"
            " be a path that answers by itself"
        )

    def test_over_tls_any_certificate_is_good_enough(self, tls_port: int) -> None:
        check = Check(
            kind=CheckKind.HTTP,
            address="127.0.0.1",
            port=tls_port,
            path="/204",
            host="shop.example.org:8443",
            scheme=Scheme.HTTPS,
        )

        assert ask(check) == Readiness(ready=True)
        assert not ask(replace(check, scheme=Scheme.HTTP)).ready

    def test_one_that_speaks_no_tls_is_an_answer_not_an_error(self, port: int) -> None:
        answer = ask(
            Check(kind=CheckKind.HTTP, address="127.0.0.1", port=port, path="/200", scheme=Scheme.HTTPS)
        )

        assert not answer.ready
        assert "SSL" in answer.detail

    def test_a_connection_is_enough_for_tcp(self, port: int) -> None:
        assert ask(Check(kind=CheckKind.TCP, address="127.0.0.1", port=port)).ready

    @pytest.mark.parametrize("kind", [CheckKind.TCP, CheckKind.HTTP])
    def test_nobody_there_is_an_answer_not_an_error(self, closed_port: int, kind: CheckKind) -> None:
        answer = ask(Check(kind=kind, address="127.0.0.1", port=closed_port, path="/ready"))

        assert not answer.ready
        assert answer.detail.startswith(f"127.0.0.1:{closed_port}/ready: ")

    def test_a_broken_answer_is_an_answer_not_an_error(self, port: int) -> None:
        assert not ask(Check(kind=CheckKind.HTTP, address="127.0.0.1", port=port, path="/hang")).ready


CHECK = Check(kind=CheckKind.HTTP, address="10.0.0.2", port=80, path="/ready")
READY, UNREADY = Readiness(ready=True), Readiness(ready=False, detail="answers 503")


class Asked:
    """A prober whose replicas answer what the test says; ``times`` lists when each was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Readiness] = {}
        self.times: dict[str, list[float]] = {}
        self.wakes = 0
        self.now = 0.0
        self.prober = Prober(executor=AtOnce(), wake=self._wake, asker=self._answer)

    def _wake(self) -> None:
        self.wakes += 1

    def _answer(self, check: Check) -> Readiness:
        self.times.setdefault(check.address, []).append(self.now)
        return self.answers.get(check.address, READY)

    def update(self, now: float, **checks: Check) -> dict[str, Readiness]:
        """One pass that asks, and one at the same time that takes in the answers."""
        self.now = now
        self.prober.update(checks, now=now)
        return dict(self.prober.update(checks, now=now))


class TestProber:
    def test_nobody_is_ready_before_the_answer(self) -> None:
        asked = Asked()

        assert asked.prober.update({"a": CHECK}, now=0)["a"] == Readiness(ready=False, detail="not asked yet")
        assert asked.prober.update({"a": CHECK}, now=0)["a"] == READY
        assert asked.wakes == 1

    def test_a_new_replica_is_asked_ten_times_a_second(self) -> None:
        asked = Asked()
        asked.answers[CHECK.address] = UNREADY
        for tick in range(11):
            asked.update(tick * 0.05, a=CHECK)

        assert asked.times[CHECK.address] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
        assert pytest.approx(0.1) == ASK_NEW_EVERY

    def test_one_that_serves_is_asked_every_few_seconds(self) -> None:
        asked = Asked()
        for tick in range(21):
            asked.update(tick * 0.5, a=CHECK)

        assert asked.times[CHECK.address] == [0.0, ASK_READY_EVERY, 2 * ASK_READY_EVERY]

    def test_several_failures_in_a_row_take_it_out(self) -> None:
        asked = Asked()
        asked.update(0, a=CHECK)
        asked.answers[CHECK.address] = UNREADY

        seen = [asked.update(5 + second, a=CHECK)["a"].ready for second in range(FAILURES + 1)]
        assert seen == [True] * (FAILURES - 1) + [False] * 2
        assert asked.times[CHECK.address] == [0, 5, 6, 7, 8]

    def test_a_success_between_begins_the_count_anew(self) -> None:
        asked = Asked()
        asked.update(0, a=CHECK)
        now = 5.0
        for answer in (UNREADY, UNREADY, READY, UNREADY, UNREADY):
            asked.answers[CHECK.address] = answer
            assert asked.update(now, a=CHECK)["a"].ready
            now = asked.prober.next_due() or now

    def test_each_replica_has_its_own_rhythm(self) -> None:
        asked = Asked()
        other = Check(kind=CheckKind.TCP, address="10.0.0.3", port=80)
        asked.answers[other.address] = UNREADY
        for tick in range(5):
            known = asked.update(tick * 0.1, a=CHECK, b=other)

        assert (known["a"].ready, known["b"].ready) == (True, False)
        assert (len(asked.times[CHECK.address]), len(asked.times[other.address])) == (1, 5)

    def test_a_new_address_is_a_new_replica(self) -> None:
        """After a restart the engine gives another address; what was known of the old one is void."""
        asked = Asked()
        asked.update(0, a=CHECK)
        moved = Check(kind=CheckKind.HTTP, address="10.0.0.9", port=80, path="/ready")
        asked.answers[moved.address] = UNREADY

        assert not asked.update(1, a=moved)["a"].ready
        assert asked.times[moved.address] == [1]

    def test_forgotten_means_unready_until_asked_again(self) -> None:
        asked = Asked()
        asked.update(0, a=CHECK)
        asked.prober.forget("a")
        asked.prober.forget("never seen")

        assert not asked.prober.update({"a": CHECK}, now=1)["a"].ready
        assert asked.prober.update({"a": CHECK}, now=1)["a"].ready

    def test_a_replica_that_is_gone_is_forgotten(self) -> None:
        asked = Asked()
        asked.update(0, a=CHECK)
        asked.update(1)

        assert asked.prober.next_due() is None
        assert not asked.prober.update({"a": CHECK}, now=1)["a"].ready

    def test_dockers_health_check_is_taken_over_without_asking(self) -> None:
        asked = Asked()
        starting = Check(kind=CheckKind.HEALTH, detail="Docker's health check says starting")
        healthy = Check(kind=CheckKind.HEALTH, passed=True, detail="Docker's health check says healthy")

        assert asked.update(0, a=starting)["a"] == Readiness(ready=False, detail=starting.detail)
        assert asked.update(1, a=healthy)["a"] == Readiness(ready=True)
        assert asked.update(2, a=starting)["a"].ready is False
        assert asked.times == {}
        assert asked.prober.next_due() is None

    def test_who_cannot_be_asked_is_not_ready_and_why(self) -> None:
        none = Check(kind=CheckKind.NONE, detail="it exposes none, not one port")

        assert Asked().update(0, a=none)["a"] == Readiness(ready=False, detail=none.detail)

    def test_the_next_question_is_due_after_the_answer(self) -> None:
        asked = Asked()
        assert asked.prober.next_due() is None
        asked.update(0, a=CHECK)

        assert asked.prober.next_due() == ASK_READY_EVERY

    def test_an_answer_that_takes_its_time_holds_up_nobody(self) -> None:
        """It is asked once, however often the loop comes by."""
        slow: Future[Readiness] = Future()

        class Slow(Executor):
            asked = 0

            def submit(self, *_args: Any, **_kwargs: Any) -> Future[Any]:
                self.asked += 1
                return slow

        executor = Slow()
        prober = Prober(executor=executor, wake=lambda: None)
        for now in range(5):
            assert not prober.update({"a": CHECK}, now=now)["a"].ready
        assert prober.next_due() is None
        slow.set_result(READY)

        assert prober.update({"a": CHECK}, now=5)["a"].ready
        assert executor.asked == 1

    def test_however_many_are_silent_a_new_one_is_asked_at_once(self) -> None:
        """Found by the benchmark of the reaction: its first replica stood behind 100 that had just gone."""
        speak = threading.Event()
        wake = threading.Event()

        def answer(check: Check) -> Readiness:
            if check.address != "10.0.0.2":
                speak.wait(60)
            return READY

        prober = Prober(executor=OwnThread(name="ask"), wake=wake.set, asker=answer)
        silent = {
            f"silent-{n}": Check(kind=CheckKind.TCP, address=f"10.0.1.{n}", port=80) for n in range(1, 101)
        }
        try:
            prober.update(silent, now=0)
            prober.update(silent | {"new": CHECK}, now=0)

            assert wake.wait(30)
            known = prober.update(silent | {"new": CHECK}, now=0)
            assert [replica for replica, answer in known.items() if answer.ready] == ["new"]
        finally:
            speak.set()


class TestOwnThread:
    def test_it_hands_on_what_was_returned(self) -> None:
        assert OwnThread(name="ask").submit(divmod, 7, 2).result(timeout=30) == (3, 1)

    def test_it_hands_on_what_was_raised(self) -> None:
        assert isinstance(OwnThread(name="ask").submit(divmod, 7, 0).exception(timeout=30), ZeroDivisionError)

    def test_none_of_its_threads_keeps_the_program_from_ending(self) -> None:
        assert OwnThread(name="ask").submit(threading.current_thread).result(timeout=30).daemon
