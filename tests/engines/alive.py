"""Ends a run when this machine's engine has died: what fails after that says nothing of what it tests.

For a ``conftest.py``, which takes the hook by importing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machine import daemon
from machine.shell import capture

LOG = Path(__file__).parents[2] / ".alertscale" / "log" / "dockerd.log"
_HOST = os.environ.get("DOCKER_HOST", "")
"""As the run began: tests point the variable at engines of their own, and kill those."""
_ANSWER_SECONDS = 10.0
_STACK_LINES = 16
_LAST_LINES = 12


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, report: pytest.CollectReport | pytest.TestReport
) -> None:
    """With a failure, ask the engine for its version; if it has none, say so once and end the run, red."""
    if node.session.shouldfail or daemon.wait_until(_answers, seconds=_ANSWER_SECONDS):
        return
    told = story(None if _HOST else LOG)
    report.sections.append(("this machine's engine", told))
    died = "this machine's engine died: what it left untested is not known to hold"
    # Of a worker the report has been sent by now; how it ends is told by the first process.
    node.session.shouldfail = f"{died}\n{told}" if hasattr(node.config, "workerinput") else died


def _answers() -> bool:
    return capture("docker", "version", timeout=10, env={"DOCKER_HOST": _HOST}).ok


def story(log: Path | None) -> str:
    """What is known of the engine's end, and the way out.

    Args:
        log: where an engine that `make` started writes; None for an engine that DOCKER_HOST names.
    """
    if log is None or not log.is_file():
        return (
            "It does not answer, and was not started from this checkout. Way out: read its log"
            " (journalctl --unit docker.service), start it anew, then run the tests again."
        )
    words = last_words(log.read_text(encoding="utf-8", errors="replace"))
    return (
        f"It does not answer. The end of {log}:\n{words}\n"
        "Way out: if it crashed, docs/recover.md has the crashes that are known; `make ready` starts it anew;"
        " then run the tests again."
    )


def last_words(text: str) -> str:
    """How dockerd's last run ended: the beginning of its crash, or else its last lines.

    Args:
        text: what it logged, in one run or in several.
    """
    lines = text.rpartition('msg="Starting up"')[2].splitlines()
    crashes = [n for n, line in enumerate(lines) if line.startswith(("panic: ", "fatal error: "))]
    told = lines[crashes[-1] :][:_STACK_LINES] if crashes else lines[-_LAST_LINES:]
    return "\n".join(told)
