"""Ports that the stack publishes, and who holds one that it cannot have."""

import contextlib
import errno
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from machine import compose
from machine.addresses import EVERY_INTERFACE
from machine.errors import Missing, NotReadyError
from machine.shell import capture

HIGHEST = 65535
VARIABLE = re.compile(r"\$\{?(\w+)")
LISTENER = re.compile(r'users:\(\("([^"]+)",pid=(\d+)')


@dataclass(frozen=True, kw_only=True)
class Published:
    """A port of the host that a service publishes.

    Attributes:
        service: Whose it is.
        host: The address that it is published on.
        port: The host's.
        target: The container's.
    """

    service: str
    host: str
    port: int
    target: int


def published(config: dict[str, Any]) -> tuple[Published, ...]:
    """Return the TCP ports with a number that what `up` starts is to publish.

    Args:
        config: What `docker compose config --format json` prints.
    """
    return tuple(
        Published(
            service=name,
            host=port.get("host_ip", ""),
            port=int(port["published"]),
            target=int(port["target"]),
        )
        for name, service in sorted(config["services"].items())
        if not service.get("profiles") and not _none_of(service)
        for port in service.get("ports", ())
        if str(port.get("published", "")).isdigit() and port.get("protocol", "tcp") == "tcp"
    )


def _none_of(service: dict[str, Any]) -> bool:
    return 0 in (service.get("scale"), (service.get("deploy") or {}).get("replicas"))


def require(config: dict[str, Any], *, checkout: Path) -> None:
    """See that the stack can have every port that it publishes, before any of it is started.

    An engine on another machine has other ports than can be seen from here: then nothing is looked at.

    Args:
        config: What `docker compose config --format json` prints.
        checkout: The folder of docker-compose.yml.

    Raises:
        NotReadyError: It cannot. It lists each port, who holds it as far as is seen, and its variable.
    """
    engine = capture("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout
    if not engine.startswith("unix:"):
        return
    ports = published(config)
    held = [(one, who) for one in ports if (who := _holder(one, ports, project=str(config["name"])))]
    if held:
        names = variables(compose.config(checkout, interpolate=False))
        raise NotReadyError(list(_told(held, ports, names)))


def _holder(one: Published, ports: tuple[Published, ...], *, project: str) -> str:
    """Say who holds a port; nothing when it is free, or its own already."""
    for other in ports[: ports.index(one)]:
        if _collide(one, other):
            return f"{other.service} of the same stack"
    if not taken(one):
        return ""
    form = '{{.Label "com.docker.compose.project"}} {{.Names}}'
    shown = capture("docker", "ps", "--filter", f"publish={one.port}", "--format", form).stdout
    for owner, _, container in (line.partition(" ") for line in shown.splitlines()):
        return "" if owner == project else f"the container {container}"
    listener = LISTENER.search(capture("ss", "-Hltnp", f"sport = :{one.port}").stdout)
    return f"{listener[1]} (process {listener[2]})" if listener else "another program"


def _collide(one: Published, other: Published) -> bool:
    anywhere = one.host in EVERY_INTERFACE or other.host in EVERY_INTERFACE
    return one.port == other.port and (anywhere or one.host == other.host)


def taken(one: Published) -> bool:
    """Whether somebody listens on this port of this machine."""
    address = "0.0.0.0" if one.host in EVERY_INTERFACE else one.host  # noqa: S104 - as Docker will
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # Connections that are only just closed do not hold a port, for Docker neither.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, one.port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def variables(raw: dict[str, Any]) -> dict[tuple[str, int], str]:
    """Return the variable of each host port that is read from one, by service and port of the container.

    Args:
        raw: What `docker compose config --no-interpolate --format json` prints, ports as they are written.
    """
    found: dict[tuple[str, int], str] = {}
    for name, service in raw["services"].items():
        for port in service.get("ports") or ():
            if isinstance(port, dict):
                host, target = str(port.get("published", "")), str(port.get("target", ""))
            else:
                host, _, target = port.partition("/")[0].rpartition(":")
            # The address comes before the port.
            if (names := VARIABLE.findall(host)) and target.isdigit():
                found[name, int(target)] = names[-1]
    return found


def _told(
    held: list[tuple[Published, str]], ports: tuple[Published, ...], names: dict[tuple[str, int], str]
) -> Iterator[Missing]:
    for one, who in held:
        free = _free(one, ports)
        variable = names.get((one.service, one.target))
        yield Missing(
            what=f"port {one.port}, for {one.service}, is held by {who}",
            way_out=f"end that, or put another port into .env, such as {variable}={free}"
            if variable
            else f"end that, or give {one.service} another port in the Compose file, such as {free}",
        )


def _free(one: Published, ports: tuple[Published, ...]) -> int:
    others = {other.port for other in ports}
    candidates = (replace(one, port=port) for port in range(one.port + 1, HIGHEST) if port not in others)
    return next((found.port for found in candidates if not taken(found)), 0)
