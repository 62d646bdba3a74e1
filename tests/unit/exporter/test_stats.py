"""Readings in the background, for containers whose cgroup files cannot be seen."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from exporter.cgroup import Reading
from exporter.engine import Container
from exporter.errors import EngineError, Reason
from exporter.metrics import Metrics
from exporter.stats import MOST_WORKERS, OLDEST_SECONDS, StatsReader
from tests.unit.exporter.builders import READING, container


class StatsEngine:
    """An Engine that answers only for stats, after ``seconds``, and counts who asks at once."""

    def __init__(self, *, seconds: float = 0.0, fails: bool = False) -> None:
        self.seconds = seconds
        self.fails = fails
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def stats(self, container: Container) -> Reading | None:
        assert container.id
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self.seconds)
        with self._lock:
            self._at_once -= 1
        if self.fails:
            raise EngineError("no Engine", reason=Reason.ENGINE_UNREACHABLE)
        return READING


def eventually(condition: Callable[[], bool], *, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.005)


started: list[tuple[StatsEngine, list[Container]]] = []


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """A reader's threads outlive its test; what they log must not reach another one's output."""
    yield
    for engine, wanted in started:
        engine.fails = False
        wanted.clear()
    started.clear()


def reader(
    engine: StatsEngine,
    wanted: list[Container],
    *,
    metrics: Metrics | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> StatsReader:
    stats = StatsReader(
        connect=lambda: engine,
        wanted=lambda: list(wanted),
        metrics=metrics or Metrics(),
        monotonic=monotonic,
    )
    started.append((engine, wanted))
    stats.start()
    return stats


def test_a_wanted_container_is_read() -> None:
    stats = reader(StatsEngine(), [container(container_id="a")])
    eventually(lambda: stats.latest("a") is not None)
    seen = stats.latest("a")
    assert seen is not None
    assert seen.reading == READING


def test_slow_answers_are_waited_for_in_parallel_but_not_without_bound() -> None:
    engine = StatsEngine(seconds=0.2)
    many = [container(container_id=str(n)) for n in range(2 * MOST_WORKERS)]
    stats = reader(engine, many)
    began = time.monotonic()
    eventually(lambda: all(stats.latest(c.id) for c in many))
    assert time.monotonic() - began < 2
    assert engine.most_at_once == MOST_WORKERS


def test_the_latest_reading_is_there_at_once_while_the_engine_is_slow() -> None:
    stats = reader(StatsEngine(seconds=1.0), [container(container_id="a")])
    began = time.monotonic()
    assert stats.latest("a") is None
    assert time.monotonic() - began < 0.1


def test_an_old_reading_is_not_given() -> None:
    now = [0.0]
    wanted = [container(container_id="a")]
    engine = StatsEngine()
    stats = reader(engine, wanted, monotonic=lambda: now[0])
    eventually(lambda: stats.latest("a") is not None)
    engine.fails = True
    now[0] += OLDEST_SECONDS + 1
    assert stats.latest("a") is None


def test_a_container_that_is_gone_is_forgotten() -> None:
    wanted = [container(container_id="a")]
    stats = reader(StatsEngine(), wanted)
    eventually(lambda: stats.latest("a") is not None)
    wanted.clear()
    eventually(lambda: stats.latest("a") is None)


def test_a_failure_is_counted_and_tried_again() -> None:
    engine, metrics = StatsEngine(fails=True), Metrics()
    stats = reader(engine, [container(container_id="a")], metrics=metrics)
    eventually(lambda: metrics.errors(Reason.STATS_UNAVAILABLE) > 0)
    engine.fails = False
    eventually(lambda: stats.latest("a") is not None)


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_threads_than_containers_are_started(count: int) -> None:
    before = threading.active_count()
    wanted = [container(container_id=str(n)) for n in range(count)]
    stats = reader(StatsEngine(), wanted)
    eventually(lambda: all(stats.latest(c.id) for c in wanted))
    assert threading.active_count() <= before + count + 1
