"""What can be seen of this machine before anything is decided."""

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from machine.shell import capture

ENGINE_ANSWER_SECONDS = 20.0
PERMISSION_DENIED = "permission denied"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The machine as values, so that the decision needs no machine.

    Attributes:
        system: `ID` of os-release, such as `debian`.
        root: Whether we run as root.
        systemd: Whether systemd runs this machine.
        docker_host: The engine that the environment names, or the empty string.
        client: Whether there is a `docker` program.
        daemon: Whether there is a `dockerd` program.
        iptables: Whether there is an `iptables` program.
        engine_answers: Whether an engine answers the client.
        engine_says: Why not, in the client's words.
        compose: Whether `docker compose` works.
        pip: Whether this Python has pip.
        ensurepip: Whether this Python can make virtual environments.
    """

    system: str
    root: bool
    systemd: bool
    docker_host: str
    client: bool
    daemon: bool
    iptables: bool
    engine_answers: bool
    engine_says: str
    compose: bool
    pip: bool
    ensurepip: bool

    @property
    def may_install(self) -> bool:
        """Whether packages can be installed: Debian, as root."""
        return self.system == "debian" and self.root


def observe() -> Facts:
    """Look at this machine; changes nothing."""
    answers, says = engine_answers()
    return Facts(
        system=system_id(),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),
        docker_host=os.environ.get("DOCKER_HOST", ""),
        client=shutil.which("docker") is not None,
        daemon=shutil.which("dockerd") is not None,
        iptables=shutil.which("iptables") is not None,
        engine_answers=answers,
        engine_says=says,
        compose=capture("docker", "compose", "version").ok,
        pip=importlib.util.find_spec("pip") is not None,
        ensurepip=importlib.util.find_spec("ensurepip") is not None,
    )


def engine_answers() -> tuple[bool, str]:
    """Ask for the server's version: a client alone, or a dead engine, has none.

    Returns:
        Whether an engine answers, and the last line that the client said if not.
    """
    asked = capture("docker", "version", "--format", "{{.Server.Version}}", timeout=ENGINE_ANSWER_SECONDS)
    if asked.ok and asked.stdout.strip():
        return True, ""
    said = (asked.stderr or asked.stdout).strip().splitlines()
    return False, said[-1] if said else "no answer"


def system_id() -> str:
    """Return `ID` of this machine's os-release, or the empty string when there is none."""
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""
