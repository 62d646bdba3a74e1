"""What the exporter counts about itself."""

import threading
from dataclasses import dataclass, field

from exporter.errors import Reason
from exporter.exposition import Family, render_labels, render_samples

_DURATION = "alertscale_exporter_scrape_duration_seconds"
SCRAPE_DURATION = Family(_DURATION, "summary", "Time to read and render one scrape, without sending it.")
ERRORS = Family(
    "alertscale_exporter_errors_total", "counter", "What was survived rather than done, by reason."
)
CONTAINERS = Family(
    "alertscale_exporter_containers",
    "gauge",
    "Containers in this scrape, by the source of their readings.",
)
CONNECTED = Family(
    "alertscale_exporter_engine_connected",
    "gauge",
    "1 while the Engine answers and its event stream is open, else 0.",
)


@dataclass(slots=True)
class Metrics:
    """Thread-safe counts; ``streaming`` and ``answering`` each belong to one writing thread."""

    streaming: bool = False
    answering: bool = False
    _errors: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    _scrapes: int = 0
    _scrape_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, reason: Reason) -> None:
        """Count one survived failure."""
        with self._lock:
            self._errors[reason] += 1

    def errors(self, reason: Reason) -> int:
        """How often ``reason`` was counted."""
        return self._errors[reason]

    def scraped(self, seconds: float) -> None:
        """Count one scrape that took ``seconds``."""
        with self._lock:
            self._scrapes += 1
            self._scrape_seconds += seconds

    def render(self, *, by_source: dict[str, int]) -> str:
        """Render all of them.

        Args:
            by_source: containers in this scrape, ``cgroup`` and ``stats``.
        """
        with self._lock:
            errors = [(render_labels({"reason": r}), n) for r, n in self._errors.items()]
            scrapes, seconds = self._scrapes, self._scrape_seconds
        connected = int(self.streaming and self.answering)
        sources = ((render_labels({"source": s}), n) for s, n in by_source.items())
        return "".join(
            (
                render_samples(CONNECTED, [("", connected)]),
                render_samples(CONTAINERS, sources),
                render_samples(ERRORS, errors),
                SCRAPE_DURATION.header(),
                f"{_DURATION}_count {scrapes}\n{_DURATION}_sum {seconds!r}\n",
            )
        )
