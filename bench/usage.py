"""What a container uses, as the engine reads it off its cgroup: nothing runs inside for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One reading.

    Attributes:
        at: seconds since the epoch.
        cpu: seconds of CPU since the container's start, health checks and ``docker exec`` included.
        memory: its working set in bytes: usage without inactive file pages, as cAdvisor has it.
    """

    at: float
    cpu: float
    memory: float


def look(engine: docker.DockerClient, container: str) -> Usage:
    """Read once; an engine before 25 takes up to a second over it."""
    return reading(engine.api.stats(container, stream=False, one_shot=True))


def reading(stats: Mapping[str, Any]) -> Usage:
    """The reading in an answer of ``GET /containers/<id>/stats``. Pure.

    The name of the inactive file pages tells cgroup v1 (``total_inactive_file``) from v2.
    """
    memory = stats["memory_stats"]
    pages = memory["stats"]
    inactive = pages.get("total_inactive_file", pages.get("inactive_file", 0))
    return Usage(
        at=datetime.fromisoformat(stats["read"]).timestamp(),
        cpu=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory=max(0, memory["usage"] - inactive),
    )


def percent_of_core(first: Usage, last: Usage) -> float:
    """CPU between two readings, in percent of one core. Pure."""
    return 100 * (last.cpu - first.cpu) / (last.at - first.at)
