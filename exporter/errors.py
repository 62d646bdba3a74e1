"""The exporter's own exceptions and the closed list of reasons under which they are counted."""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was survived rather than done: the ``reason`` label of ``errors_total``."""

    ENGINE_UNREACHABLE = "engine_unreachable"
    """The Docker Engine does not answer; the containers that are known are read on."""
    ENGINE_ANSWER = "engine_answer"
    """The Docker Engine's answer is not what its API documents."""
    CGROUP_UNREADABLE = "cgroup_unreadable"
    """A cgroup file of a container is there and cannot be read; that container is left out."""
    STATS_UNAVAILABLE = "stats_unavailable"
    """The Engine's stats API, read where cgroup files cannot be seen, gave no reading."""


class ExporterError(Exception):
    """The base of everything that the exporter raises itself."""


class SettingsError(ExporterError):
    """The environment cannot be used.

    Attributes:
        faults: one sentence a fault, each with the variable, its value and the way out.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class EngineError(ExporterError):
    """The Docker Engine did not answer, or not in a form that we can read.

    Attributes:
        reason: the reason under which it is counted.
    """

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class CgroupUnreadableError(ExporterError):
    """A cgroup file is there but cannot be read, or holds what the kernel never writes."""


class VanishedError(ExporterError):
    """The container's cgroup went away: it stopped between the list and the read. Not a fault."""
