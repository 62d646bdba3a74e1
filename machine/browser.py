"""A browser for the tests of the status page; they are skipped where none can be had."""

import shutil
from pathlib import Path

from machine import packages
from machine.errors import CommandFailedError

PACKAGE = "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return where this machine has a Chromium; None if it has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def provide(*, may_install: bool, logs: Path) -> tuple[str, ...]:
    """Install Debian's Chromium if there is none; where that cannot be done, say so and go on.

    Returns:
        The Debian packages that were installed for it.
    """
    if find() is not None:
        return ()
    why = f"not root on Debian; way out: apt-get install {PACKAGE}"
    if may_install:
        try:
            return packages.install([PACKAGE], logs=logs)
        except CommandFailedError as error:
            why = str(error)
    print(f"No Chromium, so the tests of the status page in a browser are skipped: {why}")
    return ()
