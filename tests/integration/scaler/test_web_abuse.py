"""Large, slow, many and malicious: what the server takes stays bounded, and others are served meanwhile.

The real server and the real loop, on loopback, in a process of their own so that its memory can be read.
"""

import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scaler.web.app import MAX_BODY
from scaler.web.server import BOUNDS

REPOSITORY = Path(__file__).parents[3]
TOKEN = "not-a-secret-but-not-to-be-logged"
RECEIVE_TIMEOUT = 3.0
MIB = 1024 * 1024
AT_MOST_TIMES = 10
"""As long as one alert may take a hundred; five were seen."""


@dataclass(kw_only=True)
class Served:
    """The running server."""

    directory: Path
    process: subprocess.Popen[str]
    port: int

    @property
    def memory(self) -> float:
        """Resident memory, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kib) / 1024

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = TOKEN,
        timeout: float = 20,
    ) -> tuple[int, Any]:
        """GET, or POST a body; return the status and the JSON that came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token is not None else {}
        )
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def notify(self, alerts: list[dict[str, Any]]) -> tuple[int, Any]:
        return self.ask("/alerts", json.dumps({"version": "4", "alerts": alerts}).encode())

    def others_are_served(self) -> float:
        """Ask for three pages as Prometheus and a person would; return the longest time, in seconds."""
        times = []
        for path in ("/healthz", "/api/v1/services", "/api/v1/events?limit=10"):
            begun = time.monotonic()
            assert self.ask(path, timeout=2)[0] == 200
            times.append(time.monotonic() - begun)
        return max(times)

    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    (directory / "token").write_text(TOKEN + "\n", encoding="ascii")
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.scaler.served", str(directory), str(RECEIVE_TIMEOUT)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        with process.stdout:
            port = process.stdout.readline().strip()
        assert port, (directory / "log").read_text(encoding="utf-8")
        yield Served(directory=directory, process=process, port=int(port))
        assert process.poll() is None, "the server has died"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(autouse=True)
def nothing_has_changed(served: Served) -> Iterator[None]:
    """After each test: one replica, no step, no order, and no traceback in the log."""
    yield
    (web,) = served.ask("/api/v1/services")[1]["services"]
    assert [r["name"] for r in web["replicas"]] == ["shop-web-1"]
    assert (web["wanted"], web["pause"]) == (None, "none")
    kinds = {e["kind"] for e in served.ask("/api/v1/events?limit=1000")[1]["events"]}
    assert not kinds & {"step", "manual"}
    assert "Traceback" not in served.log()
    assert served.others_are_served() < 1


def alert(number: int, **labels: str) -> dict[str, Any]:
    """An alert of usual size for a service that is not there; no two numbers are the same one."""
    return {
        "status": "firing",
        "labels": {"alertname": "HighCPU", "scale": "up", "resource": "cpu", "instance": f"host-{number}"}
        | {"service": "absent", "severity": "warning", "job": "exporter"}
        | labels,
        "annotations": {"summary": "uses 93 % of its CPU", "description": "x" * 200},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://localhost:10090/graph?g0.expr=1",
    }


