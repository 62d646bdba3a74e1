"""The Engine's answers to containers and readings, and its failures to EngineError."""

import gc
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.engine import DockerEngine, container_from_inspect, reading_from_stats
from exporter.errors import EngineError, Reason
from tests.unit.exporter.builders import ID, container


def inspected(**host: object) -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/shop-flask-app-1",
        "State": {
            "Running": True,
            "Restarting": False,
            "StartedAt": "2026-11-22T21:08:36.123456789Z",
        },
        "Config": {"Image": "shop-flask-app", "Labels": {"com.docker.compose.project": "shop"}},
        "HostConfig": {"CgroupParent": "", "Memory": 0, "NanoCpus": 0, **host},
    }


def test_a_running_container_is_read_from_inspect() -> None:
    found = container_from_inspect(inspected(CgroupParent="/batch"))
    assert found is not None
    assert (found.id, found.name, found.image) == (ID, "shop-flask-app-1", "shop-flask-app")
    assert found.labels == {"com.docker.compose.project": "shop"}
    assert found.started_at == 1_795_381_716
    assert found.cgroup_parent == "/batch"


@pytest.mark.parametrize(
    ("host", "quota", "period"),
    [
        ({}, 0, 100_000),
        ({"NanoCpus": 500_000_000}, 50_000, 100_000),
        ({"NanoCpus": 2_000_000_000}, 200_000, 100_000),
        ({"CpuQuota": 25_000, "CpuPeriod": 50_000}, 25_000, 50_000),
        ({"CpuQuota": 25_000, "CpuPeriod": 0}, 25_000, 100_000),
        ({"CpuQuota": -1}, 0, 100_000),
    ],
)
def test_a_cpu_limit_is_read_however_it_was_given(host: dict[str, int], quota: int, period: int) -> None:
    found = container_from_inspect(inspected(**host))
    assert found is not None
    assert (found.cpu_quota, found.cpu_period) == (quota, period)


@pytest.mark.parametrize("state", [{"Running": False}, {"Restarting": True}])
def test_a_container_without_a_process_is_not_exported(state: dict[str, bool]) -> None:
    document = inspected()
    document["State"] |= state
    assert container_from_inspect(document) is None


def test_a_container_without_labels_has_none() -> None:
    document = inspected()
    document["Config"]["Labels"] = None
    found = container_from_inspect(document)
    assert found is not None
    assert found.labels == {}


def stats(details: dict[str, int]) -> dict[str, Any]:
    return {
        "cpu_stats": {
            "cpu_usage": {"total_usage": 1_500_000_000},
            "throttling_data": {
                "periods": 10,
                "throttled_periods": 4,
                "throttled_time": 2_000_000_000,
            },
        },
        "memory_stats": {"usage": 3000, "limit": 25_000_000_000, "stats": details},
    }


@pytest.mark.parametrize(
    ("details", "slab"),
    [
        ({"inactive_file": 1, "active_file": 2, "total_inactive_file": 1000, "total_active_file": 700}, None),
        ({"inactive_file": 1000, "active_file": 700, "slab_reclaimable": 60}, 60),
    ],
    ids=["v1", "v2"],
)
def test_a_reading_of_the_stats_api_is_that_of_the_cgroup_files(
    details: dict[str, int], slab: int | None
) -> None:
    limited = container(cpu_quota=50_000, memory_limit=4000)
    reading = reading_from_stats(stats(details), container=limited)
    assert reading is not None
    assert reading.cpu_seconds == 1.5
    assert (reading.memory_usage, reading.memory_working_set) == (3000, 2000)
    assert (reading.memory_active_file, reading.memory_slab_reclaimable) == (700, slab)
    assert (reading.memory_limit, reading.cpu_quota) == (4000, 50_000)
    assert (reading.periods, reading.throttled_periods, reading.throttled_seconds) == (10, 4, 2.0)


def test_the_machines_memory_is_not_taken_for_a_limit() -> None:
    reading = reading_from_stats(stats({}), container=container())
    assert reading is not None
    assert reading.memory_limit == 0
    assert reading.periods is None


def test_the_zeros_that_the_engine_answers_for_a_stopped_container_are_no_reading() -> None:
    stopped = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}
    assert reading_from_stats(stopped, container=container()) is None


@pytest.fixture
def sdk_sockets() -> Iterator[None]:
    """The SDK leaves a socket that could not connect to the garbage collector, which comes when it likes."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("sdk_sockets")
def test_an_engine_that_is_not_there_is_an_error_that_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="EXPORTER_ENGINE") as caught:
        DockerEngine(address=f"unix://{tmp_path}/absent.sock", now=lambda: 0.0)
    assert caught.value.reason is Reason.ENGINE_UNREACHABLE


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("sdk_sockets")
def test_an_answer_of_another_form_is_an_error_of_its_own(tmp_path: Path) -> None:
    address = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        answering = threading.Thread(target=_answer_twice, args=(server,))
        answering.start()
        engine = DockerEngine(address=f"unix://{address}", now=lambda: 0.0)
        with pytest.raises(EngineError) as caught:
            engine.running()
        answering.join()
    assert caught.value.reason is Reason.ENGINE_ANSWER


def _answer_twice(server: socket.socket) -> None:
    for body in (b'{"ApiVersion": "1.41"}', b'[{"Identifier": "no Id"}]'):
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
