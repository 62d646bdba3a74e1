"""The scaler, made to die (SIGKILL) at a point of its journal, and begun again at once.

The file ``point`` beside this one names it, behind a number by which it is known from the one before:
``begin``, ``finish`` or ``enter:<phase>``, each ``before`` or ``after`` the journal is written, such as
``3 before enter:start``. At each it dies once. No part of the product knows of this.

What dies is the whole process, with all that it had in memory. Its parent, which has only imported the
program, begins it again in the place of Docker: that spares the start of a container and of Python.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from scaler.__main__ import main
from scaler.state.journal import Journal

POINT = Path(__file__).with_name("point")


def armed() -> str:
    """The point as it is written down; empty if none is."""
    return POINT.read_text(encoding="ascii") if POINT.exists() else ""


def _crashing(method: Callable[..., Any], spent: str) -> Callable[..., Any]:
    def die_at(point: str) -> None:
        number, _, wanted = armed().partition(" ")
        if wanted == point and f"{number} {wanted}" != spent:
            os.kill(os.getpid(), signal.SIGKILL)

    @wraps(method)
    def wrapped(journal: Journal, *args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - passes anything on
        name = method.__name__
        name += f":{keywords['phase']}" if name == "enter" else ""
        die_at(f"before {name}")
        result = method(journal, *args, **keywords)
        die_at(f"after {name}")
        return result

    return wrapped


def _pass_on(child: int, number: int, _frame: object) -> None:
    os.kill(child, number)


def run() -> int:
    """Run the scaler, as often as it is killed; return the exit code of the run that was not."""
    while True:
        spent = armed()
        child = os.fork()
        if child == 0:
            for name in ("begin", "enter", "finish"):
                setattr(Journal, name, _crashing(getattr(Journal, name), spent))
            return main()
        signal.signal(signal.SIGTERM, partial(_pass_on, child))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            return code


if __name__ == "__main__":
    sys.exit(run())
