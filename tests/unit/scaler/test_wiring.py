"""Where the scaler finds itself, and what it is put together from, with Compose and on Swarm."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from docker.errors import NotFound

from scaler import wiring
from scaler.engines.compose import ComposeTarget
from scaler.engines.swarm import SwarmTarget
from scaler.model.errors import AlertscaleError
from scaler.prometheus.client import Prometheus
from scaler.settings import Settings, read_settings
from scaler.steps.compose import Stepper
from scaler.steps.swarm import CountStepper
from scaler.wiring import Parts, Place, find_place, wire

COMPOSE = {"com.docker.compose.project": "shop"}
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
        self.hooks: dict[str, list[object]] = {"response": []}

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"ControlAvailable": self.manager, "NodeID": "id-of-node-1" if self.manager else ""}}

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


def place_of(engine: Engine, **environment: str) -> Place:
    return find_place(cast("Any", engine), settings(**environment))


class TestPlace:
    def test_with_compose_it_is_the_project_of_our_container(self) -> None:
        place = place_of(Engine(labels=COMPOSE))

        assert (place.project, place.manager) == ("shop", "")
        assert place.networks == frozenset({"ingress", "shop_late", "shop_default"})

    def test_on_swarm_it_is_the_stack_and_the_node_by_swarms_own_name(self) -> None:
        place = place_of(Engine(labels=STACK), target="swarm")

        assert (place.project, place.manager) == ("shop", "id-of-node-1")

    def test_our_address_is_one_that_other_scalers_reach(self) -> None:
        """Not that of Swarm's mesh for published ports, and not a network that gave none."""
        assert place_of(Engine(labels=STACK), target="swarm").address == "10.0.1.5"

    def test_a_project_that_is_set_stands_for_a_container(self) -> None:
        place = place_of(Engine(), target="swarm", project="shop")

        assert (place.project, place.networks, place.address) == ("shop", None, "")
        assert place.manager == "id-of-node-1"

    def test_with_compose_nobody_asks_for_a_swarm(self) -> None:
        assert place_of(Engine(manager=False, labels=COMPOSE)).project == "shop"

    def test_on_swarm_a_node_that_is_no_manager_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(AlertscaleError, match=r"no manager of a Swarm; .* node\.role == manager"):
            place_of(Engine(manager=False, labels=STACK), target="swarm")

    def test_outside_a_container_it_says_what_to_set(self) -> None:
        with pytest.raises(AlertscaleError, match="outside a container set ALERTSCALE_PROJECT"):
            place_of(Engine())


class TestWire:
    @pytest.fixture(autouse=True)
    def engines(self, monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
        made: list[Engine] = []

        def engine(**_: object) -> Engine:
            made.append(Engine())
            return made[-1]

        monkeypatch.setattr(wiring, "engine", engine)
        return made

    @pytest.fixture
    def made(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parts]:
        parts = wire(
            settings(target=request.param, data=str(tmp_path), upstreams=str(tmp_path / "upstreams")),
            Place(project="shop", networks=None, address="", node="here"),
            stopping=threading.Event(),
            prometheus=Prometheus("http://localhost:9090", password_file=tmp_path / "password"),
        )
        yield parts
        parts.memory.journal.close()

    @pytest.mark.parametrize("made", ["compose"], indirect=True)
    def test_with_compose_replicas_are_made_one_by_one(self, made: Parts) -> None:
        assert isinstance(made.edges.target, ComposeTarget)
        assert isinstance(made.edges.steps, Stepper)

    @pytest.mark.parametrize("made", ["swarm"], indirect=True)
    def test_on_swarm_a_count_is_changed(self, made: Parts) -> None:
        assert isinstance(made.edges.target, SwarmTarget)
        assert isinstance(made.edges.steps, CountStepper)
        assert made.autoscaler.idle

    @pytest.mark.parametrize("made", ["compose"], indirect=True)
    def test_a_journal_that_is_set_aside_is_told(self, made: Parts, tmp_path: Path) -> None:
        made.memory.journal.close()
        (tmp_path / "journal.sqlite").write_bytes(bytes(5000))
        memory = wiring._remember(settings(data=str(tmp_path)))
        (told,) = memory.journal.events()
        memory.journal.close()

        assert (told.kind, told.reason, told.text) == ("fault", "journal", memory.journal.set_aside)
        assert memory.metrics.registry.get_sample_value("alertscale_errors_total", {"reason": "journal"}) == 1

    @pytest.mark.parametrize("made", ["swarm"], indirect=True)
    def test_every_answer_of_the_engine_is_counted(self, made: Parts, engines: list[Engine]) -> None:
        for engine in engines:
            for hook in engine.hooks["response"]:
                cast("Any", hook)("an answer", timeout=1)

        assert (
            made.memory.metrics.registry.get_sample_value("alertscale_engine_calls_total")
            == len(engines)
            == 3
        )
