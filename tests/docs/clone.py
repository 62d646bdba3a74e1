"""A clone for the pages' commands: its stack as shipped, and the way back after each page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import requests

from testkit.stack import Stack, copy_repository, free_port, wait_until
from tests.docs.script import Places
from tools.blocks import Page

PROJECT: Final = "alertscale-docs"
PORTS: Final = {
    "NGINX_PORT": 8080,
    "SCALER_PORT": 8000,
    "PROMETHEUS_PORT": 10090,
    "ALERTMANAGER_PORT": 9093,
    "LOCUST_PORT": 8089,
    "HTTPS_PORT": 443,
}
"""The ports that the documentation names."""

_ALERTSCALE: Final = """#!/bin/sh
PYTHONPATH="{clone}" exec "{python}" -m alertscale "$@"
"""
_OVERRIDE: Final = "docker-compose.override.yml"
_BESIDE: Final = """# What other tests label at the same time on this engine is not to be looked after.
services:
  scaler:
    environment: {{ ALERTSCALE_PROJECTS: "{projects}" }}
"""
# Not a link to the real one: make clean and make venv of a page would empty that.
_PYTHON: Final = """#!/bin/sh
exec "{python}" "$@"
"""


class ProjectInUseError(Exception):
    """A page would work on a project that is not the test's."""


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A clone whose one commit is the working tree, and its stack.

    Attributes:
        stack: running.
        home: the reader's home directory.
        programs: a directory with what the reader has installed, which is alertscale.
        image: any that is on the engine.
        derived: names that Compose puts the project's before: of services, networks and volumes.
    """

    stack: Stack
    home: Path
    programs: Path
    image: str
    derived: Sequence[str]
    _running: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The clone's root."""
        return self.stack.directory

    @property
    def environment(self) -> dict[str, str]:
        """The reader's; it tells Compose, curl and alertscale the ports in place of the documented ones."""
        home = Path.home()
        kept = {
            "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(home / ".docker")),
            "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(home / ".config")),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(home / ".cache")),
        }
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        own = {
            "HOME": str(self.home),
            "CURL_HOME": str(self.home),
            "PATH": path,
            "ALERTSCALE_URL": self.stack.url("SCALER_PORT", ""),
        }
        return {**self.stack.environment, **kept, **own}

    @contextmanager
    def page(self, page: Page, scratch: Path) -> Iterator[Places]:
        """Give a page its places; afterwards put back what it changed.

        Raises:
            ProjectInUseError: a project of the page's would be one that is there.
        """
        taken = {block.directory for block in page.blocks} & {project for project, _ in _projects()}
        if taken:
            raise ProjectInUseError(
                f"{page.file}: this engine has a Compose project {', '.join(sorted(taken))}, "
                "which the page would change. Way out: take it down, or run the test on another engine"
            )
        places = Places(
            clone=self.directory,
            scratch=scratch / "scratch",
            output=scratch / "output",
            project=self.stack.project,
            derived=self.derived,
        )
        for folder in (places.scratch, places.output):
            folder.mkdir()
        try:
            yield places
        finally:
            self._remove_projects_below(places.scratch)
            self._restore_files()
            self._restore_stack()

    def provide_programs(self) -> None:
        """Write alertscale, which the reader has installed, and the Python of ``make venv``."""
        self._program(self.programs / "alertscale", _ALERTSCALE)
        self._program(self.directory / ".venv/bin/python", _PYTHON)

    def _program(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(clone=self.directory, python=sys.executable), encoding="utf-8")
        file.chmod(0o755)

    def _remove_projects_below(self, scratch: Path) -> None:
        for project, folder in _projects():
            if folder.is_relative_to(scratch):
                _docker("compose", "-p", project, "down", "--volumes", "--remove-orphans", "--timeout", "1")

    def _restore_files(self) -> None:
        if git(self.directory, "status", "--porcelain", "--ignored", "--", ".", ":!.venv"):
            self._take_files()
            git(self.directory, "clean", "-fdxq")
            git(self.directory, "checkout", "--quiet", ".")
            self.provide_programs()
            self.stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload", check=False)
        for entry in self.home.iterdir():
            if entry.name != ".curlrc":
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def _take_files(self) -> None:
        """Become the owner of what containers wrote as root."""
        if os.geteuid() != 0:
            owner = f"{os.geteuid()}:{os.getegid()}"
            chown = ("--entrypoint", "chown", self.image, "-R", owner, "/clone")
            _docker("run", "--rm", "--volume", f"{self.directory}:/clone", *chown)

    def _restore_stack(self) -> None:
        # The scaler first: it takes a replica away sooner than Compose, and may be about to add one.
        if any(container["State"]["Running"] for container in self.stack.containers("scaler")):
            self._settle()
        if self._containers() != self._running:
            self.stack.compose("up", "--detach", "--remove-orphans")
            self._settle()
        # Not --wait, which gives up at the first that is unhealthy, though it may be starting over.
        wait_until(lambda: not self._ailing(), within=120, what="a healthy stack again", every=0.5)
        self._end_silences()
        self.remember()

    def _settle(self) -> None:
        wait_until(self._answers, within=60, what="an answer of the scaler's")
        self.stack._tokens.clear()
        if self.stack.service()["pause"] != "none":
            self.stack.pause("none")
        if self.stack.service()["wanted"] is not None or len(self.stack.service()["replicas"]) != 1:
            self.stack.scale(1)

    def _end_silences(self) -> None:
        url = self.stack.url("ALERTMANAGER_PORT", "/api/v2")
        for silence in self.stack.session.get(f"{url}/silences", timeout=10).json():
            if silence["status"]["state"] == "active":
                self.stack.session.delete(f"{url}/silence/{silence['id']}", timeout=10)

    def remember(self) -> None:
        """Take the containers as they are now for those that a page is to find."""
        self._running.clear()
        self._running.update(self._containers())

    def _answers(self) -> bool:
        try:
            return bool(self.stack.service())
        except requests.RequestException:
            return False

    def _ailing(self) -> str:
        label = f"label=com.docker.compose.project={self.stack.project}"
        listed = _docker("ps", "--filter", label, "--format", "{{.Names}} {{.Status}}").splitlines()
        return "\n".join(line for line in listed if "unhealthy" in line or "health:" in line)

    def _containers(self) -> dict[str, str]:
        label = f"label=com.docker.compose.project={self.stack.project}"
        listed = _docker("ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.State}}")
        return dict(line.split() for line in listed.splitlines())


