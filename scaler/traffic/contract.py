"""What the loop needs of a balancer, whichever it is, and the values in which it is told and tells.

What a step down needs of it as well is ``Drains`` of ``steps/drain.py``; the choice is in ``wiring.py``.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol

from scaler.engines.contract import LeftOut
from scaler.model.labels import BALANCE, KEEPALIVE, Balance
from scaler.model.reasons import ReloadOutcome

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*:\d{1,5}")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The replicas that get the traffic of one service.

    Attributes:
        name: what ``proxy_pass`` calls it.
        servers: IP address and port of each replica that gets requests; with none, its requests are
            answered 503.
        fallback: container name and port of replicas, ``host:port``, which nginx resolves by itself at its
            start: names that no other container of the engine has.
        keepalive: seconds for which an idle connection to a replica is kept; 0 for none.
        balance: how a request's replica is chosen.
        service: whose it is, ``project/service``: its name alone does not always tell.

    Raises:
        ValueError: one of them has a form that has no place in a configuration file.
    """

    name: str
    servers: tuple[tuple[str, int], ...] = ()
    fallback: tuple[str, ...] = ()
    keepalive: float = KEEPALIVE.default
    balance: Balance = BALANCE.default
    service: str = ""

    def __post_init__(self) -> None:
        """Hold each field against its form."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for an upstream")
        if "\n" in self.service:
            raise ValueError(f"{self.service!r} is no service")
        for host in self.fallback:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not host:port")
        for address, _port in self.servers:
            # After a percent sign ip_address takes anything, line breaks included.
            if "%" in address:
                raise ValueError(f"{address!r} is no address that nginx could connect to")
            ipaddress.ip_address(address)


class Balancer(Protocol):
    """Sends the requests of a service to exactly the replicas that it is told; safe for several threads."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What it does not have as it was told, since the last change."""

    @property
    def settled(self) -> bool:
        """Whether it is known what it has: it was not asked for a change of which the end is not known."""

    def carried(self, name: str) -> frozenset[tuple[str, int]]:
        """Address (or container name) and port of each server that an upstream has, as far as is known."""

    def owner(self, name: str) -> str:
        """Whose an upstream is, ``project/service``, as far as is known; else empty."""

    def sync(
        self, upstreams: tuple[Upstream, ...], *, instance: str | None, urgent: bool = False
    ) -> ReloadOutcome | None:
        """Make the balancer use these upstreams, and no other; wait until it does, as long as that takes.

        Args:
            upstreams: of all services that it can reach.
            instance: the running balancer's id; None when none runs.
            urgent: it is not to be held, whatever it is.

        Returns:
            What was done; None when nothing had to be; ``starting`` when it is not up yet and the caller
            should ask again in a moment; ``held`` when it should in some seconds, or when more has changed.

        Raises:
            BalancerError: it refused or did not take the change, or that cannot be written; it goes on as
                before. Unless it is not :attr:`settled`: then it may yet take the change.
            TargetError: the engine did not answer.
        """
