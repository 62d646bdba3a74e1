"""What a figure was measured on, and with what: it says nothing without."""

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from machine.shell import capture

REPOSITORY: Final = Path(__file__).parents[1]
_PROGRAMS: Final = ("scaler", "exporter", "service")
_CLIENTS: Final = ("requests", "matplotlib")
_STAND_IN: Final = "org.alertscale.stand-in.debian-version"
_INSPECT: Final = (
    "docker", "image", "inspect", "--format",
    '{{json .RepoTags}} {{.Id}} {{or (index .Config.Labels "' + _STAND_IN + '") "-"}}',
)  # fmt: skip


def machine() -> dict[str, str]:
    """Look at this machine: shown names to values. What cannot be read is "unknown"."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": cpu_model(_read(Path("/proc/cpuinfo"))) or platform.processor() or "unknown",
        "cores": str(cores or "unknown"),
        "memory": memory(_read(Path("/proc/meminfo"))) or "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "Docker Engine": _said("docker", "version", "--format", "{{.Server.Version}}"),
        "cgroup": "v"
        + _said("docker", "info", "--format", "{{.CgroupVersion}}")
        + ", "
        + _said("docker", "info", "--format", "{{.CgroupDriver}}"),
        "Docker Compose": _said("docker", "compose", "version", "--short"),
        "Python of bench": platform.python_version(),
    }


def commit() -> str:
    """The commit that is checked out; with ``-dirty`` where files differ from it."""
    return _said("git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=12", "--dirty")


def versions(images: Iterable[str]) -> dict[str, str]:
    """What is measured: the commit, the base images with the start of their id, the pinned packages.

    Args:
        images: tags of images that are present.
    """
    found = {"alertscale": commit()}
    shown = capture(*_INSPECT, *sorted(images))
    for line in shown.stdout.splitlines():
        tags, image, stand_in = line.rsplit(maxsplit=2)
        kind = f" (stand-in, Debian's {stand_in})" if stand_in != "-" else ""
        found |= {f"image {tag}": image.removeprefix("sha256:")[:12] + kind for tag in json.loads(tags)}
    for program in _PROGRAMS:
        pins = pinned(_read(REPOSITORY / program / "requirements.txt"))
        found |= {f"{program}: {name}": version for name, version in pins.items()}
    return found | {f"bench: {name}": importlib.metadata.version(name) for name in _CLIENTS}


def cpu_model(cpuinfo: str) -> str:
    """The first model name in /proc/cpuinfo; empty where there is none."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def memory(meminfo: str) -> str:
    """The total of /proc/meminfo in GiB; empty where there is none."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.MULTILINE)
    return f"{int(found[1]) / 1024**2:.1f} GiB" if found else ""


def pinned(requirements: str) -> dict[str, str]:
    """The packages that a requirements file pins, by name."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", requirements, re.MULTILINE))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _said(*argv: str) -> str:
    done = capture(*argv)
    return done.stdout.strip() if done.ok and done.stdout.strip() else "unknown"
