"""Only the very process that we started is ever stopped."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from machine.daemon import children, process, running, start_by_hand, stop, wait_until
from machine.errors import DaemonError
from machine.state import Started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def sleeper() -> Iterator[int]:
    def sleeps(pid: int) -> bool:
        found = process(pid)
        return found is not None and found.program == "sleep"

    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            # The kernel shows the command line a moment after the program has been replaced.
            assert wait_until(lambda: sleeps(child.pid), seconds=5)
            yield child.pid
        finally:
            child.kill()


def test_a_process_is_known_by_program_parent_and_birth() -> None:
    with sleeper() as pid:
        found = process(pid)
        assert found is not None
        assert (found.program, found.parent) == ("sleep", os.getpid())
        assert found in children(os.getpid())


def test_a_process_that_is_gone_is_none() -> None:
    with sleeper() as pid:
        pass
    assert process(pid) is None


def test_another_program_with_the_recorded_id_is_left_alone(tmp_path: Path) -> None:
    with sleeper() as pid:
        found = process(pid)
        assert found is not None
        assert stop(Started(pid=pid, birth=found.birth), logs=tmp_path) is False
        assert process(pid) == found


def test_an_engine_that_ends_at_its_start_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match=r"dockerd ended(.|\n)*no cgroups here(.|\n)*Way out:"):
        start_by_hand(
            ["sh", "-c", "echo no cgroups here >&2; exit 1"],
            answers=lambda: False,
            log=tmp_path / "dockerd.log",
        )


@pytest.mark.parametrize("text", [None, "", "not a number"])
def test_a_pid_file_that_names_no_engine_is_an_error(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "docker.pid"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(DaemonError, match=r"docker\.pid"):
        running(file)


def test_a_pid_file_that_names_another_program_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    with sleeper() as pid:
        file.write_text(str(pid), encoding="utf-8")
        with pytest.raises(DaemonError, match="names no running dockerd"):
            running(file)
