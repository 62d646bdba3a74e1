"""What was done is remembered, so that only that is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.errors import StateError
from machine.state import FILE, Started, State, StateStore

if TYPE_CHECKING:
    from pathlib import Path


def test_an_untouched_machine_has_an_empty_state(tmp_path: Path) -> None:
    assert StateStore(tmp_path / "absent").load() == State()


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "new")
    state = State(
        packages=("docker.io",),
        compose_plugin="/usr/local/lib/docker/cli-plugins/docker-compose",
        engine=Started(pid=41, birth=1234),
    )
    store.save(state)
    assert store.load() == state


def test_packages_are_remembered_once() -> None:
    assert State(packages=("a",)).with_packages(("a", "b")).packages == ("a", "b")


def test_a_state_of_before_is_read_too(tmp_path: Path) -> None:
    text = '{"packages": ["a"], "compose_plugin": "", "engine": null, "stand_ins": ["nginx:1.30.6"]}'
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    assert StateStore(tmp_path).load() == State(packages=("a",))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"engine": 7}', '{"engine": {}}'])
def test_a_file_that_is_no_state_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=r"state\.json: not a state .* Way out:"):
        StateStore(tmp_path).load()
