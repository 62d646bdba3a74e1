"""What the exporter asks of the Docker Engine. The only module that knows the Docker SDK."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

import docker
import requests.exceptions
import urllib3.exceptions
from docker.errors import DockerException, NotFound

from exporter.cgroup import DEFAULT_PERIOD_US, Driver, Reading, working_set
from exporter.errors import EngineError, Reason

TIMEOUT_SECONDS = 5
_DROPS = frozenset({"die", "destroy"})
_CHANGES = ("start", "die", "destroy", "rename", "update")
# The first API version that takes `one-shot`.
_ONE_SHOT_SINCE = (1, 41)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A running container, as the Engine describes it.

    Attributes:
        id: the full id.
        name: without the leading slash.
        image: as it was named when the container was made.
        labels: all of its labels.
        started_at: whole seconds since the epoch.
        cgroup_parent: ``HostConfig.CgroupParent``; empty for the Engine's default.
        cpu_quota: microseconds of CPU time per period; 0 where there is none.
        cpu_period: microseconds.
        memory_limit: bytes; 0 where there is none.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    started_at: int
    cgroup_parent: str
    cpu_quota: int
    cpu_period: int
    memory_limit: int


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a container; ``gone`` when it no longer runs."""

    container_id: str
    gone: bool


class Lister(Protocol):
    """Tells which containers run; every call raises EngineError where it gets no answer."""

    def driver(self) -> Driver | None:
        """The cgroup driver; None where the Engine uses none (rootless without delegation)."""

    def running(self) -> Sequence[str]:
        """The ids of all running containers."""

    def inspect(self, container_id: str) -> Container | None:
        """One container; None where it does not run."""

    def changes(self) -> Iterator[Change]:
        """Every change from now on; ends when the Engine closes the stream."""


class Meter(Protocol):
    """Tells what a container uses; raises EngineError where it gets no answer."""

    def stats(self, container: Container) -> Reading | None:
        """What a container uses, by the Engine's own count; None where it does not run."""


class DockerEngine:
    """``Lister`` and ``Meter`` over the Docker SDK's low-level client. One instance belongs to one thread."""

    def __init__(self, *, address: str, now: Callable[[], float]) -> None:
        with _answered("version"):
            self._api = docker.APIClient(base_url=address, version="auto", timeout=TIMEOUT_SECONDS)
        self._now = now

    def driver(self) -> Driver | None:
        """See ``Lister``."""
        with _answered("info"):
            driver = self._api.info().get("CgroupDriver")
        return cast("Driver", driver) if driver in {"cgroupfs", "systemd"} else None

    def running(self) -> Sequence[str]:
        """See ``Lister``."""
        with _answered("containers/json"):
            return [summary["Id"] for summary in self._api.containers()]

    def inspect(self, container_id: str) -> Container | None:
        """See ``Lister``."""
        with _answered(f"containers/{container_id}/json"):
            try:
                document = self._api.inspect_container(container_id)
            except NotFound:
                return None
            return container_from_inspect(document)

    def changes(self) -> Iterator[Change]:
        """See ``Lister``.

        The Engine answers before it subscribes us; asking from the current second on closes the
        gap, at the price of a few changes told twice.
        """
        filters = {"type": ["container"], "event": list(_CHANGES)}
        with _answered("events"):
            stream = self._api.events(since=int(self._now()), filters=filters, decode=True)
        return self._read_changes(stream)

    def _read_changes(self, stream: Iterator[Any]) -> Iterator[Change]:
        with _answered("events"):
            for event in stream:
                yield Change(event["Actor"]["ID"], gone=event["Action"] in _DROPS)

    def stats(self, container: Container) -> Reading | None:
        """See ``Meter``. Waits up to 1 s on an Engine older than 25."""
        version = tuple(int(part) for part in self._api.api_version.split("."))
        one_shot = True if version >= _ONE_SHOT_SINCE else None
        with _answered(f"containers/{container.id}/stats"):
            try:
                document = self._api.stats(container.id, stream=False, one_shot=one_shot)
            except NotFound:
                return None
            return reading_from_stats(cast("dict[str, Any]", document), container=container)


