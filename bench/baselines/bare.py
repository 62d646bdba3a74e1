"""The least that one replica more can take: create, start, first answer, reload, with nothing around it.

No decision, no journal, no test of nginx's configuration, no wait for nginx's new workers: what the
engine, the service and nginx need by themselves, asked for over the same API and under the same load.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import docker

from bench.elasticity.supply import answers_ready
from testkit.load import Load
from testkit.stack import Stack, wait_until

_DIRECTORY: Final = "/etc/nginx/upstreams/current"
_RELOAD: Final = "kill -HUP $(cat /run/nginx.pid)"
_PORT: Final = 5000
_SHORT_ID: Final = 12
_LOOK_EVERY: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Floor:
    """When each stage of a bare step was over, in seconds since its beginning.

    Attributes:
        created: the engine made the container.
        started: the engine started it.
        ready: it answered ``/ready`` for the first time.
        reloaded: nginx was asked to load an upstream with it.
        answered: a client had its first answer through nginx.
    """

    created: float
    started: float
    ready: float
    reloaded: float
    answered: float


@contextlib.contextmanager
def without_scaler(stack: Stack) -> Iterator[Bare]:
    """Stop the scaler, and start it again at the end; it then puts nginx right by itself."""
    stack.compose("stop", "scaler")
    try:
        with contextlib.closing(docker.from_env(version="auto")) as engine:
            yield Bare(engine.api, stack)
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "scaler")


def sibling(model: Mapping[str, Any]) -> dict[str, Any]:
    """The body of ``POST /containers/create`` for another container like this one. Pure.

    Args:
        model: the answer of ``GET /containers/<id>/json``. Its labels are left out, so that nobody counts
            the copy.
    """
    config = {name: value for name, value in model["Config"].items() if name not in {"Hostname", "Labels"}}
    return {**config, "HostConfig": dict(model["HostConfig"])}


class Bare:
    """Takes bare steps, one at a time.

    Args:
        engine: its API.
        stack: with one replica, and nobody who scales it.
    """

    def __init__(self, engine: docker.APIClient, stack: Stack) -> None:
        self._engine = engine
        self._model = str(stack.containers()[0]["Id"])
        self._nginx = str(stack.containers("nginx")[0]["Id"])

    def step(self, load: Load) -> Floor:
        """Add a replica under a load, time it, and take it away again.

        Args:
            load: running; it notices the first answer.
        """
        begun = time.monotonic()
        body = sibling(self._inspect(self._model))
        made = str(self._engine.create_container_from_config(body)["Id"])  # type: ignore[no-untyped-call]
        try:
            created = time.monotonic() - begun
            self._engine.start(made)
            started = time.monotonic() - begun
            address = self._address(made)
            _await(lambda: answers_ready(address), "an answer of the bare replica")
            ready = time.monotonic() - begun
            self._serve(self._address(self._model), address)
            reloaded = time.monotonic() - begun
            name = made[:_SHORT_ID]
            _await(lambda: name in load.first_answer, "an answer of the bare replica through nginx")
            answered = load.started + load.first_answer[name] - begun
        finally:
            self._serve(self._address(self._model))
            self._engine.remove_container(made, force=True)
        return Floor(created=created, started=started, ready=ready, reloaded=reloaded, answered=answered)

    def _inspect(self, container: str) -> dict[str, Any]:
        return dict(self._engine.inspect_container(container))

    def _address(self, container: str) -> str:
        networks = self._inspect(container)["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def _serve(self, *addresses: str) -> None:
        servers = " ".join(f"server {address}:{_PORT} max_fails=0;" for address in addresses)
        text = f"upstream flask-app {{ zone flask-app 256k; {servers} keepalive 32; }}"
        command = f"echo '{text}' >{_DIRECTORY}/flask-app.conf && {_RELOAD}"
        run = self._engine.exec_create(self._nginx, ["sh", "-c", command])
        self._engine.exec_start(run["Id"])


def _await(look: Callable[[], bool], what: str) -> None:
    wait_until(look, within=30, what=what, every=_LOOK_EVERY)