def _projects() -> set[tuple[str, Path]]:
    """Return the engine's Compose projects, each with the directory that it was started in."""
    label = '{{.Label "com.docker.compose.project%s"}}'
    listed = _docker("ps", "--all", "--format", f"{label % ''}\t{label % '.working_dir'}")
    found = {line.partition("\t") for line in listed.splitlines()}
    return {(project, Path(folder)) for project, _, folder in found if project}


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def git(clone: Path, *words: str) -> str:
    """Run git as the reader."""
    reader = ("-c", "user.name=reader", "-c", "user.email=reader@example.org")
    return subprocess.run(
        ["git", *reader, *words], cwd=clone, capture_output=True, text=True, check=True
    ).stdout


@contextmanager
def started(place: Path, *, projects: Sequence[str]) -> Iterator[Clone]:
    """Make a clone in an empty directory, start its stack, and take it down in the end.

    Args:
        place: the directory.
        projects: those that its scaler looks after.
    """
    directory, home, programs = (place / name for name in ("alertscale", "home", "programs"))
    for folder in (directory, home, programs):
        folder.mkdir()
    copy_repository(directory)
    # By the name that Compose reads by itself, so that it holds for a page's commands.
    (directory / _OVERRIDE).write_text(_BESIDE.format(projects=",".join(projects)), encoding="utf-8")
    git(directory, "init", "--quiet", "--initial-branch=main")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message=The repository as it is")
    stack = Stack(
        directory=directory,
        ports={name: free_port() for name in PORTS},
        project=PROJECT,
        files=("docker-compose.yml", _OVERRIDE),
    )
    (home / ".curlrc").write_text(_connects(stack), encoding="ascii")
    try:
        stack.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "300")
        stack.await_replicas(1, within=30)
        config = json.loads(stack.compose("config", "--format", "json"))
        derived = [name for part in ("services", "networks", "volumes") for name in config[part]]
        image = config["services"]["nginx"]["image"]
        clone = Clone(stack=stack, home=home, programs=programs, image=image, derived=derived)
        clone.provide_programs()
        clone.remember()
        yield clone
    finally:
        if os.environ.get("CI") or not os.environ.get("KEEP_STACK"):
            stack.take_down()
            stack.remove_images()
        stack.session.close()


def _connects(stack: Stack) -> str:
    return "".join(
        f'connect-to = "{host}:{documented}:127.0.0.1:{stack.ports[name]}"\n'
        for name, documented in PORTS.items()
        for host in ("localhost", "127.0.0.1")
    )
