"""Containers and cgroup trees as the Engine and the kernel make them, for the exporter's tests."""

from dataclasses import dataclass, field
from pathlib import Path

from exporter.cgroup import Driver, Reading, cgroup_path
from exporter.engine import Container

ID = "c0ffee" * 10 + "c0de"

UNLIMITED_V1 = 9223372036854771712

READING = Reading(
    cpu_seconds=1.5,
    memory_usage=3000,
    memory_working_set=2000,
    memory_active_file=500,
    memory_limit=0,
    cpu_quota=0,
    cpu_period=100_000,
)


def container(
    *,
    container_id: str = ID,
    name: str = "shop-flask-app-1",
    parent: str = "",
    labels: dict[str, str] | None = None,
    cpu_quota: int = 0,
    memory_limit: int = 0,
) -> Container:
    return Container(
        id=container_id,
        name=name,
        image="shop-flask-app",
        labels=(
            {"com.docker.compose.project": "shop", "com.docker.compose.service": "flask-app"}
            if labels is None
            else labels
        ),
        started_at=1_795_381_716,
        cgroup_parent=parent,
        cpu_quota=cpu_quota,
        cpu_period=100_000,
        memory_limit=memory_limit,
    )


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a cgroup's files say; None where there is no limit."""

    cpu_seconds: float
    usage: int
    inactive_file: int
    active_file: int
    quota: int | None
    limit: int | None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A cgroup mount below ``root``; ``add`` makes a container's cgroup in it."""

    root: Path
    version: int
    driver: Driver
    mounts: dict[str, str] = field(
        default_factory=lambda: {"cpu": "cpu", "cpuacct": "cpuacct", "memory": "memory"}
    )

    def __post_init__(self) -> None:
        """Make the mount itself."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.version == 2:
            (self.root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        else:
            for mount in self.mounts.values():
                (self.root / mount).mkdir(exist_ok=True)

    def add(
        self,
        *,
        container_id: str = ID,
        parent: str = "",
        cpu_seconds: float = 12.5,
        usage: int = 50_000_000,
        inactive_file: int = 20_000_000,
        active_file: int = 12_000_000,
        quota: int | None = 50_000,
        limit: int | None = 268_435_456,
    ) -> str:
        """Make a cgroup; returns its path from the tree's root."""
        path = cgroup_path(container_id=container_id, parent=parent, driver=self.driver)
        values = Values(
            cpu_seconds=cpu_seconds,
            usage=usage,
            inactive_file=inactive_file,
            active_file=active_file,
            quota=quota,
            limit=limit,
        )
        if self.version == 2:
            self._v2(path, values)
        else:
            self._v1(path, values)
        return path

    def directories(self, path: str) -> list[Path]:
        """The directories of the cgroup at ``path``."""
        bases = [""] if self.version == 2 else sorted(set(self.mounts.values()))
        return [self.root / base / path.lstrip("/") for base in bases]

    def _v1(self, path: str, values: Values) -> None:
        for directory in self.directories(path):
            directory.mkdir(parents=True)
        cpuacct, cpu, memory = (
            self.root / self.mounts[name] / path.lstrip("/") for name in ("cpuacct", "cpu", "memory")
        )
        (cpuacct / "cpuacct.usage").write_text(f"{int(values.cpu_seconds * 1e9)}\n")
        (cpu / "cpu.cfs_quota_us").write_text(f"{-1 if values.quota is None else values.quota}\n")
        (cpu / "cpu.cfs_period_us").write_text("100000\n")
        (cpu / "cpu.stat").write_text("nr_periods 135\nnr_throttled 56\nthrottled_time 1348804440\n")
        (memory / "memory.usage_in_bytes").write_text(f"{values.usage}\n")
        (memory / "memory.limit_in_bytes").write_text(
            f"{UNLIMITED_V1 if values.limit is None else values.limit}\n"
        )
        (memory / "memory.stat").write_text(
            f"cache 30\nrss 40\ninactive_file 1\nactive_file 7\nhierarchical_memory_limit 9\n"
            f"total_cache 30\ntotal_inactive_file {values.inactive_file}\n"
            f"total_active_file {values.active_file}\ntotal_unevictable 0\n"
        )

    def _v2(self, path: str, values: Values) -> None:
        (directory,) = self.directories(path)
        directory.mkdir(parents=True)
        (directory / "cpu.stat").write_text(
            f"usage_usec {int(values.cpu_seconds * 1e6)}\nuser_usec 1\nsystem_usec 2\n"
            "nr_periods 135\nnr_throttled 56\nthrottled_usec 1348804\nnr_bursts 0\nburst_usec 0\n"
        )
        (directory / "cpu.max").write_text(f"{'max' if values.quota is None else values.quota} 100000\n")
        (directory / "memory.current").write_text(f"{values.usage}\n")
        (directory / "memory.max").write_text(f"{'max' if values.limit is None else values.limit}\n")
        (directory / "memory.stat").write_text(
            f"anon 40\nfile 30\nkernel 20\nslab 5\nactive_file {values.active_file}\n"
            f"inactive_file {values.inactive_file}\nunevictable 0\nslab_reclaimable 3000000\n"
            "slab_unreclaimable 2\n"
        )
