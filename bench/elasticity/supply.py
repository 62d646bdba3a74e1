"""Which replicas there are, and which of them are ready: looked at from outside, the same way for all."""

import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import docker

_PORT: Final = 5000
_PATIENCE: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A container that runs, and since when it is ready.

    Attributes:
        identity: the engine's id of it.
        name: as the engine shows it.
        service: of Compose.
        address: on the stack's network.
        ready_since: on the clock of the one who looks; None while it has not said that it is ready.
    """

    identity: str
    name: str
    service: str
    address: str
    ready_since: float | None = None


class Supply:
    """Looks at replicas.

    A replica is ready from its first good answer until it no longer runs. It is not asked again: on a tenth
    of a core each question would be a part of the load.

    Args:
        listed: the containers that run.
        ready: whether the replica at an address is ready.
        monotonic: in seconds.
    """

    def __init__(
        self,
        *,
        listed: Callable[[], Sequence[Replica]],
        ready: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listed = listed
        self._ready = ready
        self._monotonic = monotonic
        self._seen: tuple[Replica, ...] = ()

    def look(self) -> None:
        """Look once."""
        known = {one.identity: one for one in self._seen if one.ready_since is not None}
        self._seen = tuple(known.get(one.identity) or self._asked(one) for one in self._listed())

    def _asked(self, one: Replica) -> Replica:
        return replace(one, ready_since=self._monotonic()) if self._ready(one.address) else one

    def replicas(self, service: str) -> list[Replica]:
        """The replicas of a service when it was last looked at."""
        return [one for one in self._seen if one.service == service]

    def ready(self, service: str) -> int:
        """How many of them were ready."""
        return sum(one.ready_since is not None for one in self.replicas(service))


def listed(engine: docker.DockerClient, *, project: str, network: str) -> list[Replica]:
    """The containers of a Compose project that run, with their addresses on a network."""
    filters = {"label": f"com.docker.compose.project={project}", "status": "running"}
    return [
        Replica(
            identity=str(one["Id"]),
            name=str(one["Names"][0]).lstrip("/"),
            service=str(one["Labels"]["com.docker.compose.service"]),
            address=str(one["NetworkSettings"]["Networks"][network]["IPAddress"]),
        )
        for one in engine.api.containers(filters=filters)
        if network in one["NetworkSettings"]["Networks"]
    ]


def answers_ready(address: str) -> bool:
    """Whether the replica at an address answers ``/ready`` with 200."""
    connection = http.client.HTTPConnection(address, _PORT, timeout=_PATIENCE)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        # Not yet, which is what is asked.
        return False
    finally:
        connection.close()
