"""Programs are run with their output kept, their failure named and their time said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.errors import CommandFailedError
from machine.shell import NOT_FOUND, TIMED_OUT, capture, logged

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_program_prints_is_captured() -> None:
    done = capture("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_an_absent_program_and_a_slow_one_are_results_not_exceptions() -> None:
    assert capture("no-such-program-here").code == NOT_FOUND
    assert capture("sleep", "5", timeout=0.1).code == TIMED_OUT


def test_a_step_says_what_it_does_and_how_long_it_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logged("Making tea", ["echo", "hot"], log=tmp_path / "log/tea.log")
    assert capsys.readouterr().out.startswith("Making tea ... 0.")
    assert (tmp_path / "log/tea.log").read_text(encoding="utf-8") == "$ echo hot\nhot\n"


def test_a_failed_step_shows_the_end_of_its_own_part_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "tea.log"
    log.write_text("an earlier step\n", encoding="utf-8")
    with pytest.raises(CommandFailedError) as caught:
        logged("Making tea", ["sh", "-c", "echo no water; exit 4"], log=log)
    assert caught.value.code == 4
    assert "no water" in str(caught.value)
    assert "an earlier step" not in str(caught.value)
    assert "failed after" in capsys.readouterr().out


def test_a_step_with_an_absent_program_fails_by_name(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match="no-such-program-here: no such program"):
        logged("Trying", ["no-such-program-here"], log=tmp_path / "x.log")
