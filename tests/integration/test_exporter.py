"""The exporter beside a real Engine, compared with the Engine's own figures."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container
from prometheus_client.parser import text_string_to_metric_families

from exporter.settings import DEFAULT_LABELS

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
IMAGE = "python:3.14.7-slim"
SOCKET = "/var/run/docker.sock"
PROJECT = f"xp-test-{uuid.uuid4().hex[:8]}"
MIB = 1024 * 1024
# The target for a hundred containers (docs/benchmarks/); there are fewer here.
SCRAPE_SECONDS = 0.15

Samples = dict[tuple[str, str], float]
Run = Callable[..., Container]


class Exporter:
    """An exporter that listens on ``port`` of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def samples(self) -> Samples:
        """Every sample by its name and its container's name, reason or source."""
        status, text = self.get("/metrics")
        assert status == 200
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                keys = ("name", "reason", "source")
                key = next((sample.labels[k] for k in keys if k in sample.labels), "")
                found[sample.name, key] = sample.value
        return found

    def names(self) -> set[str]:
        """The names of all containers in a scrape."""
        return {name for metric, name in self.samples() if metric == "container_last_seen"}

    def errors(self) -> Samples:
        """What was counted as an error, by reason."""
        samples = self.samples()
        return {key: n for key, n in samples.items() if key[0] == "alertscale_exporter_errors_total"}

    def healthy(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


def eventually(condition: Callable[[], bool], what: str, *, within: float) -> float:
    """Poll until it holds; returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"{what}: not within {within} s"
        time.sleep(0.02)
    return time.monotonic() - began


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def exporter_process(*, cgroup_root: str = "/sys/fs/cgroup", engine: str = SOCKET) -> Iterator[Exporter]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "EXPORTER_LISTEN": f"127.0.0.1:{port}",
            "EXPORTER_CGROUP_ROOT": cgroup_root,
            "EXPORTER_ENGINE": f"unix://{engine}",
        },
    )
    try:
        running = Exporter(port)
        eventually(running.healthy, "the exporter is healthy", within=20)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{SOCKET}", timeout=60)
    yield client
    client.close()


@pytest.fixture
def run(engine: docker.DockerClient) -> Iterator[Run]:
    """Start containers of one service of a Compose project; they are removed at the end."""
    made: list[Container] = []

    def started(
        code: str = "import time; time.sleep(300)",
        *,
        mem_limit: str | None = None,
        nano_cpus: int | None = None,
    ) -> Container:
        container = engine.containers.run(
            IMAGE,
            ["python", "-c", code],
            detach=True,
            name=f"{PROJECT}-{len(made)}-{uuid.uuid4().hex[:6]}",
            labels={"com.docker.compose.project": PROJECT, "com.docker.compose.service": "web"},
            init=True,
            mem_limit=mem_limit,
            nano_cpus=nano_cpus,
        )
        made.append(container)
        return container

    yield started
    for container in made:
        with contextlib.suppress(NotFound):
            container.remove(force=True)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with exporter_process() as running:
        yield running


BURN = (
    "import time\n"
    "end = time.process_time() + 1\n"
    "while time.process_time() < end: pass\n"
    "print('burned', flush=True); time.sleep(300)"
)
SHARED, CACHED = 16 * MIB, 32 * MIB
READ_AGAIN = (
    f"open('/dev/shm/held', 'wb').write(bytes({SHARED}))\n"
    f"open('/tmp/file', 'wb').write(bytes({CACHED}))\n"
    "import time\n"
    "while True:\n"
    "  with open('/tmp/file', 'rb', buffering=0) as file:\n"
    f"    while file.read({MIB}): pass\n"
    "  time.sleep(0.2)"
)
HOLD = f"held = b'x' * {64 * MIB}\nprint('held', flush=True)\nimport time; time.sleep(300)"


def engine_stats(container: Container) -> dict[str, Any]:
    return cast("dict[str, Any]", container.stats(stream=False))


def wait_for_output(container: Container, word: str) -> None:
    eventually(lambda: word.encode() in container.logs(), f"{word!r} is printed", within=30)


def test_cpu_that_was_burned_is_what_the_engine_counts(exporter: Exporter, run: Run) -> None:
    container = run(BURN)
    wait_for_output(container, "burned")
    ours = exporter.samples()["container_cpu_usage_seconds_total", str(container.name)]
    theirs = engine_stats(container)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    assert ours >= 1
    assert ours == pytest.approx(theirs, abs=0.05)


def test_memory_that_is_held_is_what_the_engine_counts(exporter: Exporter, run: Run) -> None:
    container = run(HOLD, mem_limit="256m", nano_cpus=500_000_000)
    wait_for_output(container, "held")
    name = str(container.name)
    ours = exporter.samples()
    theirs = engine_stats(container)["memory_stats"]
    details = theirs["stats"]
    inactive = details.get("total_inactive_file", details.get("inactive_file"))
    usage = ours["container_memory_usage_bytes", name]
    assert usage >= 64 * MIB
    assert usage == pytest.approx(theirs["usage"], abs=MIB)
    working_set = ours["container_memory_working_set_bytes", name]
    assert working_set == pytest.approx(theirs["usage"] - inactive, abs=MIB)
    assert ours["container_spec_memory_limit_bytes", name] == 256 * MIB
    assert ours["container_spec_cpu_quota", name] == 50_000
    assert ours["container_spec_cpu_period", name] == 100_000
    assert ours["container_start_time_seconds", name] == pytest.approx(time.time(), abs=60)


def test_a_file_that_is_read_again_and_again_can_be_told_from_what_cannot_be_taken_back(
    exporter: Exporter, run: Run
) -> None:
    """The page cache is most of the limit, and the working set has it; a file in memory alone is need."""
    container = run(READ_AGAIN, mem_limit="96m")
    name = str(container.name)

    def cached() -> float:
        return exporter.samples().get(("container_memory_total_active_file_bytes", name), 0)

    eventually(lambda: cached() >= CACHED - MIB, "the file is on the active list", within=30)
    found = exporter.samples()
    working_set = found["container_memory_working_set_bytes", name]
    need = working_set - found["container_memory_total_active_file_bytes", name]
    assert working_set > SHARED + CACHED
    assert need >= SHARED
    take_back = Path("/sys/fs/cgroup/memory/docker") / str(container.id) / "memory.force_empty"
    if os.access(take_back, os.W_OK):  # cgroup v1: the kernel itself says what it can take back.
        container.pause()
        take_back.write_text("0")
        left = exporter.samples()["container_memory_usage_bytes", name]
        container.unpause()
        # With the pages of the file went what the kernel found them by, which v1 does not tell.
        assert left == pytest.approx(need, abs=2 * MIB)


def test_starts_stops_and_changes_show_up_within_a_second(exporter: Exporter, run: Run) -> None:
    container = run()
    name, other = str(container.name), f"{container.name}-renamed"
    eventually(lambda: name in exporter.names(), "a started container is exported", within=1)
    assert ("container_spec_cpu_quota", name) not in exporter.samples()
    container.update(cpu_quota=20_000, cpu_period=100_000)
    key = ("container_spec_cpu_quota", name)
    eventually(lambda: exporter.samples().get(key) == 20_000, "a new limit is exported", within=1)
    container.rename(other)
    eventually(lambda: exporter.names() & {name, other} == {other}, "a new name is exported", within=1)
    container.kill()
    eventually(lambda: other not in exporter.names(), "a stopped one is not exported", within=1)
    container.start()
    eventually(lambda: other in exporter.names(), "a restarted one is exported again", within=1)


def test_containers_that_are_removed_while_we_scrape_are_left_out_without_an_error(
    exporter: Exporter, run: Run
) -> None:
    containers = [run() for _ in range(3)]
    names = {str(container.name) for container in containers}
    before = exporter.errors()
    eventually(lambda: names <= exporter.names(), "all are exported", within=2)

    def remove_all() -> None:
        for container in containers:
            container.remove(force=True)

    removing = threading.Thread(target=remove_all)
    removing.start()
    scrapes = 0
    while removing.is_alive():
        exporter.samples()
        scrapes += 1
    removing.join()
    eventually(lambda: not names & exporter.names(), "none is exported", within=1)
    assert scrapes > 3
    assert exporter.errors() == before


def test_without_cgroup_files_the_engines_stats_are_exported_and_a_scrape_stays_fast(
    run: Run, tmp_path: Path
) -> None:
    container = run(BURN, mem_limit="64m", nano_cpus=1_000_000_000)
    name = str(container.name)
    wait_for_output(container, "burned")
    with exporter_process(cgroup_root=str(tmp_path)) as running:
        eventually(lambda: name in running.names(), "it is exported", within=10)
        began = time.monotonic()
        found = running.samples()
        assert time.monotonic() - began < SCRAPE_SECONDS
        assert found["container_cpu_usage_seconds_total", name] >= 1
        assert found["container_memory_working_set_bytes", name] > 0
        assert found["container_spec_memory_limit_bytes", name] == 64 * MIB
        assert found["container_spec_cpu_quota", name] == 100_000
        assert found["alertscale_exporter_containers", "cgroup"] == 0
        assert found["alertscale_exporter_containers", "stats"] >= 1
        container.remove(force=True)
        eventually(lambda: name not in running.names(), "it is not exported any more", within=2)


class EngineProxy:
    """Passes connections on to the Engine; can hang, or hang up, as an Engine in trouble does."""

    def __init__(self, path: Path) -> None:
        self.flowing = threading.Event()
        self.flowing.set()
        self._open: set[socket.socket] = set()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(SOCKET)
            self._open |= {client, upstream}
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """End every connection, as a restart of the Engine does."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.flowing.set()
        self.hang_up()
        # Closing alone does not wake the thread that accepts.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[EngineProxy]:
    made = EngineProxy(tmp_path / "engine.sock")
    yield made
    made.close()


def test_an_engine_that_hangs_or_restarts_costs_no_scrape_and_no_container(
    proxy: EngineProxy, run: Run, tmp_path: Path
) -> None:
    before = str(run().name)
    connected = ("alertscale_exporter_engine_connected", "")
    with exporter_process(engine=str(tmp_path / "engine.sock")) as running:
        eventually(lambda: running.samples()[connected] == 1, "it is connected", within=5)
        proxy.flowing.clear()
        during = str(run().name)
        began = time.monotonic()
        names = running.names()
        assert time.monotonic() - began < SCRAPE_SECONDS
        assert before in names
        assert during not in names
        proxy.hang_up()
        eventually(lambda: running.samples()[connected] == 0, "the loss is seen", within=5)
        assert before in running.names()
        proxy.flowing.set()
        eventually(lambda: running.samples()[connected] == 1, "it reconnects", within=15)
        eventually(lambda: during in running.names(), "what was missed is listed", within=2)
        after = str(run().name)
        eventually(lambda: after in running.names(), "events are followed again", within=1)


@pytest.fixture(scope="module")
def built(engine: docker.DockerClient) -> Iterator[str]:
    tag = f"{PROJECT}-exporter"
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, "exporter"], cwd=ROOT, check=True)
    yield tag
    engine.images.remove(tag, force=True)


