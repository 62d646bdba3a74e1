"""Readings from the Engine's stats API, for containers whose cgroup files cannot be seen.

On an Engine older than 25 one answer takes up to 1 s, so that readings are taken in the
background, in parallel, and a scrape takes what is there.
"""

import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from exporter.cgroup import Reading
from exporter.engine import Container, Meter
from exporter.errors import EngineError, Reason
from exporter.metrics import Metrics

# At 1 s an answer, that many containers are read afresh every second; beyond, less often.
MOST_WORKERS = 16
REFRESH_SECONDS = 1.0
# An older reading is left out: no data is not the same as no load.
OLDEST_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A reading and the time at which it was taken, on the monotonic clock."""

    reading: Reading
    at: float


@dataclass(kw_only=True, eq=False)
class StatsReader:
    """Keeps the latest reading of each container that is wanted.

    Args:
        connect: makes a client of the Engine; called by each thread for its own.
        wanted: the containers to read, asked every second.
        metrics: where failures are counted.
        monotonic: a clock that never goes back, in seconds.
    """

    connect: Callable[[], Meter]
    wanted: Callable[[], Collection[Container]]
    metrics: Metrics
    monotonic: Callable[[], float] = time.monotonic
    _seen: dict[str, Seen] = field(default_factory=dict, init=False)
    _todo: queue.SimpleQueue[Container] = field(default_factory=queue.SimpleQueue, init=False)
    _pending: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _workers: int = field(default=0, init=False)

    def start(self) -> None:
        """Start the thread that asks for readings; those that take them start on demand."""
        threading.Thread(target=self._refresh_for_ever, name="stats", daemon=True).start()

    def latest(self, container_id: str) -> Seen | None:
        """The latest reading; None where there is none that is fresh enough."""
        seen = self._seen.get(container_id)
        if seen is None or self.monotonic() - seen.at > OLDEST_SECONDS:
            return None
        return seen

    def _refresh_for_ever(self) -> None:
        while True:
            self._refresh()
            time.sleep(REFRESH_SECONDS)

    def _refresh(self) -> None:
        wanted = {container.id: container for container in self.wanted()}
        with self._lock:
            for forgotten in self._seen.keys() - wanted.keys():
                del self._seen[forgotten]
            new = wanted.keys() - self._pending
            self._pending |= new
            missing = min(MOST_WORKERS, len(wanted)) - self._workers
        for container_id in new:
            self._todo.put(wanted[container_id])
        for _ in range(missing):
            self._workers += 1
            name = f"stats-{self._workers}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        engine: Meter | None = None
        while True:
            container = self._todo.get()
            reading = None
            try:
                engine = engine or self.connect()
                reading = engine.stats(container)
            except EngineError as error:
                engine = None
                self.metrics.count(Reason.STATS_UNAVAILABLE)
                log.warning("stats.failed", container=container.name, error=str(error))
            with self._lock:
                self._pending.discard(container.id)
                if reading is not None:
                    self._seen[container.id] = Seen(reading, self.monotonic())
