"""Environment to frozen settings; every fault is reported at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from exporter.errors import SettingsError

# Sorted. `oneoff` lets the rules leave out what `docker compose run` starts.
DEFAULT_LABELS = (
    "com.docker.compose.oneoff",
    "com.docker.compose.project",
    "com.docker.compose.service",
)
LOG_LEVELS = ("debug", "info", "warning", "error")
HIGHEST_PORT = 65535

VARIABLES: Mapping[str, tuple[str, str]] = {
    "EXPORTER_LISTEN": ("0.0.0.0:8080", "Address and port."),
    "EXPORTER_CGROUP_ROOT": ("/host/sys/fs/cgroup", "Where the host's `/sys/fs/cgroup` is mounted."),
    "EXPORTER_ENGINE": ("unix:///var/run/docker.sock", "The Docker Engine's address."),
    "EXPORTER_EXTRA_LABELS": ("", "Further container labels to export, separated by commas."),
    "EXPORTER_LOG_LEVEL": ("info", "`debug`, `info`, `warning` or `error`."),
}
"""Every variable: its default, and its meaning for the documentation."""

_LISTEN = re.compile(r"(?P<host>[^:\[\]\s]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_ENGINE = re.compile(r"unix:///\S+|tcp://\S+:[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment may change.

    Attributes:
        host: the address to listen on.
        port: the port to listen on, 1 to 65535.
        cgroup_root: where the host's ``/sys/fs/cgroup`` is mounted.
        engine: the Engine's address, ``unix:///path`` or ``tcp://host:port``.
        container_labels: the container labels that become Prometheus labels, sorted.
        log_level: one of ``LOG_LEVELS``.
    """

    host: str
    port: int
    cgroup_root: PurePosixPath
    engine: str
    container_labels: tuple[str, ...]
    log_level: str


def label_name(container_label: str) -> str:
    """Name the Prometheus label of a container label, as cAdvisor does.

    Source: cAdvisor, ``metrics/prometheus.go``, ``sanitizeLabelName`` and
    ``ContainerLabelPrefix``.
    """
    return "container_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", container_label)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environ: the process's environment; an empty value counts as not given.

    Raises:
        SettingsError: with every fault that was found, not only the first.
    """
    faults: list[str] = []
    given = {name: environ.get(name, "") or default for name, (default, _) in VARIABLES.items()}
    host, port = _listen(given["EXPORTER_LISTEN"], faults)
    settings = Settings(
        host=host,
        port=port,
        cgroup_root=_cgroup_root(given["EXPORTER_CGROUP_ROOT"], faults),
        engine=_engine(given["EXPORTER_ENGINE"], faults),
        container_labels=_labels(given["EXPORTER_EXTRA_LABELS"], faults),
        log_level=_log_level(given["EXPORTER_LOG_LEVEL"], faults),
    )
    if faults:
        raise SettingsError(tuple(faults))
    return settings


def _listen(value: str, faults: list[str]) -> tuple[str, int]:
    match = _LISTEN.fullmatch(value)
    if match is None or not 1 <= int(match["port"]) <= HIGHEST_PORT:
        faults.append(
            f"EXPORTER_LISTEN={value!r} is not an address and a port from 1 to {HIGHEST_PORT}; "
            "write for example 0.0.0.0:8080"
        )
        return "", 0
    return match["host"].strip("[]"), int(match["port"])


def _cgroup_root(value: str, faults: list[str]) -> PurePosixPath:
    path = PurePosixPath(value)
    if not path.is_absolute():
        faults.append(
            f"EXPORTER_CGROUP_ROOT={value!r} is not an absolute path; "
            "write where the host's /sys/fs/cgroup is mounted, for example /host/sys/fs/cgroup"
        )
    return path


def _engine(value: str, faults: list[str]) -> str:
    if _ENGINE.fullmatch(value) is None:
        faults.append(
            f"EXPORTER_ENGINE={value!r} is not an Engine's address; "
            "write unix:///var/run/docker.sock or tcp://host:port"
        )
    return value


def _labels(value: str, faults: list[str]) -> tuple[str, ...]:
    extra = [name.strip() for name in value.split(",") if name.strip()]
    named: dict[str, str] = {}
    for label in sorted({*DEFAULT_LABELS, *extra}):
        taken = named.setdefault(label_name(label), label)
        if taken != label:
            faults.append(
                f"EXPORTER_EXTRA_LABELS={value!r}: {taken!r} and {label!r} would both become "
                f"{label_name(label)}; leave one of them out"
            )
    return tuple(sorted(named.values(), key=label_name))


def _log_level(value: str, faults: list[str]) -> str:
    if value.lower() not in LOG_LEVELS:
        faults.append(
            f"EXPORTER_LOG_LEVEL={value!r} is not a log level; write one of {', '.join(LOG_LEVELS)}"
        )
    return value.lower()
