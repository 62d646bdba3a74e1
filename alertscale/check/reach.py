"""Whom a service reaches under a host's name. Pure."""

import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import Final

from alertscale.check.compose import Service, Stack

_ITSELF: Final = "localhost"


class Whom(Enum):
    """Whom a name leads to."""

    SERVICES = "services"
    ITSELF = "itself"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Whom a name leads to.

    Attributes:
        whom: of which kind.
        services: of the Compose files, if it leads to some.
    """

    whom: Whom
    services: tuple[Service, ...] = ()


def reach(stack: Stack | None, source: Service | None, host: str) -> Reached:
    """Follow a name.

    Args:
        stack: all services; None if there is no Compose file.
        source: who asks; None if no service of the Compose files does.
        host: a name or an address.
    """
    if stack is None:
        return Reached(whom=Whom.UNKNOWN)
    if source is None:
        named = tuple(s for s in stack.services.values() if host in s.names)
        return Reached(whom=Whom.SERVICES if named else Whom.UNKNOWN, services=named)
    if _is_loopback(host):
        alone = not source.network_mode and not _shared(stack, source)
        return Reached(whom=Whom.ITSELF if alone else Whom.UNKNOWN)
    found = stack.reached(source, host)
    if found:
        return Reached(whom=Whom.SERVICES, services=found)
    elsewhere = stack.partial or source.partial or source.network_mode or stack.external(source)
    known = not elsewhere and "." not in host and ":" not in host and host.lower() not in source.extra_hosts
    return Reached(whom=Whom.NOBODY if known else Whom.UNKNOWN)


def _shared(stack: Stack, service: Service) -> bool:
    """Whether another one has the same network as if it were in the same container."""
    modes = [s.network_mode.value for s in stack.services.values() if s.network_mode]
    return any(mode is None or mode == f"service:{service.name}" for mode in modes) or stack.partial


def _is_loopback(host: str) -> bool:
    try:
        return host.lower() == _ITSELF or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