def test_a_body_of_100_mb_is_refused_by_its_header_alone(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(
            b"POST /alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000000\r\n\r\n"
        )
        assert b" 413 " in connection.recv(100)


def test_a_body_of_unknown_length_is_cut_off_at_the_bound(served: Served) -> None:
    before, sent = served.memory, 0
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with served.connect() as connection:
        connection.sendall(b"POST /alerts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
    # The kernel's buffers take some more than the server does.
    assert sent < BOUNDS["max_request_body_size"] + 16 * MIB
    assert served.memory - before < 16


def test_a_body_over_the_bound_is_refused_with_the_bound(served: Served) -> None:
    status, answer = served.ask("/alerts", b" " * (MAX_BODY + 1))
    assert (status, answer["reason"]) == (413, "too_large")
    assert str(MAX_BODY) in answer["error"]
    assert served.ask("/alerts", b" " * (MAX_BODY + 1), token="other")[0] == 401


def test_headers_over_the_bound_are_refused(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * BOUNDS["max_request_header_size"] + b"\r\n\r\n")
        assert b" 431 " in connection.recv(100)


def test_ten_thousand_alerts_in_one_body_are_taken_in_while_others_are_served(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [{"status": "firing", "labels": {"alertname": f"Foreign{n}"}} for n in range(10_000)]
    before = served.memory
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        sent = pool.submit(served.notify, few)
        waits = []
        while not sent.done():
            waits.append(served.others_are_served())
        status, answer = sent.result()
        took = time.monotonic() - begun
    assert status == 202
    assert [r["result"] for r in answer["results"]] == ["accepted"] * 10_000
    assert max(waits) < 2
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  10,000 alerts: {took:.1f} s, +{served.memory - before:.0f} MiB,"
            f" others waited {max(waits):.2f} s at most"
        )
    assert took < 15
    assert served.memory - before < 128


def test_a_hundred_alerts_take_a_few_times_as_long_as_one_and_are_told_once(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = [alert(n) for n in range(100)]
    seen = served.ask("/api/v1/events?limit=1")[1]["events"][0]["id"]
    hundred: list[float] = []
    one: list[float] = []
    for _ in range(60):
        # In turn, so that whatever else this machine does slows down both.
        for sent, times in ((alerts, hundred), (alerts[:1], one)):
            begun = time.monotonic()
            status, _answer = served.notify(sent)
            times.append(1000 * (time.monotonic() - begun))
            assert status == 202
    told = served.ask("/api/v1/events?limit=1")[1]["events"][0]["id"] - seen
    first, *repeated = hundred
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  100 alerts: first {first:.1f} ms, then median {statistics.median(repeated):.1f} ms,"
            f" slowest of 59 {max(repeated):.1f} ms; one alert: median {statistics.median(one):.1f} ms"
        )
    assert statistics.median(repeated) < AT_MOST_TIMES * statistics.median(one)
    assert told == 100


def test_five_hundred_idle_connections_cost_little_and_keep_nobody_out(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    before = served.memory
    with contextlib.ExitStack() as connections:
        for _ in range(500):
            connections.enter_context(served.connect())
        waited = served.others_are_served()
        grown = served.memory - before
    with capsys.disabled():
        print(f"\n  500 idle connections: +{grown:.1f} MiB, others waited {waited:.3f} s")  # noqa: T201 - as above
    assert waited < 1
    assert grown < 16


@pytest.mark.parametrize(
    "start",
    [
        b"GET /healthz HTTP/1.1\r\nX-Slow: ",
        b"POST /alerts HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n",
        b"POST /alerts HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
    ],
    ids=["headers", "body", "chunks"],
)
def test_slow_senders_keep_nobody_out_and_are_cut_off(served: Served, start: bytes) -> None:
    before = served.memory
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(100)]
        for connection in slow:
            connection.sendall(start)
        open_ones, deadline = set(slow), time.monotonic() + RECEIVE_TIMEOUT + 3
        while open_ones:
            assert time.monotonic() < deadline, f"{len(open_ones)} slow senders are still connected"
            assert served.others_are_served() < 1
            open_ones -= {c for c in open_ones if _cut_off(c)}
            time.sleep(0.2)
    assert served.memory - before < 16


def _cut_off(connection: socket.socket) -> bool:
    """Send one byte more; tell whether the other side has closed."""
    connection.setblocking(False)
    try:
        connection.send(b"a")
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "web%0a%0dupstream",
        "web%00",
        "/web",
        "a" * 9_000,
    ],
)
def test_a_name_that_is_a_path_or_has_line_breaks_is_no_service(served: Served, name: str) -> None:
    before = sorted(p.relative_to(served.directory) for p in served.directory.rglob("*.conf"))
    status, answer = served.ask(f"/api/v1/services/{name}/scale", b'{"replicas": 2}')
    assert (status, answer["reason"]) == (404, "not_found")
    status, answer = served.notify([alert(1, service=name, project=name)])
    assert (status, answer["results"][0]["reason"]) == (202, "unknown_service")
    assert sorted(p.relative_to(served.directory) for p in served.directory.rglob("*.conf")) == before


def test_line_breaks_in_labels_break_no_line_of_the_log_and_reach_no_file_of_nginx(served: Served) -> None:
    evil = 'x\n{"event": "forged", "level": "info"}\r\n}} upstream y {'
    status, _ = served.notify([alert(1, alertname=evil, service=evil, project=evil, resource=evil)])
    assert status == 202
    lines = served.log().splitlines()
    events = [json.loads(line) for line in lines]
    assert any(e["event"].startswith(evil) for e in events)
    assert not any(e["event"] == "forged" for e in events)
    text = "".join(p.read_text(encoding="utf-8") for p in served.directory.rglob("*.conf"))
    assert "forged" not in text
    assert "upstream web {" in text


def test_the_token_is_rotated_by_replacing_its_file(served: Served) -> None:
    file = served.directory / "token"
    aside = file.with_suffix(".new")
    aside.write_text("the-next-token\n", encoding="ascii")
    aside.replace(file)
    try:
        body = b'{"version": "4", "alerts": []}'
        assert served.ask("/alerts", body)[0] == 401
        assert served.ask("/alerts", body, token="the-next-token")[0] == 202
    finally:
        file.write_text(TOKEN, encoding="ascii")
    assert served.ask("/alerts", body)[0] == 202


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe"], ids=["missing", "empty", "blank", "bytes"]
)
def test_without_a_readable_token_nobody_changes_anything_and_everybody_reads(
    served: Served, content: bytes | None
) -> None:
    file = served.directory / "token"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    try:
        for token in (TOKEN, "", None):
            status, answer = served.ask("/alerts", b'{"version": "4", "alerts": []}', token=token)
            assert (status, answer["reason"]) == (503, "no_token")
            assert "restart" in answer["error"]
        assert served.ask("/api/v1/services", token=None)[0] == 200
    finally:
        file.write_text(TOKEN, encoding="ascii")


def test_the_token_is_never_logged(served: Served) -> None:
    served.ask("/alerts", b"{}")
    served.ask("/api/v1/services/absent/pause", b'{"pause": "up"}')
    assert TOKEN not in served.log()
    assert "the-next-token" not in served.log()
