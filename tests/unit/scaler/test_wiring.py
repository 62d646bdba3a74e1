"""What the scaler is put together from, with Compose and on Swarm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler import wiring
from scaler.engines import connection
from scaler.engines.compose.target import ComposeTarget
from scaler.engines.contract import Place
from scaler.engines.swarm.target import SwarmTarget
from scaler.prometheus.client import Prometheus
from scaler.steps.compose import Stepper
from scaler.steps.swarm import CountStepper
from scaler.wiring import Parts, wire
from tests.unit.scaler.engines.test_door import Engine, settings


class TestWire:
    @pytest.fixture(autouse=True)
    def engines(self, monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
        made: list[Engine] = []

        def engine(**_: object) -> Engine:
            made.append(Engine())
            return made[-1]

        monkeypatch.setattr(connection, "APIClient", engine)
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
                hook("an answer", timeout=1)

        assert (
            made.memory.metrics.registry.get_sample_value("alertscale_engine_calls_total")
            == len(engines)
            == 4
        )
