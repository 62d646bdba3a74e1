"""An engine that we start by hand runs on without us, and is stopped whole.

It is a second dockerd with its own data, socket and network namespace, beside the machine's own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from machine.daemon import children, process, running, start_by_hand, stop
from machine.errors import DaemonError
from machine.shell import capture

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="starting an engine needs root"),
    pytest.mark.skipif(not shutil.which("dockerd"), reason="no dockerd installed on this machine"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, for the path of a socket holds 107 characters at most.
    chosen = Path(tempfile.mkdtemp(prefix="as-", dir="/tmp"))
    yield chosen
    # dockerd mounts its data folder on itself and, when it fails at its start, leaves it so.
    capture("umount", str(chosen / "data"))
    shutil.rmtree(chosen)


def dockerd(folder: Path, *more: str) -> list[str]:
    return [
        *("unshare", "--net", "dockerd"),
        *("--host", f"unix://{folder}/d.sock"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/d.pid", *more),
    ]


def answers(folder: Path) -> bool:
    asked = capture("docker", "--host", f"unix://{folder}/d.sock", "version", "--format", "{{.Server}}")
    return asked.ok


def test_an_engine_started_by_hand_answers_and_is_stopped_with_its_containerd(folder: Path) -> None:
    started = start_by_hand(dockerd(folder), answers=lambda: answers(folder), log=folder / "dockerd.log")
    family = children(started.pid)
    try:
        assert [child.program for child in family] == ["containerd"]
        assert running(folder / "d.pid") == started
        assert os.getsid(started.pid) == started.pid
    finally:
        assert stop(started, logs=folder) is True
    assert not answers(folder)
    assert [process(pid) for pid in (started.pid, family[0].pid)] == [None, None]
    assert stop(started, logs=folder) is False


def test_an_engine_that_cannot_start_says_why(folder: Path) -> None:
    with pytest.raises(DaemonError, match=r"dockerd ended(.|\n)*no-such-driver(.|\n)*Way out:"):
        start_by_hand(
            dockerd(folder, "--storage-driver", "no-such-driver"),
            answers=lambda: answers(folder),
            log=folder / "dockerd.log",
        )
