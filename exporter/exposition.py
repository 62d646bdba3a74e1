"""Samples to Prometheus' text format, version 0.0.4. No I/O, no clock.

Labels are rendered once per container and kept, so that a scrape only writes numbers. Source of
the format: Prometheus, ``docs/instrumenting/exposition_formats.md``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from exporter.cgroup import Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Value = int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One container in one scrape.

    Attributes:
        labels: rendered labels, braces included.
        cpu_labels: the same with cAdvisor's ``cpu`` label.
        started_at: seconds since the epoch.
        seen_at: seconds since the epoch at which ``reading`` was taken.
        reading: what it uses.
    """

    labels: str
    cpu_labels: str
    started_at: int
    seen_at: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's name, type and help, as cAdvisor writes them for cAdvisor's names."""

    name: str
    kind: str
    text: str

    def header(self) -> str:
        """The HELP and TYPE lines."""
        return f"# HELP {self.name} {self.text}\n# TYPE {self.name} {self.kind}\n"


def escape(value: str) -> str:
    """Escape a label's value."""
    return value.translate(_ESCAPES)


def render_labels(labels: Mapping[str, str]) -> str:
    """Render labels with their braces; nothing at all where there are none."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"


def render_samples(family: Family, samples: Iterable[tuple[str, float]]) -> str:
    """Render one family.

    Args:
        family: its name, type and help.
        samples: pairs of rendered labels and a value.
    """
    lines = [f"{family.name}{labels} {value!r}\n" for labels, value in samples]
    return family.header() + "".join(lines)


def render_containers(rows: Iterable[Row]) -> str:
    """Render every family of every container; a value of None leaves its sample out."""
    rows = tuple(rows)
    blocks = [render_samples(CPU_USAGE, ((row.cpu_labels, row.reading.cpu_seconds) for row in rows))]
    for family, value_of in _FAMILIES:
        values = ((row.labels, value_of(row)) for row in rows)
        blocks.append(
            render_samples(family, ((labels, value) for labels, value in values if value is not None))
        )
    return "".join(blocks)


CPU_USAGE = Family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.")
_FAMILIES: tuple[tuple[Family, Callable[[Row], Value]], ...] = (
    (
        Family(
            "container_cpu_cfs_periods_total",
            "counter",
            "Number of elapsed enforcement period intervals.",
        ),
        lambda row: row.reading.periods,
    ),
    (
        Family(
            "container_cpu_cfs_throttled_periods_total",
            "counter",
            "Number of throttled period intervals.",
        ),
        lambda row: row.reading.throttled_periods,
    ),
    (
        Family(
            "container_cpu_cfs_throttled_seconds_total",
            "counter",
            "Total time duration the container has been throttled.",
        ),
        lambda row: row.reading.throttled_seconds,
    ),
    (
        Family("container_last_seen", "gauge", "Last time a container was seen by the exporter"),
        lambda row: row.seen_at,
    ),
    (
        # Ours, not cAdvisor's.
        Family(
            "container_memory_slab_reclaimable_bytes",
            "gauge",
            "Names and attributes of files that the kernel keeps and can take back, in bytes (cgroup v2).",
        ),
        lambda row: row.reading.memory_slab_reclaimable,
    ),
    (
        Family("container_memory_total_active_file_bytes", "gauge", "Current total active file in bytes."),
        lambda row: row.reading.memory_active_file,
    ),
    (
        Family(
            "container_memory_usage_bytes",
            "gauge",
            "Current memory usage in bytes, including all memory regardless of when it was accessed",
        ),
        lambda row: row.reading.memory_usage,
    ),
    (
        Family("container_memory_working_set_bytes", "gauge", "Current working set in bytes."),
        lambda row: row.reading.memory_working_set,
    ),
    (
        Family("container_spec_cpu_period", "gauge", "CPU period of the container."),
        lambda row: row.reading.cpu_period,
    ),
    (
        # cAdvisor leaves the quota out where there is none, and writes a memory limit of 0.
        Family("container_spec_cpu_quota", "gauge", "CPU quota of the container."),
        lambda row: row.reading.cpu_quota or None,
    ),
    (
        Family("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container."),
        lambda row: row.reading.memory_limit,
    ),
    (
        Family(
            "container_start_time_seconds",
            "gauge",
            "Start time of the container since unix epoch in seconds.",
        ),
        lambda row: row.started_at,
    ),
)
MACHINE_CORES = Family("machine_cpu_cores", "gauge", "Number of CPU cores on the machine.")
MACHINE_MEMORY = Family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.")
