"""A run of tests ends, red and with the reason, when the engine under it has died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.alive import last_words, story
from tests.engines.own import own_engine, why_not

WHY_NOT = why_not()
pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]
CRASH = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x50 pc=0x55d0f4e7d2b5]

goroutine 91312 [running]:
github.com/docker/docker/daemon.(*Daemon).ContainerExecStart(...)
"""
STARTED = 'level=info msg="Starting up"\n'
CONFTEST = "from tests.engines.alive import pytest_exception_interact\n"


def run(folder: Path, tests: str, *, host: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the caller's making against the engine at `host`."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", str(folder), "-p", "no:schemathesis", str(folder)],
        env={**os.environ, "DOCKER_HOST": host, "PYTHONPATH": str(REPOSITORY), "PYTEST_ADDOPTS": ""},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_while_the_engine_answers_a_failure_ends_nothing(tmp_path: Path) -> None:
    tests = "def test_one(): assert False\ndef test_two(): assert False\ndef test_three(): pass\n"
    done = run(tmp_path, tests, host=os.environ.get("DOCKER_HOST", ""))
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout
    assert "died" not in done.stdout


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_a_killed_engine_is_told_once_and_ends_the_run(tmp_path: Path) -> None:
    """Also when a test has turned DOCKER_HOST to another engine, which lives."""
    with own_engine() as engine:
        tests = (
            "import os, signal\n"
            "def test_one(monkeypatch):\n"
            "    monkeypatch.setenv('DOCKER_HOST', '')\n"
            f"    os.kill({engine.pid}, signal.SIGKILL)\n"
            "    assert False, 'the first to see it'\n"
            "def test_two(): assert False, 'not reached'\n"
        )
        done = run(tmp_path, tests, host=engine.host)
        engine.kill()
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert done.stdout.count("this machine's engine died") == 1
    assert "It does not answer, and was not started from this checkout" in done.stdout
    assert "not reached" not in done.stdout


def test_the_beginning_of_a_crash_is_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "dockerd.log"
    log.write_text(f"{STARTED}earlier\n{CRASH}" + "frame\n" * 100)
    told = story(log)
    assert CRASH in told
    assert "earlier" not in told
    assert told.count("frame") < 20
    assert "`make ready` starts it anew" in told


def test_a_crash_before_the_engines_last_start_is_not() -> None:
    assert last_words(f"{CRASH}{STARTED}level=info msg=stopped\n").strip() == "level=info msg=stopped"


def test_an_engine_that_somebody_else_started_has_its_log_elsewhere(tmp_path: Path) -> None:
    assert "journalctl --unit docker.service" in story(tmp_path / "absent")
