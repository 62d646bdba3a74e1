"""An engine that make started, and that has died, is started again for what is left on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from machine import daemon, facts
from machine.ready import revive_engine
from machine.state import Started, State, Workplace

if TYPE_CHECKING:
    from pathlib import Path

DEAD = Started(pid=11, birth=1)
ANEW = Started(pid=22, birth=2)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A checkout that records an engine, and what else is known of it."""
    place = Workplace(checkout=tmp_path)
    place.store.save(State(engine=DEAD, packages=("iptables",)))
    return place


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with dockerd, where none answers; one that is started is :data:`ANEW`."""
    seen = replace(facts.observe(), daemon=True, docker_host="", engine_answers=False)
    monkeypatch.setattr(facts, "engine_answers", lambda: (False, "no answer"))
    monkeypatch.setattr(facts, "observe", lambda: seen)
    monkeypatch.setattr(daemon, "start", lambda **_: ANEW)


@pytest.mark.usefixtures("dead")
def test_the_recorded_engine_is_started_again_and_told(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    revive_engine(place)
    assert place.store.load() == State(engine=ANEW, packages=("iptables",))
    assert "does not answer. It is started again" in capsys.readouterr().out


@pytest.mark.usefixtures("dead")
def test_an_engine_that_we_did_not_start_is_left_alone(place: Workplace) -> None:
    place.store.save(State())
    revive_engine(place)
    assert place.store.load() == State()


@pytest.mark.usefixtures("dead")
def test_an_engine_elsewhere_is_not_ours_to_start(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(facts.observe(), docker_host="ssh://server")
    monkeypatch.setattr(facts, "observe", lambda: elsewhere)
    revive_engine(place)
    assert place.store.load().engine == DEAD


@pytest.mark.usefixtures("dead")
def test_an_engine_that_answers_is_left_as_it_is(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "engine_answers", lambda: (True, ""))
    revive_engine(place)
    assert place.store.load().engine == DEAD
