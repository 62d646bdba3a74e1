"""Files that only we and Prometheus' and Alertmanager's group may read."""

import os
from pathlib import Path
from typing import Final

NOBODY: Final = 65534
"""The group of the official images of Prometheus and Alertmanager."""


def write_private(path: Path, text: str) -> None:
    """Write a file in one move, so that nobody meets half of it.

    Args:
        path: its place; what is there is replaced.
        text: its content, of which no other user or group may read a byte at any time.

    Raises:
        OSError: the file cannot be written.
    """
    aside = path.with_suffix(".new")
    # One that a crash left behind is read-only, and we have no capability to write to it all the same.
    aside.unlink(missing_ok=True)
    with os.fdopen(
        os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(aside, -1, NOBODY)
    aside.chmod(0o440)
    aside.replace(path)
