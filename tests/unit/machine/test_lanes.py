"""Targets of make side by side: what is shown, in which order, and what comes of a failure or a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAKEFILE = """
fine:
\t@echo fine begins; sleep 0.3; echo fine ends
slow:
\t@echo slow begins; until test -e go; do sleep 0.1; done; sleep 0.5; echo slow ends
bad:
\t@echo what is wrong; touch go; exit 3
stack:
\t@trap 'echo taken down; exit 1' INT; touch up; while :; do sleep 0.1; done
weight:
\t@cat /proc/self/autogroup
needy: prepared
\t@echo needy
prepared:
\t@echo prepared anew
.PHONY: fine slow bad stack weight needy prepared
"""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "Makefile").write_text(MAKEFILE)
    return subprocess.Popen(
        [sys.executable, "-m", "machine", "lanes", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *words: str) -> tuple[int, str]:
    """Return the exit code and what was printed."""
    process = start(folder, *words)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said


def test_lanes_run_side_by_side_and_what_each_target_prints_stands_together(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    code, said = run(tmp_path, "fine", "slow fine")
    assert code == 0
    assert said.count("fine begins\nfine ends\n") == 2
    assert said.count("slow begins\nslow ends\n") == 1
    assert "=== make test: exit code 0" in said.splitlines()[-1]


def test_a_target_waits_for_the_one_before_it_in_its_lane_only(tmp_path: Path) -> None:
    code, said = run(tmp_path, "slow", "fine bad")
    assert code == 2
    began = [line.split()[1].rstrip(":") for line in said.splitlines() if line.endswith(": begun")]
    assert began == ["slow", "fine", "bad"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no autogroups")
def test_the_first_lane_has_the_cpu_first(tmp_path: Path) -> None:
    _, said = run(tmp_path, "weight", "weight")
    assert sorted(re.findall(r" nice (\d+)$", said, re.MULTILINE)) == ["0", "10"]


def test_after_a_failure_nothing_is_begun_and_what_runs_goes_on_to_its_end(tmp_path: Path) -> None:
    code, said = run(tmp_path, "bad fine", "slow fine")
    assert code == 2
    assert "what is wrong\n" in said
    assert "slow begins\nslow ends\n" in said
    assert "fine begins" not in said
    last = said.splitlines()[-1]
    assert last.startswith("=== make test: exit code 2 after ")
    assert "passed: slow (" in last
    assert "FAILED: bad (exit code 2, " in last
    assert last.endswith("left out: fine, fine")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_what_runs_and_waits_until_it_is_taken_down(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, "stack fine")
    while not (tmp_path / "up").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "taken down\n" in said
    assert said.splitlines()[-1].endswith("left out: fine")


def test_what_is_made_already_is_not_made_again(tmp_path: Path) -> None:
    assert "prepared anew" in run(tmp_path, "needy")[1]
    code, said = run(tmp_path, "needy", "--made", "prepared")
    assert code == 0
    assert "prepared anew" not in said


def test_meanwhile_the_last_line_of_each_is_told(tmp_path: Path) -> None:
    program = (
        "from machine import lanes; lanes.TELL_EVERY_SECONDS = 0.2; "
        "lanes.Lanes([['slow'], ['fine', 'fine', 'bad']], command=['make']).run()"
    )
    (tmp_path / "Makefile").write_text(MAKEFILE)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    told = done.stdout.split("slow begins\nslow ends")[0]
    assert "    slow: slow begins\n    fine: fine begins\n" in told
