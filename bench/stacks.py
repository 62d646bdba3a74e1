"""Stacks to measure on: from a fresh copy of the repository, under a project name and ports of their own."""

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest
import requests
import yaml

from bench.benchmark import Progress
from bench.errors import BenchError
from machine.shell import capture
from testkit.stack import Stack, copy_repository, free_port, wait_until

PROJECT: Final = "alertscale-bench"
_PORTS: Final = ("NGINX_PORT", "SCALER_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "LOCUST_PORT")


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Turn what the stack's helpers raise into BenchError: they speak pytest's language."""
    try:
        yield
    except pytest.fail.Exception as failure:
        raise BenchError(str(failure)) from failure
    except (AssertionError, requests.RequestException, OSError, subprocess.SubprocessError) as failure:
        raise BenchError(f"{type(failure).__name__}: {failure}") from failure


class Stacks:
    """Makes stacks, one at a time, and takes the last one down at the end.

    Args:
        progress: told of what takes long.
        keep: leave the last stack up, and its images.
    """

    def __init__(self, *, progress: Progress, keep: bool) -> None:
        self._progress = progress
        self._keep = keep
        self._up: Stack | None = None
        self._clones = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make sure that nothing of an earlier run is in the way."""
        left = capture("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}")
        if not left.ok:
            raise BenchError(f"no engine answers: {left.stderr.strip()}. Way out: make ready")
        if left.stdout.strip():
            raise BenchError(
                f"a stack of an earlier run is up (project {PROJECT}). "
                f"Way out: docker compose -p {PROJECT} down --volumes, and wait for any other run of bench"
            )
        return self

    def __exit__(self, *_exception: object) -> None:
        """Take down what is up, images included."""
        if self._keep:
            self._clones.pop_all()
            return
        with uninterrupted():
            self._take_down(images=True)
            self._clones.close()

    def get(self, files: tuple[str, ...]) -> Stack:
        """Return a healthy stack with one replica: the one that is up if it has these files, else a new.

        Args:
            files: for Compose, relative to the repository.

        Raises:
            BenchError: it does not come up.
        """
        if self._up and self._up.files == files:
            self._progress.stage("Back to one replica")
            with failures_told():
                self._up.pause("none")
                self._up.scale(1)
            return self._up
        self._take_down()
        with failures_told():
            return self._make(files)

    def _make(self, files: tuple[str, ...]) -> Stack:
        self._progress.stage("Building and starting the stack from a fresh copy of the repository")
        clone = Path(self._clone())
        copy_repository(clone)
        ports = {name: free_port() for name in _PORTS}
        stack = Stack(directory=clone, ports=ports, project=PROJECT, files=files)
        # Before it is started: what comes up half is taken down too.
        self._up = stack
        stack.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "300")
        stack.await_replicas(1, within=60)
        return stack

    def _clone(self) -> str:
        if self._keep:
            return tempfile.mkdtemp(prefix="alertscale-bench-")
        return self._clones.enter_context(tempfile.TemporaryDirectory(prefix="alertscale-bench-"))

    def _take_down(self, *, images: bool = False) -> None:
        if not self._up:
            return
        self._progress.stage("Taking the stack down")
        stack, self._up = self._up, None
        # On the way out of a failure, which must stay what is told.
        stack.take_down(check=False)
        if images:
            stack.remove_images(check=False)
        stack.session.close()


def settle(stack: Stack, *, service: str = "flask-app", until: Callable[[], bool] = lambda: True) -> None:
    """One replica, and no alert left that would add another to whatever comes next.

    Args:
        stack: whose scaler is asked.
        service: that it looks after.
        until: what has to hold besides.
    """
    stack.pause("up", service=service)
    stack.scale(1, service=service)
    wait_until(
        lambda: not any(one["scale"] == "up" for one in stack.service(service)["alerts"]) and until(),
        within=60,
        what=f"{service} to come to rest",
    )
    stack.pause("none", service=service)


@contextlib.contextmanager
def edited(file: Path, change: Callable[[Any], None]) -> Iterator[None]:
    """Change a file of YAML in a stack's copy of the repository, and put it back at the end."""
    before = file.read_text(encoding="utf-8")
    document = yaml.safe_load(before)
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def images(stack: Stack) -> list[str]:
    """The images of other makers that a stack runs, by tag."""
    services = json.loads(stack.compose("config", "--format", "json"))["services"]
    return sorted({service["image"] for service in services.values() if "build" not in service})


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no Ctrl+C and no SIGTERM end what is in hand, nor the programs that it starts."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
