"""A stage for each test, and a way to the command line beside it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alertscale import access, history, waiting
from alertscale.__main__ import main
from tests.unit.alertscale.stage import TOKEN, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - of any shape
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def run(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with the token, and nothing else of this machine's environment."""
    monkeypatch.setattr(history, "POLL_EVERY", 0.0)
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(access, "DEFAULT_TOKEN_FILE", tmp_path / "none")
    for name in ("ALERTSCALE_URL", "ALERTSCALE_TOKEN", "ALERTSCALE_TOKEN_FILE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def command(*words: str, **environment: str) -> Ended:
        given = {"ALERTSCALE_URL": stage.url, "ALERTSCALE_TOKEN": TOKEN} | environment
        done = CliRunner().invoke(main, words, env=given, catch_exceptions=False)
        return Ended(code=done.exit_code, out=done.stdout, err=done.stderr)

    return command
