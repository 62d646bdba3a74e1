"""What the loop needs of a balancer, whichever it is, and the value in which it is told.

What a step down needs of it as well is ``Drains`` of ``steps/drain.py``; the choice is in ``wiring.py``.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol

from scaler.model.reasons import ReloadOutcome

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*:\d{1,5}")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The replicas that get the traffic of one service.

    Attributes:
        name: what ``proxy_pass`` calls it.
        servers: IP address and port of each ready replica, at least one.
        fallback: ``host:port`` that nginx resolves by itself at its start.

    Raises:
        ValueError: one of them has a form that has no place in a configuration file.
    """

    name: str
    servers: tuple[tuple[str, int], ...]
    fallback: str

    def __post_init__(self) -> None:
        """Hold each field against its form."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for an upstream")
        if not _HOST.fullmatch(self.fallback):
            raise ValueError(f"{self.fallback!r} is not host:port")
        if not self.servers:
            raise ValueError(f"upstream {self.name} would be empty")
        for address, _port in self.servers:
            # After a percent sign ip_address takes anything, line breaks included.
            if "%" in address:
                raise ValueError(f"{address!r} is no address that nginx could connect to")
            ipaddress.ip_address(address)


class Balancer(Protocol):
    """Sends the requests of a service to exactly the replicas that it is told; safe for several threads."""

    def sync(self, upstreams: tuple[Upstream, ...], *, instance: str | None) -> ReloadOutcome | None:
        """Make the balancer use these upstreams, and those of other services as they are.

        Args:
            upstreams: of the services that have a ready replica.
            instance: the running balancer's id; None when none runs.

        Returns:
            What was done; None when nothing had to be; ``starting`` when it is not up yet and the caller
            should ask again in a moment.

        Raises:
            BalancerError: it refused or did not take the change, or that cannot be written; it goes on as
                before.
            TargetError: the engine did not answer.
        """
