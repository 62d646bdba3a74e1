"""The virtual environment of tests and lint."""

import hashlib
import platform
import sys
from pathlib import Path

from machine import packages
from machine.errors import Missing, NotReadyError
from machine.shell import logged
from machine.state import Workplace

REQUIREMENTS = "requirements-dev.txt"
STAMP = ".made-from"


def fingerprint(requirements: Path, *, python: str) -> str:
    """Return what the environment is made from: the requirements, all they include, and Python."""
    digest = hashlib.sha256(python.encode())
    pending = [requirements]
    while pending:
        file = pending.pop(0)
        text = file.read_text(encoding="utf-8")
        digest.update(text.encode())
        pending += [
            file.parent / line.removeprefix("-r").strip()
            for line in text.splitlines()
            if line.startswith("-r ")
        ]
    return digest.hexdigest()


def make(place: Workplace, *, ensurepip: bool, may_install: bool) -> None:
    """Make `.venv`, anew whenever what it is made from has changed.

    Raises:
        NotReadyError: This Python cannot make virtual environments, and nothing may be installed; or
            `.venv` is a link to one that is not up to date, which others may be using.
        CommandFailedError: Making it failed.
    """
    folder = place.checkout / ".venv"
    requirements = place.checkout / REQUIREMENTS
    wanted = fingerprint(requirements, python=platform.python_version())
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if folder.is_symlink():
        raise NotReadyError([_not_ours(folder)])
    if not ensurepip:
        _provide_venv(place, may_install=may_install)
    log = place.logs / "venv.log"
    logged("Making .venv", [sys.executable, "-m", "venv", "--clear", str(folder)], log=log)
    logged(
        f"Installing {REQUIREMENTS} into .venv",
        [str(folder / "bin/pip"), "install", "--requirement", str(requirements)],
        log=log,
    )
    stamp.write_text(wanted, encoding="utf-8")


def _not_ours(folder: Path) -> Missing:
    return Missing(
        what=f"{folder} is a link to {folder.readlink()}, not made from this checkout's {REQUIREMENTS}",
        way_out=f"make it where it is, or remove the link (rm {folder}) to get one of this checkout's own",
    )


def _provide_venv(place: Workplace, *, may_install: bool) -> None:
    if not may_install:
        raise NotReadyError(
            [
                Missing(
                    what="this Python cannot make virtual environments (it lacks ensurepip)",
                    way_out="on Debian: apt-get install python3-venv, or run make as root",
                )
            ]
        )
    packages.install(["python3-venv", "python3-pip"], place=place)
