"""flask-app's image by itself: built, run on a port of choice, stopped without losing a request."""

import http.client
import json
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
PORT = 8123


def logs(name: str) -> str:
    return subprocess.run(
        ["docker", "logs", name], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def docker(*arguments: str) -> str:
    """Run the docker command; return what it prints, without the last newline."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    name = f"alertscale-test-flask-app:{uuid.uuid4().hex[:12]}"
    docker("build", "--tag", name, str(ROOT / "service"))
    yield name
    docker("rmi", name)


class Container:
    """One running flask-app, reached at its own address."""

    def __init__(self, name: str) -> None:
        self.name = name
        inspected = json.loads(docker("inspect", name))[0]
        self.address = inspected["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]

    def ask(self, target: str, *, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=60)
        try:
            connection.request(method, target, body=b"body" if method == "POST" else None)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ready(self) -> bool:
        try:
            return self.ask("/ready")[0] == 200
        except OSError:
            return False

    def in_flight(self) -> float:
        lines = self.ask("/metrics")[1].decode().splitlines()
        line = next(line for line in lines if line.startswith("flask_http_requests_in_flight"))
        return float(line.split()[1])

    def exit_code(self) -> int:
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", self.name))


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    name = f"alertscale-test-flask-app-{uuid.uuid4().hex[:12]}"
    options = ["--env", f"PORT={PORT}", "--env", "THREADS=2", "--cpus", "0.5", "--memory", "256m"]
    docker("run", "--detach", "--name", name, *options, image)
    try:
        running = Container(name)
        deadline = time.monotonic() + 30
        while not running.ready():
            assert time.monotonic() < deadline, logs(name)
            time.sleep(0.05)
        yield running
    finally:
        docker("rm", "--force", "--volumes", name)


def test_exactly_one_port_is_exposed(image: str) -> None:
    exposed = json.loads(docker("inspect", "--format", "{{json .Config.ExposedPorts}}", image))
    assert list(exposed) == ["5000/tcp"]


def test_the_replica_names_itself_by_its_host_name_and_runs_as_nobody_special(
    container: Container,
) -> None:
    status, body = container.ask("/work?ms=10")
    assert status == 200
    assert json.loads(body)["replica"] == docker("exec", container.name, "hostname")
    assert docker("exec", container.name, "id", "-u") != "0"


def test_the_program_and_what_it_may_hold_fit_into_the_limit(container: Container) -> None:
    status, _ = container.ask("/memory?mb=180&seconds=1", method="POST")
    assert status == 200
    deadline = time.monotonic() + 10
    while resident_mib(container) >= 50:
        assert time.monotonic() < deadline, f"{resident_mib(container)} MiB are still resident"
        time.sleep(0.1)
    assert not json.loads(docker("inspect", container.name))[0]["State"]["OOMKilled"]


def resident_mib(container: Container) -> float:
    lines = docker("exec", container.name, "cat", "/proc/1/status").splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def test_the_health_check_knows_a_living_replica_from_one_that_does_not_answer(
    container: Container,
) -> None:
    check = ["python", "-S", "/app/service/healthcheck.py"]
    docker("exec", container.name, *check)
    elsewhere = ["docker", "exec", "--env", "PORT=1", container.name, *check]
    assert subprocess.run(elsewhere, check=False, capture_output=True).returncode == 1


def test_docker_stop_lets_running_and_queued_requests_finish(container: Container) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers: list[Future[tuple[int, bytes]]] = [
            pool.submit(container.ask, "/sleep?seconds=1", method=method) for method in ("GET", "POST") * 3
        ]
        deadline = time.monotonic() + 10
        while container.in_flight() < 2 or not all(answer.running() for answer in answers):
            assert time.monotonic() < deadline
        begin = time.monotonic()
        docker("stop", "--time", "20", container.name)
        assert time.monotonic() - begin < 15
        for answer in answers:
            status, body = answer.result()
            assert status == 200
            assert json.loads(body)["seconds"] == 1
    assert container.exit_code() == 0


def test_docker_stop_lets_a_slow_reader_have_the_whole_body(container: Container) -> None:
    with socket.socket() as connection, ThreadPoolExecutor(1) as pool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.settimeout(30)
        connection.connect((container.address, PORT))
        # Small enough for the kernel to take all of it from the process, which then has no more to do.
        connection.sendall(b"GET /blob?mb=0.0625 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until_idle(container)
        stopped = pool.submit(docker, "stop", "--time", "20", container.name)
        time.sleep(2)  # a reader that is away for a while
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert len(response.read()) == 64 * 1024
        stopped.result()
    assert container.exit_code() == 0


def test_a_replica_that_is_stopped_while_it_starts_stops_at_once(image: str) -> None:
    name = f"alertscale-test-flask-app-{uuid.uuid4().hex[:12]}"
    # A tenth of a core: the imports take seconds, as on a machine that starts many at once.
    docker("run", "--detach", "--name", name, "--cpus", "0.1", image)
    try:
        deadline = time.monotonic() + 30
        while not (log := logs(name)):
            assert time.monotonic() < deadline, "the program never started"
            time.sleep(0.05)
        assert "listens" not in log
        begin = time.monotonic()
        docker("stop", "--time", "30", name)
        assert time.monotonic() - begin < 20
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    finally:
        docker("rm", "--force", "--volumes", name)


def wait_until_idle(container: Container) -> None:
    deadline = time.monotonic() + 10
    while container.in_flight() > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
