"""A browser for the tests of the status page; they are skipped where none can be had."""

import shutil

from machine import packages
from machine.errors import CommandFailedError
from machine.state import Workplace

PACKAGE = "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return where this machine has a Chromium; None if it has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def provide(place: Workplace, *, may_install: bool) -> None:
    """Install Debian's Chromium if there is none; where that cannot be done, say so and go on."""
    if find() is not None:
        return
    why = f"not root on Debian; way out: apt-get install {PACKAGE}"
    if may_install:
        try:
            packages.install([PACKAGE], place=place)
        except CommandFailedError as error:
            why = str(error)
        else:
            return
    print(f"No Chromium, so the tests of the status page in a browser are skipped: {why}")
