"""The proof in one command, .ci/run: what it runs, in which order, and the exit code that comes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """#!/bin/sh
echo "{name} $*" >>"{log}"
case "{name} $*" in {cases} esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    return tmp_path


def run(checkout: Path, **codes: int) -> tuple[int, list[str], str]:
    """Run it with programs in the place of make and Python that end with these codes (0 if not named).

    Returns:
        Its exit code, what it ran, and what it printed.
    """
    log = checkout / "log"
    names = {
        "test": "make test", "test_swarm": "make test-swarm", "clean": "make clean",
        "possible": "python3 -m machine swarm-possible",
    }  # fmt: skip
    cases = " ".join(f'"{names[key]}") exit {code} ;;' for key, code in codes.items())
    bin_ = checkout / "bin"
    bin_.mkdir()
    for name in ("make", "python3"):
        program = bin_ / name
        program.write_text(PROGRAM.format(name=name, log=log, cases=cases or "x) ;;"))
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", checkout / ".ci/run"],
        env={"PATH": f"{bin_}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, log.read_text().splitlines(), done.stdout + done.stderr


TEST, POSSIBLE, SWARM, CLEAN = (
    "make test", "python3 -m machine swarm-possible", "make test-swarm", "make clean",
)  # fmt: skip


def test_it_tests_tests_on_swarm_and_cleans(checkout: Path) -> None:
    assert run(checkout)[:2] == (0, [TEST, POSSIBLE, SWARM, CLEAN])


def test_where_a_swarm_cannot_be_had_it_says_that_its_tests_are_left_out(checkout: Path) -> None:
    code, ran, said = run(checkout, possible=1)

    assert (code, ran) == (0, [TEST, POSSIBLE, CLEAN])
    assert "tests on Swarm: LEFT OUT" in said


def test_a_test_that_fails_ends_it_and_what_was_made_is_removed(checkout: Path) -> None:
    assert run(checkout, test=2)[:2] == (2, [TEST, CLEAN])


def test_so_does_one_on_swarm(checkout: Path) -> None:
    assert run(checkout, test_swarm=2)[:2] == (2, [TEST, POSSIBLE, SWARM, CLEAN])


def test_a_cleaning_that_fails_fails_it(checkout: Path) -> None:
    assert run(checkout, clean=3)[:2] == (3, [TEST, POSSIBLE, SWARM, CLEAN])


def test_the_tests_failure_comes_first(checkout: Path) -> None:
    assert run(checkout, test=2, clean=3)[:2] == (2, [TEST, CLEAN])
