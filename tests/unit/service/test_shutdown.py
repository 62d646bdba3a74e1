"""A stop loses no request: the real process, real sockets, real signals."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


class Process:
    """flask-app as a process of its own."""

    def __init__(self, *, port: int, child: subprocess.Popen[str]) -> None:
        self.port = port
        self.child = child

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, target: str, *, method: str = "GET", body: bytes = b"") -> socket.socket:
        """Send a request on a new connection; do not wait for the answer."""
        connection = self.connect()
        connection.sendall(request(target, method=method, body=body))
        return connection

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal; return the time at which it was sent."""
        self.child.send_signal(number)
        return time.monotonic()

    def log(self) -> str:
        _, log = self.child.communicate(timeout=30)
        return log

    def in_flight(self) -> float:
        with self.ask("/metrics") as connection:
            text = answer(connection)[1].decode()
        line = next(line for line in text.splitlines() if line.startswith("flask_http_requests_in"))
        return float(line.split()[1])


def request(target: str, *, method: str = "GET", body: bytes = b"") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(connection: socket.socket) -> tuple[int, bytes, str | None]:
    """Return the next answer's status, its whole body and its Connection header."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read(), response.getheader("Connection")


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def flask_app(**environ: str) -> Iterator[Process]:
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(port)} | environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    process = Process(port=port, child=child)

    def listens() -> bool:
        assert child.poll() is None, child.communicate()
        try:
            process.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    with child:
        try:
            wait_until(listens)
            yield process
        finally:
            child.kill()


def test_new_connections_are_accepted_until_nobody_has_asked_for_a_while() -> None:
    """Whoever sends requests hears of the stop a moment later; probes are nobody."""
    with flask_app(LINGER_SECONDS="0.5") as process:
        begin = process.stop()
        answered = 0
        while time.monotonic() - begin < 2:
            with process.ask("/work?ms=1", method="POST") as connection:
                assert answer(connection)[0] == 200
            answered += 1
        assert answered > 10
        wait_until(lambda: "refused" in refusal(process), seconds=2)


def test_a_client_that_never_ceases_is_refused_in_the_end() -> None:
    with flask_app(LINGER_SECONDS="2") as process:
        begin = process.stop()
        with suppress(ConnectionError):
            while time.monotonic() - begin < 10:
                with process.ask("/work?ms=1") as connection:
                    assert answer(connection)[0] == 200
        assert 4 < time.monotonic() - begin < 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_and_queued_requests_are_answered_and_new_connections_refused(
    number: signal.Signals,
) -> None:
    with flask_app(THREADS="2") as process, ExitStack() as stack:
        waiting = [
            stack.enter_context(process.ask("/sleep?seconds=0.5", method=method, body=b"body"))
            for method in ("GET", "POST") * 3
        ]
        wait_until(lambda: process.in_flight() == 2)
        begin = process.stop(number)
        wait_until(lambda: "refused" in refusal(process))
        assert process.child.poll() is None
        for connection in waiting:
            status, body, closing = answer(connection)
            assert status == 200
            assert b'"received_bytes":4' in body
            assert closing == "close"
            assert connection.recv(1) == b""
        assert process.child.wait(timeout=10) == 0
        # Three rounds of 0.5 s on two threads; no answered connection is lingered on.
        assert time.monotonic() - begin < 5
        assert "every accepted request was answered" in process.log()


def refusal(process: Process) -> str:
    try:
        process.connect().close()
    except ConnectionRefusedError as error:
        return str(error).lower()
    except ConnectionResetError:
        return "reset"
    return ""


def ready(process: Process) -> int:
    with process.ask("/ready") as connection:
        return answer(connection)[0]


def test_an_idle_server_stops_at_once() -> None:
    with flask_app() as process:
        begin = process.stop()
        assert process.child.wait(timeout=10) == 0
        assert time.monotonic() - begin < 3


def test_a_second_signal_changes_nothing() -> None:
    with flask_app() as process, process.ask("/sleep?seconds=0.5") as connection:
        wait_until(lambda: process.in_flight() == 1)
        process.stop()
        process.stop(signal.SIGINT)
        assert answer(connection)[0] == 200
        assert process.child.wait(timeout=10) == 0


def test_requests_that_only_the_kernel_has_received_are_answered() -> None:
    with flask_app() as process, ExitStack() as stack:
        kept_alive = stack.enter_context(process.ask("/"))
        assert answer(kept_alive)[2] is None
        # While the process is frozen, the kernel goes on accepting connections and bytes for it.
        process.stop(signal.SIGSTOP)
        kept_alive.sendall(request("/work?ms=1", method="POST", body=b"body"))
        never_accepted = [stack.enter_context(process.ask("/work?ms=1")) for _ in range(50)]
        process.stop()
        process.stop(signal.SIGCONT)
        for connection in [kept_alive, *never_accepted]:
            status, _, closing = answer(connection)
            assert (status, closing) == (200, "close")
        assert process.child.wait(timeout=10) == 0


def test_a_connection_used_a_moment_ago_may_send_one_more_request_and_is_then_closed() -> None:
    with flask_app() as process, process.ask("/") as connection:
        answer(connection)
        process.stop()
        wait_until(lambda: ready(process) == 503)
        connection.sendall(request("/ready"))
        assert answer(connection)[::2] == (503, "close")
        assert connection.recv(1) == b""
        assert process.child.wait(timeout=10) == 0


def test_an_idle_keep_alive_connection_does_not_hold_up_the_stop() -> None:
    with flask_app() as process, process.ask("/") as connection:
        answer(connection)
        begin = process.stop()
        assert connection.recv(1) == b""
        assert process.child.wait(timeout=10) == 0
        assert time.monotonic() - begin < 5


def test_pipelined_requests_are_all_answered() -> None:
    with flask_app() as process, process.connect() as connection:
        connection.sendall(request("/sleep?seconds=0.3") + request("/work?ms=1") + request("/"))
        wait_until(lambda: process.in_flight() == 1)
        process.stop()
        # One buffer for all three: each HTTPResponse would read ahead into the next answer.
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        assert received.count(b"HTTP/1.1 200 OK") == 3
        assert received.count(b"Connection: close") == 1
        assert received.rstrip().endswith(b"</html>")
        assert process.child.wait(timeout=10) == 0


def test_a_request_that_is_still_being_sent_is_answered() -> None:
    with flask_app() as process, process.connect() as connection:
        whole = request("/work?ms=1", method="POST", body=b"0123456789")
        connection.sendall(whole[:-5])
        wait_until(lambda: process.in_flight() == 0)
        process.stop()
        wait_until(lambda: "refused" in refusal(process))
        time.sleep(1.2)  # longer than an idle connection is kept
        connection.sendall(whole[-5:])
        assert answer(connection)[0] == 200
        assert process.child.wait(timeout=10) == 0


def test_a_slow_reader_gets_the_whole_body() -> None:
    with flask_app() as process, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", process.port))
        connection.sendall(request("/blob?mb=20"))
        wait_until(lambda: process.in_flight() == 1)
        process.stop()
        time.sleep(1.5)  # a reader that is away for a while
        assert process.child.poll() is None
        status, body, _ = answer(connection)
        assert (status, len(body)) == (200, 20 * 1024 * 1024)
        assert process.child.wait(timeout=10) == 0


def test_what_is_unfinished_at_the_end_of_the_grace_is_cut_off_and_exits_1() -> None:
    with flask_app(THREADS="1", GRACE_SECONDS="0.5") as process, ExitStack() as stack:
        waiting = [stack.enter_context(process.ask("/sleep?seconds=20")) for _ in range(3)]
        wait_until(lambda: process.in_flight() == 1)
        begin = process.stop()
        assert process.child.wait(timeout=10) == 1
        assert 0.5 <= time.monotonic() - begin < 2.5
        for connection in waiting:
            assert connection.recv(1) == b""
        log = process.log()
        assert "GRACE_SECONDS=0.5 were over with at least 3 requests unfinished" in log


def test_a_request_whose_client_went_away_is_finished_too() -> None:
    with flask_app() as process:
        connection = process.ask("/sleep?seconds=1")
        wait_until(lambda: process.in_flight() == 1)
        connection.close()
        begin = process.stop()
        assert process.child.wait(timeout=10) == 0
        assert time.monotonic() - begin > 0.5


def test_probes_are_answered_while_every_worker_is_busy() -> None:
    with flask_app(THREADS="1") as process, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(process.ask("/sleep?seconds=2"))
        wait_until(lambda: process.in_flight() == 1)
        begin = time.monotonic()
        for path in ("/health", "/ready", "/metrics"):
            with process.ask(path) as probe:
                assert answer(probe)[0] == 200
        assert time.monotonic() - begin < 1
        process.child.kill()


def test_the_health_check_script_says_0_while_alive_and_1_after() -> None:
    with flask_app() as process:
        command = [sys.executable, "-S", str(ROOT / "service" / "healthcheck.py")]
        environ = {"PORT": str(process.port)}
        assert subprocess.run(command, env=environ, check=False).returncode == 0
        process.stop()
        process.child.wait(timeout=10)
        after = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
        assert after.returncode == 1
        assert "no answer from /health" in after.stderr


def test_faulty_settings_are_all_named_and_exit_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"PORT": "x", "THREADS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "PORT='x'" in done.stderr
    assert "THREADS='0'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named_and_exits_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=os.environ | {"PORT": port},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 2
    assert f"PORT={port} cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr
