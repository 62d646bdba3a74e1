"""cgroup files to readings: v1 and v2, cgroupfs and systemd drivers.

Paths are plain strings that are put together once per container, because a scrape reads five
(v2) or seven (v1) files for each of a hundred containers every second.
"""

import errno
import os
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal, Protocol

from exporter.errors import CgroupUnreadableError, VanishedError

Driver = Literal["cgroupfs", "systemd"]

DEFAULT_PERIOD_US = 100_000
# cAdvisor calls a limit above this "none" (metrics/prometheus.go, maxMemorySize); v1 writes
# 2^63 - 4096 where there is no limit.
LARGEST_MEMORY_LIMIT = 1 << 62
# Larger than any of the files that we read; the kernel hands out each of them in one piece.
READ_BYTES = 64 * 1024
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a container uses and what it may use, at one moment.

    Attributes:
        cpu_seconds: CPU time used since the start, in seconds.
        memory_usage: bytes, page cache included.
        memory_working_set: bytes, less the page cache that was read once or long ago.
        memory_active_file: bytes of page cache that was read again, which the kernel takes back as well.
        memory_slab_reclaimable: bytes of names and attributes of files that the kernel keeps and can take
            back; None where it does not tell (cgroup v1).
        memory_limit: bytes; 0 where there is none.
        cpu_quota: microseconds of CPU time per period; 0 where there is none.
        cpu_period: microseconds.
        periods: elapsed enforcement periods; None where there is no quota.
        throttled_periods: periods in which the container was held; None likewise.
        throttled_seconds: time for which it was held; None likewise.
    """

    cpu_seconds: float
    memory_usage: int
    memory_working_set: int
    memory_active_file: int
    memory_limit: int
    cpu_quota: int
    cpu_period: int
    memory_slab_reclaimable: int | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_seconds: float | None = None


class Files(Protocol):
    """One container's cgroup files."""

    def read(self) -> Reading:
        """Read them now.

        Raises:
            VanishedError: the container has stopped.
            CgroupUnreadableError: a file cannot be read or understood.
        """


class Hierarchy(Protocol):
    """A mounted cgroup tree."""

    def locate(self, path: str) -> Files | None:
        """Find the files of the cgroup at ``path`` (from the tree's root); None if not there."""


def working_set(*, usage: int, inactive_file: int) -> int:
    """Usage less the page cache that is on the kernel's inactive list, never below 0, in bytes.

    Source: cAdvisor, ``container/libcontainer/handler.go``, ``setMemoryStats``. What the kernel could not
    take back is less: the recording rules subtract the active list, too (the kernel's cgroup-v2.rst and
    cgroup-v1/memory.rst, ``memory.stat``).
    """
    return max(0, usage - inactive_file)


def cgroup_path(*, container_id: str, parent: str, driver: Driver) -> str:
    """Where the Engine puts a container's cgroup, from the root of the tree.

    Args:
        container_id: the full id.
        parent: ``HostConfig.CgroupParent``; empty for the Engine's default.
        driver: the Engine's cgroup driver.

    Source: moby, ``daemon/oci_linux.go``, ``WithCgroups``.
    """
    if driver == "systemd":
        return f"{expand_slice(parent or 'system.slice')}/docker-{container_id}.scope"
    return f"/{(parent or 'docker').strip('/')}/{container_id}"


def expand_slice(name: str) -> str:
    """The path of a systemd slice: ``a-b.slice`` lives in ``/a.slice/a-b.slice``.

    Source: runc, ``libcontainer/cgroups/systemd/common.go``, ``ExpandSlice``; systemd.slice(5).
    """
    stem = name.strip("/").removesuffix(".slice")
    if stem in {"", "-"}:
        return ""
    parts = stem.split("-")
    return "".join(f"/{'-'.join(parts[: n + 1])}.slice" for n in range(len(parts)))


def find_hierarchy(root: Path) -> Hierarchy | None:
    """The tree that is mounted at ``root``; None where there is none that we can use.

    A hybrid host mounts v2 below ``unified`` and keeps its controllers on v1: it is v1 for us.
    """
    if (root / "cgroup.controllers").exists():
        return V2Hierarchy(root=str(root))
    cpuacct = _controller(root, "cpuacct", "cpu,cpuacct", "cpuacct,cpu")
    cpu = _controller(root, "cpu", "cpu,cpuacct", "cpuacct,cpu")
    memory = _controller(root, "memory")
    if cpuacct is None or cpu is None or memory is None:
        return None
    return V1Hierarchy(cpuacct=cpuacct, cpu=cpu, memory=memory)


def _controller(root: Path, *names: str) -> str | None:
    return next((str(root / name) for name in names if (root / name).is_dir()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class V1Hierarchy:
    """cgroup v1: one tree for each controller, some of them mounted together."""

    cpuacct: str
    cpu: str
    memory: str

    def locate(self, path: str) -> Files | None:
        """See ``Hierarchy``."""
        files = V1Files(
            cpu_usage=f"{self.cpuacct}{path}/cpuacct.usage",
            cpu_quota=f"{self.cpu}{path}/cpu.cfs_quota_us",
            cpu_period=f"{self.cpu}{path}/cpu.cfs_period_us",
            cpu_stat=f"{self.cpu}{path}/cpu.stat",
            memory_usage=f"{self.memory}{path}/memory.usage_in_bytes",
            memory_stat=f"{self.memory}{path}/memory.stat",
            memory_limit=f"{self.memory}{path}/memory.limit_in_bytes",
        )
        return _if_there(files)


@dataclass(frozen=True, slots=True, kw_only=True)
class V1Files:
    """The paths of one container's v1 files."""

    cpu_usage: str
    cpu_quota: str
    cpu_period: str
    cpu_stat: str
    memory_usage: str
    memory_stat: str
    memory_limit: str

    def read(self) -> Reading:
        """See ``Files``. ``cpuacct.usage`` and ``throttled_time`` are in nanoseconds."""
        usage = _integer(self.memory_usage)
        inactive, active = _flat_keyed(self.memory_stat, b"total_inactive_file", b"total_active_file")
        quota = max(0, _integer(self.cpu_quota))
        periods, throttled, nanoseconds = (
            _flat_keyed(self.cpu_stat, b"nr_periods", b"nr_throttled", b"throttled_time")
            if quota
            else (None, None, None)
        )
        return Reading(
            cpu_seconds=_integer(self.cpu_usage) / 1e9,
            memory_usage=usage,
            memory_working_set=working_set(usage=usage, inactive_file=inactive),
            memory_active_file=active,
            memory_limit=memory_limit(_integer(self.memory_limit)),
            cpu_quota=quota,
            cpu_period=_integer(self.cpu_period),
            periods=periods,
            throttled_periods=throttled,
            throttled_seconds=None if nanoseconds is None else nanoseconds / 1e9,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Hierarchy:
    """cgroup v2: one tree for all controllers."""

    root: str

    def locate(self, path: str) -> Files | None:
        """See ``Hierarchy``."""
        files = V2Files(
            cpu_stat=f"{self.root}{path}/cpu.stat",
            cpu_max=f"{self.root}{path}/cpu.max",
            memory_current=f"{self.root}{path}/memory.current",
            memory_stat=f"{self.root}{path}/memory.stat",
            memory_max=f"{self.root}{path}/memory.max",
        )
        return _if_there(files)


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Files:
    """The paths of one container's v2 files."""

    cpu_stat: str
    cpu_max: str
    memory_current: str
    memory_stat: str
    memory_max: str

    def read(self) -> Reading:
        """See ``Files``. All times in ``cpu.stat`` are in microseconds."""
        usage = _integer(self.memory_current)
        keys = (b"inactive_file", b"active_file", b"slab_reclaimable")
        inactive, active, slab = _flat_keyed(self.memory_stat, *keys)
        quota, period = _cpu_max(self.cpu_max)
        bandwidth_keys = (b"nr_periods", b"nr_throttled", b"throttled_usec") if quota else ()
        used, *bandwidth = _flat_keyed(self.cpu_stat, b"usage_usec", *bandwidth_keys)
        periods, throttled, microseconds = bandwidth or (None, None, None)
        return Reading(
            cpu_seconds=used / 1e6,
            memory_usage=usage,
            memory_working_set=working_set(usage=usage, inactive_file=inactive),
            memory_active_file=active,
            memory_slab_reclaimable=slab,
            memory_limit=_memory_max(self.memory_max),
            cpu_quota=quota,
            cpu_period=period,
            periods=periods,
            throttled_periods=throttled,
            throttled_seconds=None if microseconds is None else microseconds / 1e6,
        )


def memory_limit(limit: int) -> int:
    """A limit as cAdvisor reports it: 0 where there is none, in bytes."""
    return limit if 0 < limit <= LARGEST_MEMORY_LIMIT else 0


def _memory_max(path: str) -> int:
    content = _read(path).strip()
    return 0 if content == b"max" else memory_limit(_to_int(path, content))


def _cpu_max(path: str) -> tuple[int, int]:
    content = _read(path).split()
    if len(content) != 2:  # noqa: PLR2004 - quota and period, see the kernel's cgroup-v2.rst
        raise _malformed(path, b" ".join(content))
    quota = 0 if content[0] == b"max" else _to_int(path, content[0])
    return quota, _to_int(path, content[1])


def _flat_keyed(path: str, *keys: bytes) -> list[int]:
    """The values of some keys in a file of ``key value`` lines, in the order of ``keys``."""
    content = _read(path)
    # Searching for a few keys is about ten times as fast as splitting some forty lines.
    haystack = b"\n" + content
    values = []
    for key in keys:
        start = haystack.find(b"\n" + key + b" ")
        if start < 0:
            raise _malformed(path, content, missing=key)
        start += len(key) + 2
        end = haystack.find(b"\n", start)
        values.append(_to_int(path, haystack[start : end if end >= 0 else None]))
    return values


def _integer(path: str) -> int:
    return _to_int(path, _read(path))


def _to_int(path: str, content: bytes) -> int:
    try:
        return int(content)
    except ValueError:
        raise _malformed(path, content) from None


def _malformed(path: str, content: bytes, *, missing: bytes = b"") -> CgroupUnreadableError:
    what = f"has no {missing.decode()}" if missing else "is not what the kernel writes"
    return CgroupUnreadableError(
        f"{path} {what}: {content[:80]!r}; mount the host's /sys/fs/cgroup, or point "
        "EXPORTER_CGROUP_ROOT at an empty directory to use the Engine's stats instead"
    )


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, READ_BYTES)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            raise VanishedError(path) from None
        raise CgroupUnreadableError(
            f"{path} cannot be read: {error.strerror}; let the exporter run as root and mount "
            "the host's /sys/fs/cgroup read-only"
        ) from error


def _if_there(files: V1Files | V2Files) -> Files | None:
    return files if all(map(os.path.exists, astuple(files))) else None