def is_replaced(address: str) -> bool:
    """Whether the socket at an address was deleted, and so can never lead to an Engine again.

    A mount holds the file, not its name. An Engine that is not started by systemd makes a new socket at
    each start; a container that lived on (live restore) keeps the old one until it is started anew.
    """
    scheme, _, path = address.partition("://")
    try:
        return scheme == "unix" and Path(path).stat().st_nlink == 0
    except OSError:
        return False


@contextmanager
def _answered(what: str) -> Iterator[None]:
    """Turn every way in which the SDK fails into one EngineError that says what was asked."""
    try:
        yield
    except (
        DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise EngineError(
            f"the Docker Engine did not answer {what}: {error}; check that it runs and that its "
            "socket is mounted at the address in EXPORTER_ENGINE",
            reason=Reason.ENGINE_UNREACHABLE,
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineError(
            f"the Docker Engine's answer to {what} is not what its API documents: {error!r}; "
            "please report it with the output of `docker version`",
            reason=Reason.ENGINE_ANSWER,
        ) from error


def container_from_inspect(document: Mapping[str, Any]) -> Container | None:
    """Read ``GET /containers/<id>/json``.

    Returns:
        The container; None where it has no process: stopped, or waiting to be restarted.

    Raises:
        KeyError, TypeError, ValueError: the answer is not of the documented form.
    """
    state, host, config = document["State"], document["HostConfig"], document["Config"]
    if not state["Running"] or state.get("Restarting"):
        return None
    quota, period = _cpu_limit(host)
    return Container(
        id=document["Id"],
        name=document["Name"].removeprefix("/"),
        image=config["Image"],
        labels=config.get("Labels") or {},
        started_at=int(datetime.fromisoformat(state["StartedAt"]).timestamp()),
        cgroup_parent=host.get("CgroupParent") or "",
        cpu_quota=quota,
        cpu_period=period,
        memory_limit=max(0, host.get("Memory") or 0),
    )


def _cpu_limit(host: Mapping[str, Any]) -> tuple[int, int]:
    """Quota and period in microseconds; ``--cpus`` is kept in billionths of a core."""
    nano_cpus = host.get("NanoCpus") or 0
    if nano_cpus > 0:
        return nano_cpus * DEFAULT_PERIOD_US // 1_000_000_000, DEFAULT_PERIOD_US
    return max(0, host.get("CpuQuota") or 0), host.get("CpuPeriod") or DEFAULT_PERIOD_US


def reading_from_stats(document: Mapping[str, Any], *, container: Container) -> Reading | None:
    """Read ``GET /containers/<id>/stats``; its times are in nanoseconds.

    Args:
        document: the Engine's answer.
        container: the container, for its limits: the answer's own memory limit is the machine's
            where there is none.

    Returns:
        The reading; None where the Engine answered for a container that does not run.

    Raises:
        KeyError, TypeError, ValueError: the answer is not of the documented form.
    """
    memory = document.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    inactive, active = (
        details.get(f"total_{name}", details.get(name, 0)) for name in ("inactive_file", "active_file")
    )
    throttling = (document["cpu_stats"].get("throttling_data") or {}) if container.cpu_quota else {}
    throttled_time = throttling.get("throttled_time")
    return Reading(
        cpu_seconds=int(document["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9,
        memory_usage=int(memory["usage"]),
        memory_working_set=working_set(usage=int(memory["usage"]), inactive_file=int(inactive)),
        memory_active_file=int(active),
        memory_slab_reclaimable=details.get("slab_reclaimable"),
        memory_limit=container.memory_limit,
        cpu_quota=container.cpu_quota,
        cpu_period=container.cpu_period,
        periods=throttling.get("periods"),
        throttled_periods=throttling.get("throttled_periods"),
        throttled_seconds=None if throttled_time is None else throttled_time / 1e9,
    )
