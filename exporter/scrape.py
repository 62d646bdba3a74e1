"""One scrape: read every container, render, count."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from exporter.cgroup import Reading
from exporter.containers import Tracked
from exporter.errors import CgroupUnreadableError, Reason, VanishedError
from exporter.exposition import (
    MACHINE_CORES,
    MACHINE_MEMORY,
    Row,
    render_containers,
    render_samples,
)
from exporter.metrics import Metrics
from exporter.stats import Seen

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that all containers share: cores and memory in bytes."""

    cores: int
    memory: int

    def render(self) -> str:
        """Render both figures."""
        cores = render_samples(MACHINE_CORES, [("", self.cores)])
        return cores + render_samples(MACHINE_MEMORY, [("", self.memory)])


def this_machine() -> Machine:
    """Read the machine; neither figure is namespaced, so that a container sees the host's."""
    return Machine(
        cores=os.cpu_count() or 1,
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scraper:
    """Takes a scrape; asks the Engine nothing, so that it is never held up by it.

    Args:
        tracked: the running containers by id.
        latest: the latest reading by the stats API, if there is a fresh one.
        machine: the machine's figures.
        metrics: the exporter's own.
    """

    tracked: Callable[[], Mapping[str, Tracked]]
    latest: Callable[[str], Seen | None]
    machine: Machine
    metrics: Metrics

    def scrape(self) -> bytes:
        """Read and render everything. A container that vanishes meanwhile is left out."""
        began = time.monotonic()
        rows, by_source = self._rows()
        containers = render_containers(rows)
        self.metrics.scraped(time.monotonic() - began)
        text = containers + self.machine.render() + self.metrics.render(by_source=by_source)
        # A label that holds half a surrogate pair must not cost all others their readings.
        return text.encode("utf-8", errors="replace")

    def _rows(self) -> tuple[list[Row], dict[str, int]]:
        by_source = {"cgroup": 0, "stats": 0}
        rows = []
        for tracked in self.tracked().values():
            reading, seen_at = self._read(tracked)
            if reading is None:
                continue
            by_source["stats" if tracked.files is None else "cgroup"] += 1
            rows.append(
                Row(
                    labels=tracked.labels,
                    cpu_labels=tracked.cpu_labels,
                    started_at=tracked.container.started_at,
                    seen_at=int(seen_at),
                    reading=reading,
                )
            )
        return rows, by_source

    def _read(self, tracked: Tracked) -> tuple[Reading | None, float]:
        """A reading, if there is one, and when it was taken, in seconds since the epoch."""
        now = time.time()
        if tracked.files is None:
            seen = self.latest(tracked.container.id)
            if seen is None:
                return None, now
            return seen.reading, now - (time.monotonic() - seen.at)
        try:
            return tracked.files.read(), now
        except VanishedError:
            log.debug("container.vanished", container=tracked.container.name)
        except CgroupUnreadableError as error:
            self.metrics.count(Reason.CGROUP_UNREADABLE)
            log.warning("cgroup.unreadable", container=tracked.container.name, error=str(error))
        return None, now
