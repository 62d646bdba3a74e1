"""Runs a page's commands and says what failed: file, line, command, and the end of what was printed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.docs.script import Places, fits, output, shell, shown
from tools.blocks import Page

_LINES: Final = 40
"""So much of the end of the output is shown."""

# Read by Bash before the script, whose lines are those of the page. The variable is for this Bash alone.
_BEFORE: Final = """set -euo pipefail
unset BASH_ENV
exec 9>"{trace}"
trap 'echo "$LINENO" >&9' DEBUG
"""


def failure(page: Page, places: Places, *, environment: Mapping[str, str], within: float) -> str:
    """Run a page; return what failed, or the empty string.

    Args:
        page: without faults.
        places: their directories exist.
        environment: the commands'.
        within: seconds for all of it.
    """
    log = places.output / "log.txt"
    ended = _run(page, places, environment=environment, within=within, log=log)
    if ended:
        return _told(page, places, ended=ended, log=log)
    for one in shown(page, places):
        printed = places.documented(one.file.read_text(encoding="utf-8", errors="replace"))
        if not fits(one.expected, printed):
            expected = "\n".join(one.expected)
            return f"{page.file}:{one.line}: the page shows\n{expected}\n--- but it prints\n{printed}"
    return ""


def _run(page: Page, places: Places, *, environment: Mapping[str, str], within: float, log: Path) -> str:
    """Return how it ended; the empty string if it did well."""
    script = places.output / page.file.name
    script.write_text(shell(page, places), encoding="utf-8")
    before = places.output / "before.sh"
    before.write_text(_BEFORE.format(trace=_trace(places)), encoding="utf-8")
    with log.open("wb") as written:
        bash = subprocess.Popen(
            ["bash", str(script)],
            cwd=places.clone,
            env={**environment, "BASH_ENV": str(before)},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = bash.wait(within)
        except subprocess.TimeoutExpired:
            return f"not done within {within:g} s"
        finally:
            _end(bash)
    return f"exit code {code}" if code else ""


def _end(bash: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started, what it left in the background too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(bash.pid, signal.SIGKILL)
    bash.wait()


def _trace(places: Places) -> Path:
    return places.output / "trace"


def _told(page: Page, places: Places, *, ended: str, log: Path) -> str:
    trace = _trace(places)
    reached = trace.read_text(encoding="ascii").split() if trace.exists() else []
    line, command, at = _command(page, int(reached[-1]) if reached else 0)
    printed = log.read_text(encoding="utf-8", errors="replace")
    kept = output(places, line)
    if kept.exists():
        printed += kept.read_text(encoding="utf-8", errors="replace")
    end = "\n".join(printed.splitlines()[-_LINES:])
    return f"{page.file}:{line}: {ended}{at}\n$ {command}\n--- the end of what it printed\n{end}"


def _command(page: Page, line: int) -> tuple[int, str, str]:
    """Return the command that a line belongs to: its first line, its text, and of which block it is."""
    block = next((b for b in page.blocks if b.line < line < b.last), None)
    if block is None:
        return line, "bash", ""
    lines = block.commands.splitlines()
    first = after = line - block.line - 1
    while first and lines[first - 1].endswith("\\"):
        first -= 1
    while after < len(lines) - 1 and lines[after].endswith("\\"):
        after += 1
    text = "\n".join(lines[first : after + 1]).strip()
    return block.line + 1 + first, text, f" (the block at line {block.line})"
