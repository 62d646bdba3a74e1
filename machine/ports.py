"""Ports that the stack publishes, and which of them another program holds."""

import contextlib
import errno
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from machine.addresses import EVERY_INTERFACE


@dataclass(frozen=True, kw_only=True)
class Published:
    """A port of the host that a service publishes.

    Attributes:
        service: Whose it is.
        host: The address that it is published on.
        port: The host's.
    """

    service: str
    host: str
    port: int


def published(config: dict[str, Any]) -> tuple[Published, ...]:
    """Return what all services publish on ports that do not change.

    Args:
        config: What `docker compose config --format json` prints.
    """
    return tuple(
        Published(service=name, host=port.get("host_ip", ""), port=int(port["published"]))
        for name, service in sorted(config["services"].items())
        for port in service.get("ports", ())
        if str(port.get("published", "")).isdigit()
    )


def taken(ports: Sequence[Published], *, running: Collection[str]) -> tuple[Published, ...]:
    """Return the ports that somebody else holds on this machine.

    Args:
        ports: What is to be published.
        running: Services that run, and so hold their ports themselves.
    """
    return tuple(one for one in ports if one.service not in running and _held(one))


def _held(one: Published) -> bool:
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


def way_out(held: Sequence[Published]) -> str:
    """Return what is wrong and what to do, in sentences."""
    named = ", ".join(f"{one.port} (for {one.service})" for one in held)
    return (
        f"Another program on this machine listens on: {named}. Way out: end it, or write another port into "
        f".env (.env.example names the variables), then try again."
    )
