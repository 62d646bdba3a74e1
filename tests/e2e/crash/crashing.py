"""The scaler, made to die (SIGKILL) at one point of its journal, once.

The point is read from a file in its data directory and the file is removed first, so that the run that
Docker starts next lives. Points: ``begin``, ``finish`` or ``enter:<phase>``, each ``before`` or ``after``
the journal is written, such as ``before enter:start``. No part of the product knows of this.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from scaler.__main__ import main
from scaler.state.journal import Journal

POINT = Path(os.environ.get("ALERTSCALE_DATA", "/var/lib/alertscale/data")) / "crash-point"


def _die_at(moment: str, name: str) -> None:
    try:
        wanted = POINT.read_text().strip()
    except FileNotFoundError:
        return
    if wanted == f"{moment} {name}":
        POINT.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _crashing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wrapped(journal: Journal, *args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - passes anything on
        name = method.__name__
        name += f":{keywords['phase']}" if name == "enter" else ""
        _die_at("before", name)
        result = method(journal, *args, **keywords)
        _die_at("after", name)
        return result

    return wrapped


for _name in ("begin", "enter", "finish"):
    setattr(Journal, _name, _crashing(getattr(Journal, _name)))

if __name__ == "__main__":
    sys.exit(main())
