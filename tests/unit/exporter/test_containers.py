"""The registry follows an Engine: one in memory here, a real one in tests/integration."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from exporter.cgroup import Driver
from exporter.containers import Registry
from exporter.engine import Change, Container
from exporter.errors import EngineError, Reason
from exporter.metrics import Metrics
from exporter.settings import DEFAULT_LABELS
from tests.unit.exporter.builders import Tree, container

A, B = "a" * 64, "b" * 64


class MemoryEngine:
    """An Engine whose containers are a dict; it can be unreachable, hang, or lose events."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.events: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self.reachable = True
        self.answers = threading.Event()
        self.answers.set()

    def connect(self) -> "MemoryEngine":
        self._ask()
        return self

    def _ask(self) -> None:
        self.answers.wait()
        if not self.reachable:
            raise EngineError("no Engine", reason=Reason.ENGINE_UNREACHABLE)

    def start(self, found: Container) -> None:
        self.containers[found.id] = found
        self.events.put(Change(found.id, gone=False))

    def stop(self, container_id: str) -> None:
        del self.containers[container_id]
        self.events.put(Change(container_id, gone=True))

    def driver(self) -> Driver | None:
        self._ask()
        return "cgroupfs"

    def running(self) -> Sequence[str]:
        self._ask()
        return list(self.containers)

    def inspect(self, container_id: str) -> Container | None:
        self._ask()
        return self.containers.get(container_id)

    def changes(self) -> Iterator[Change]:
        self._ask()
        return iter(self.events.get, None)


def eventually(condition: Callable[[], bool], *, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.005)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def start(engine: MemoryEngine, metrics: Metrics, tmp_path: Path) -> Callable[..., Registry]:
    def started(*, relist_seconds: float = 600.0) -> Registry:
        registry = Registry(
            connect=engine.connect,
            cgroup_root=tmp_path,
            container_labels=DEFAULT_LABELS,
            metrics=metrics,
            relist_seconds=relist_seconds,
        )
        registry.start()
        return registry

    return started


def test_what_ran_before_is_listed(engine: MemoryEngine, start: Callable[..., Registry]) -> None:
    engine.containers[A] = container(container_id=A)
    registry = start()
    eventually(lambda: set(registry.tracked()) == {A})
    assert registry.listed


def test_starts_and_stops_are_followed(engine: MemoryEngine, start: Callable[..., Registry]) -> None:
    registry = start()
    eventually(lambda: registry.listed)
    engine.start(container(container_id=A))
    engine.start(container(container_id=B))
    eventually(lambda: set(registry.tracked()) == {A, B})
    engine.stop(A)
    eventually(lambda: set(registry.tracked()) == {B})


def test_a_rename_and_a_new_limit_are_followed(engine: MemoryEngine, start: Callable[..., Registry]) -> None:
    registry = start()
    engine.start(container(container_id=A, name="before"))
    eventually(lambda: A in registry.tracked())
    engine.start(container(container_id=A, name="after", memory_limit=4096))
    eventually(lambda: registry.tracked()[A].container.name == "after")
    assert 'name="after"' in registry.tracked()[A].labels
    assert registry.tracked()[A].container.memory_limit == 4096


def test_a_start_that_is_over_when_we_look_adds_nothing(
    engine: MemoryEngine, start: Callable[..., Registry]
) -> None:
    registry = start()
    engine.events.put(Change(A, gone=False))
    engine.start(container(container_id=B))
    eventually(lambda: set(registry.tracked()) == {B})


def test_a_lost_event_is_made_up_for_by_the_next_list(
    engine: MemoryEngine, start: Callable[..., Registry]
) -> None:
    registry = start(relist_seconds=0.05)
    eventually(lambda: registry.listed)
    engine.containers[A] = container(container_id=A)
    eventually(lambda: A in registry.tracked())
    del engine.containers[A]
    eventually(lambda: A not in registry.tracked())


def test_everything_is_listed_again_after_a_reconnect(
    engine: MemoryEngine, start: Callable[..., Registry]
) -> None:
    registry = start()
    eventually(lambda: registry.listed)
    engine.containers[A] = container(container_id=A)
    engine.events.put(None)
    eventually(lambda: A in registry.tracked())


def test_an_engine_that_is_away_is_counted_and_what_was_known_is_kept(
    engine: MemoryEngine, metrics: Metrics, start: Callable[..., Registry]
) -> None:
    engine.containers[A] = container(container_id=A)
    registry = start(relist_seconds=0.05)
    eventually(lambda: A in registry.tracked() and metrics.streaming and metrics.answering)
    engine.reachable = False
    engine.events.put(None)
    eventually(lambda: not metrics.streaming and not metrics.answering)
    assert metrics.errors(Reason.ENGINE_UNREACHABLE) > 0
    assert A in registry.tracked()
    engine.containers[B] = container(container_id=B)
    engine.reachable = True
    eventually(lambda: B in registry.tracked() and metrics.streaming and metrics.answering)


def test_an_engine_that_is_not_there_yet_is_waited_for(
    engine: MemoryEngine, start: Callable[..., Registry]
) -> None:
    engine.reachable = False
    registry = start()
    assert not registry.listed
    engine.reachable = True
    eventually(lambda: registry.listed)


def test_an_engine_that_hangs_does_not_hang_the_reader(
    engine: MemoryEngine, start: Callable[..., Registry]
) -> None:
    engine.containers[A] = container(container_id=A)
    registry = start()
    eventually(lambda: A in registry.tracked())
    engine.answers.clear()
    engine.start(container(container_id=B))
    began = time.monotonic()
    assert A in registry.tracked()
    assert time.monotonic() - began < 0.1
    engine.answers.set()
    eventually(lambda: B in registry.tracked())


def test_cgroup_files_are_found_where_they_are_and_else_left_to_the_stats_api(
    engine: MemoryEngine, start: Callable[..., Registry], tmp_path: Path
) -> None:
    tree = Tree(root=tmp_path, version=1, driver="cgroupfs")
    tree.add(container_id=A)
    engine.containers |= {A: container(container_id=A), B: container(container_id=B)}
    registry = start()
    eventually(lambda: set(registry.tracked()) == {A, B})
    assert registry.tracked()[A].files is not None
    assert registry.tracked()[B].files is None