def test_the_image_runs_as_compose_runs_it(engine: docker.DockerClient, built: str, run: Run) -> None:
    beside, port = str(run().name), free_port()
    container = engine.containers.run(
        built,
        detach=True,
        name=f"{PROJECT}-exporter",
        ports={"8080/tcp": ("127.0.0.1", port)},
        volumes=[f"{SOCKET}:{SOCKET}:ro", "/sys/fs/cgroup:/host/sys/fs/cgroup:ro"],
    )
    try:
        exporter = Exporter(port)
        eventually(exporter.healthy, "it is healthy", within=20)
        found = exporter.samples()
        assert ("container_memory_working_set_bytes", beside) in found
        assert found["alertscale_exporter_containers", "cgroup"] >= 2
        check = container.exec_run(["python", "-S", "/app/exporter/healthcheck.py"])
        assert check.exit_code == 0
        status = cast("bytes", container.exec_run(["cat", "/proc/1/status"]).output).decode()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        assert int(resident.split()[1]) * 1024 <= 48 * MIB, resident
        began = time.monotonic()
        container.stop(timeout=10)
        took = time.monotonic() - began
        assert container.wait()["StatusCode"] == 0
        assert took < 3
    finally:
        container.remove(force=True)


def test_the_cadvisor_overlay_puts_cadvisor_in_the_exporters_place() -> None:
    files = ["--file", "docker-compose.yml", "--file", "docker-compose.cadvisor.yml"]
    result = subprocess.run(
        ["docker", "compose", *files, "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    service = json.loads(result.stdout)["services"]["exporter"]
    image, _, version = service["image"].rpartition(":")
    assert (image, version[:1]) == ("ghcr.io/google/cadvisor", "v")
    assert "build" not in service
    assert all(mount["read_only"] for mount in service["volumes"])
    command = dict(flag.removeprefix("--").split("=", 1) for flag in service["command"])
    assert command["housekeeping_interval"] == "1s"
    assert command["allow_dynamic_housekeeping"] == "false"
    assert command["store_container_labels"] == "false"
    assert set(command["whitelisted_container_labels"].split(",")) == set(DEFAULT_LABELS)
    assert service["healthcheck"]["test"][:2] == ["CMD", "wget"]
