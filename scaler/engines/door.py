"""The ways from this process to the engine and to nginx: it holds the engine's socket.

What they lead to is in ``contract.py``; nothing else of this room is known outside of it. A process that has
no socket would have another door with the same ways.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from docker import APIClient

from scaler.engines.compose.target import ComposeTarget
from scaler.engines.connection import await_replaced, connect, engine_address, engine_errors
from scaler.engines.contract import Containers, Counts, LeaseStore, NginxControl, Place
from scaler.engines.nginx import DockerNginx
from scaler.engines.swarm.lease import SwarmLease
from scaler.engines.swarm.target import SwarmTarget
from scaler.model.errors import AlertscaleError, TargetError
from scaler.model.labels import COMPOSE_DIRECTORY, COMPOSE_PROJECT, COMPOSE_SERVICE, SWARM_STACK
from scaler.settings import SWARM, Settings

_TIMEOUT: Final = 15
_TEST_TIMEOUT: Final = 60
"""Seconds for which a test of nginx' configuration may say nothing: nginx/accept.sh gives each try ten."""

_LEASE_TIMEOUT: Final = 2
"""Seconds for an answer about the lease, of which it lasts three times as long."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Opens them; each may be used by several threads.

    Args:
        settings: how to run.
        answered: called at each answer of the engine to target or nginx.
    """

    settings: Settings
    answered: Callable[[], object] | None = None

    def place(self) -> Place:
        """Find out where we run.

        Raises:
            AlertscaleError: not in a container of this engine, and no project is set; or, on Swarm, not on a
                manager; or no engine is there.
        """
        client, on_swarm = connect(timeout=_TIMEOUT), self.settings.scope.target == SWARM
        with engine_errors("tell who it is"):
            info = client.info()
        engine, manager = str(info.get("ID", "")), _manager(info) if on_swarm else ""
        node = socket.gethostname()
        if self.settings.scope.project:
            return Place(
                project=self.settings.scope.project,
                networks=None,
                address="",
                node=node,
                manager=manager,
                engine=engine,
            )
        try:
            with engine_errors(f"show the container {node}"):
                own = client.inspect_container(node)
        except TargetError as error:
            raise AlertscaleError(
                f"cannot find the scaler's own container {node!r} ({error});"
                " outside a container set ALERTSCALE_PROJECT to the Compose project or the stack of nginx"
            ) from error
        labels = own["Config"]["Labels"] or {}
        found = {name: n.get("IPAddress", "") for name, n in own["NetworkSettings"]["Networks"].items()}
        return Place(
            project=labels.get(SWARM_STACK if on_swarm else COMPOSE_PROJECT, ""),
            networks=frozenset(found),
            address=next((found[name] for name in sorted(found) if found[name] and name != "ingress"), ""),
            node=node,
            manager=manager,
            machine=str(info.get("Name", "")),
            folder=labels.get(COMPOSE_DIRECTORY, ""),
            service=labels.get(COMPOSE_SERVICE, ""),
            engine=engine,
        )

    def containers(self, place: Place) -> Containers:
        """Open the way to Docker with Compose."""
        return ComposeTarget(
            client=self._connect(),
            events=self._connect(),
            own_project=place.project,
            projects=self.settings.scope.projects,
            stack=self.settings.files.stack,
            log_lines=self.settings.keep.log_lines,
        )

    def counts(
        self, place: Place, *, pause: Callable[[float], object], may_change: Callable[[], bool]
    ) -> Counts:
        """Open the way to Docker Swarm.

        Args:
            place: where we run.
            pause: waits that many seconds, or less when the scaler ends.
            may_change: whether it is us who act, asked before each change.
        """
        return SwarmTarget(
            client=self._connect(),
            watch=self._connect(),
            own_stack=place.project,
            stacks=self.settings.scope.projects,
            monotonic=time.monotonic,
            pause=pause,
            may_change=may_change,
        )

    def nginx(self) -> NginxControl:
        """Open the way to nginx."""
        return DockerNginx(client=self._connect(), patient=self._connect(timeout=_TEST_TIMEOUT))

    def lease(self, place: Place) -> LeaseStore:
        """Open the way to what the scalers of a Swarm share."""
        return SwarmLease(client=connect(timeout=_LEASE_TIMEOUT), stack=place.project)

    def await_lost(self, stopping: threading.Event) -> bool:
        """Wait until the socket leads to no engine any more; False when ``stopping`` came first."""
        return await_replaced(engine_address(), stopping=stopping)

    def _connect(self, *, timeout: int = _TIMEOUT) -> APIClient:
        return connect(timeout=timeout, answered=self.answered)


def _manager(info: Mapping[str, Any]) -> str:
    swarm = info.get("Swarm", {})
    if not swarm.get("ControlAvailable"):
        raise AlertscaleError(
            "ALERTSCALE_TARGET is swarm, and this engine is no manager of a Swarm;"
            " give the scaler's service the constraint node.role == manager, or begin with docker swarm init"
        )
    return str(swarm.get("NodeID", ""))
