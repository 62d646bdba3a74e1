"""Where the scaler finds itself, and that it tells whoever asks of what the engine answered."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from docker.errors import DockerException, NotFound

from scaler.engines import connection, door
from scaler.engines.contract import Place
from scaler.engines.door import Door
from scaler.model.errors import AlertscaleError, TargetError
from scaler.model.reasons import ErrorReason
from scaler.settings import Settings, read_settings

COMPOSE = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.project.working_dir": "/srv/shop",
    "com.docker.compose.service": "scaler",
}
STACK = {"com.docker.stack.namespace": "shop"}


class Engine:
    """The part of the Engine API's client that tells where we are.

    Attributes:
        manager: the node is one of Swarm's.
        labels: of our own container; None when we are in none.
        hooks: as a session of requests has them.
    """

    def __init__(self, *, manager: bool = True, labels: Mapping[str, str] | None = None) -> None:
        self.manager = manager
        self.labels = labels
        self.hooks: dict[str, list[Callable[..., object]]] = {"response": []}

    def info(self) -> dict[str, Any]:
        swarm = {"ControlAvailable": self.manager, "NodeID": "id-of-node-1" if self.manager else ""}
        return {"ID": "id-of-engine", "Name": "docker-1", "Swarm": swarm}

    def inspect_container(self, name: str) -> dict[str, Any]:
        assert name == socket.gethostname()
        if self.labels is None:
            raise NotFound("404", explanation="no such container")
        networks = {
            "ingress": {"IPAddress": "10.255.0.4"}, "shop_late": {"IPAddress": ""},
            "shop_default": {"IPAddress": "10.0.1.5"},
        }  # fmt: skip
        return {"Config": {"Labels": self.labels}, "NetworkSettings": {"Networks": networks}}


def settings(**environment: str) -> Settings:
    return read_settings({f"ALERTSCALE_{name.upper()}": value for name, value in environment.items()})


class TestPlace:
    @pytest.fixture
    def place_of(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Place]:
        def found(engine: Engine, **environment: str) -> Place:
            monkeypatch.setattr(door, "connect", lambda **_: engine)
            return Door(settings=settings(**environment)).place()

        return found

    def test_with_compose_it_is_the_project_of_our_container(self, place_of: Callable[..., Place]) -> None:
        place = place_of(Engine(labels=COMPOSE))

        assert (place.project, place.manager) == ("shop", "")
        assert (place.machine, place.folder, place.service) == ("docker-1", "/srv/shop", "scaler")
        assert place.networks == frozenset({"ingress", "shop_late", "shop_default"})

    def test_on_swarm_it_is_the_stack_and_the_node_by_swarms_own_name(
        self, place_of: Callable[..., Place]
    ) -> None:
        place = place_of(Engine(labels=STACK), target="swarm")

        assert (place.project, place.manager) == ("shop", "id-of-node-1")
        assert (place.machine, place.folder) == ("docker-1", "")

    def test_our_address_is_one_that_other_scalers_reach(self, place_of: Callable[..., Place]) -> None:
        """Not that of Swarm's mesh for published ports, and not a network that gave none."""
        assert place_of(Engine(labels=STACK), target="swarm").address == "10.0.1.5"

    @pytest.mark.parametrize("environment", [{}, {"project": "shop"}])
    def test_the_engine_is_known_by_its_id(
        self, place_of: Callable[..., Place], environment: dict[str, str]
    ) -> None:
        assert place_of(Engine(labels=COMPOSE), **environment).engine == "id-of-engine"

    def test_a_project_that_is_set_stands_for_a_container(self, place_of: Callable[..., Place]) -> None:
        place = place_of(Engine(), target="swarm", project="shop")

        assert (place.project, place.networks, place.address) == ("shop", None, "")
        assert place.manager == "id-of-node-1"

    def test_with_compose_nobody_asks_for_a_swarm(self, place_of: Callable[..., Place]) -> None:
        assert place_of(Engine(manager=False, labels=COMPOSE)).project == "shop"

    def test_on_swarm_a_node_that_is_no_manager_is_refused_with_the_way_out(
        self, place_of: Callable[..., Place]
    ) -> None:
        with pytest.raises(AlertscaleError, match=r"no manager of a Swarm; .* node\.role == manager"):
            place_of(Engine(manager=False, labels=STACK), target="swarm")

    def test_outside_a_container_it_says_what_to_set(self, place_of: Callable[..., Place]) -> None:
        with pytest.raises(AlertscaleError, match="outside a container set ALERTSCALE_PROJECT"):
            place_of(Engine())


class TestConnect:
    def test_every_answer_to_target_and_nginx_is_told_and_none_about_the_lease(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[Engine] = []
        told: list[object] = []

        def engine(**_: object) -> Engine:
            opened.append(Engine())
            return opened[-1]

        monkeypatch.setattr(connection, "APIClient", engine)
        place = Place(project="shop", networks=None, address="", node="here")
        ways = Door(settings=settings(), answered=lambda: told.append(None))
        ways.containers(place)
        ways.counts(place, pause=lambda _: None, may_change=lambda: True)
        ways.nginx()
        counted = len(opened)
        ways.lease(place)
        for one in opened:
            for hook in one.hooks["response"]:
                hook("an answer", timeout=1)

        assert (len(told), len(opened)) == (counted, counted + 1)
        assert counted == 6

    def test_without_an_engine_it_says_so_and_names_the_way_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(**_: object) -> None:
            raise DockerException("Error while fetching server API version")

        monkeypatch.setattr(connection, "APIClient", none)
        with pytest.raises(TargetError, match="is the Docker Engine running") as caught:
            Door(settings=settings()).place()
        assert caught.value.reason is ErrorReason.ENGINE_UNAVAILABLE
