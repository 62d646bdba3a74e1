"""The running containers, kept current by the Engine's events.

Two daemon threads, so that an Engine that hangs holds up neither a scrape nor the end of the
process: one follows the event stream, the other asks the Engine what runs and alone changes the list.
Events are lost when a subscriber is slow or reconnects, hence a list of everything after each
connection and every 30 s.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from exporter.cgroup import Driver, Files, cgroup_path, find_hierarchy
from exporter.engine import Change, Container, Lister
from exporter.errors import EngineError
from exporter.exposition import render_labels
from exporter.metrics import Metrics
from exporter.settings import label_name
from exporter.swarm import with_compose_names

RELIST_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A container with what a scrape needs of it, worked out once.

    Attributes:
        container: the Engine's description.
        files: its cgroup files; None where they cannot be seen.
        labels: rendered labels of its samples.
        cpu_labels: the same with ``cpu="total"``.
    """

    container: Container
    files: Files | None
    labels: str
    cpu_labels: str


def sample_labels(container: Container, *, path: str, container_labels: tuple[str, ...]) -> dict[str, str]:
    """The labels of a container's samples, in cAdvisor's order.

    A container label that is not set is an empty label, which is to Prometheus the same as none.
    """
    known = with_compose_names(container.labels)
    labels = {label_name(name): known.get(name, "") for name in container_labels}
    return labels | {"id": path, "image": container.image, "name": container.name}


def track(
    container: Container,
    *,
    driver: Driver | None,
    cgroup_root: Path,
    container_labels: tuple[str, ...],
) -> Tracked:
    """Find a container's cgroup files and render its labels."""
    path = cgroup_path(container_id=container.id, parent=container.cgroup_parent, driver=driver or "cgroupfs")
    hierarchy = find_hierarchy(cgroup_root) if driver else None
    labels = sample_labels(container, path=path, container_labels=container_labels)
    named = {name: value for name, value in labels.items() if name not in {"id", "image", "name"}}
    cpu_labels = named | {"cpu": "total"} | labels
    return Tracked(
        container=container,
        files=hierarchy.locate(path) if hierarchy else None,
        labels=render_labels(labels),
        cpu_labels=render_labels(cpu_labels),
    )


@dataclass(kw_only=True, eq=False)
class Registry:
    """Every running container.

    Args:
        connect: makes a client of the Engine; called by each thread for its own.
        cgroup_root: where the host's ``/sys/fs/cgroup`` is mounted.
        container_labels: the container labels that become Prometheus labels.
        metrics: where failures and the connection's state are kept.
        relist_seconds: the longest time between two lists of everything.
    """

    connect: Callable[[], Lister]
    cgroup_root: Path
    container_labels: tuple[str, ...]
    metrics: Metrics
    relist_seconds: float = RELIST_SECONDS
    listed: bool = field(default=False, init=False)
    """Whether the Engine was ever listed."""
    _inbox: queue.SimpleQueue[Change | None] = field(default_factory=queue.SimpleQueue, init=False)
    _tracked: Mapping[str, Tracked] = field(default_factory=dict, init=False)
    _engine: Lister | None = field(default=None, init=False)
    _driver: Driver | None = field(default=None, init=False)

    def start(self) -> None:
        """Start both threads."""
        threading.Thread(target=self._follow, name="events", daemon=True).start()
        threading.Thread(target=self._keep, name="registry", daemon=True).start()

    def tracked(self) -> Mapping[str, Tracked]:
        """The running containers by id; never changed in place, so it is safe to walk."""
        return self._tracked

    def _follow(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            try:
                changes = self.connect().changes()
                self.metrics.streaming = True
                self._inbox.put(None)
                retry = FIRST_RETRY_SECONDS
                log.info("engine.events.open")
                for change in changes:
                    self._inbox.put(change)
                log.warning("engine.events.closed", retry_in=retry)
            except EngineError as error:
                self._survived("engine.events.failed", error, retry_in=retry)
            self.metrics.streaming = False
            time.sleep(retry)
            retry = min(2 * retry, LONGEST_RETRY_SECONDS)

    def _keep(self) -> None:
        due, retry = time.monotonic(), FIRST_RETRY_SECONDS
        while True:
            try:
                change = self._next_change(due)
                if change is None:
                    self._relist()
                    due = time.monotonic() + self.relist_seconds
                else:
                    self._apply(change)
                self.metrics.answering = True
                retry = FIRST_RETRY_SECONDS
            except EngineError as error:
                self._survived("engine.failed", error, retry_in=retry)
                self.metrics.answering = False
                self._engine = None
                due = time.monotonic() + retry
                retry = min(2 * retry, LONGEST_RETRY_SECONDS)

    def _next_change(self, due: float) -> Change | None:
        """The next change; None when it is time to list everything."""
        wait = due - time.monotonic()
        if wait <= 0:
            return None
        try:
            return self._inbox.get(timeout=wait)
        except queue.Empty:
            return None

    def _client(self) -> Lister:
        if self._engine is None:
            self._engine = self.connect()
        return self._engine

    def _relist(self) -> None:
        """List and inspect everything: the Engine's list has neither limits nor start times."""
        engine = self._client()
        self._driver = engine.driver()
        found = (engine.inspect(container_id) for container_id in engine.running())
        self._tracked = {c.id: self._track(c) for c in found if c is not None}
        self.listed = True

    def _apply(self, change: Change) -> None:
        container = None if change.gone else self._client().inspect(change.container_id)
        tracked = dict(self._tracked)
        if container is None:
            tracked.pop(change.container_id, None)
        else:
            tracked[container.id] = self._track(container)
        self._tracked = tracked

    def _track(self, container: Container) -> Tracked:
        return track(
            container,
            driver=self._driver,
            cgroup_root=self.cgroup_root,
            container_labels=self.container_labels,
        )

    def _survived(self, event: str, error: EngineError, *, retry_in: float) -> None:
        self.metrics.count(error.reason)
        log.warning(event, error=str(error), reason=error.reason, retry_in=retry_in)
