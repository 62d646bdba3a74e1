"""A running stack, and ways to look at it from outside."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from docker import APIClient
from docker.errors import APIError, NotFound
from docker.utils import kwargs_from_env

from machine import built
from testkit.networks import kept_by

REPOSITORY = Path(__file__).parents[1]
PROJECT = "-".join(filter(None, ("alertscale-e2e", os.environ.get("PYTEST_XDIST_WORKER"))))
"""That of the tests' stack: a worker of xdist has one of its own."""
# Services of profiles too: they may have been started.
_ALL = ("--profile", "*")
T = TypeVar("T")


def wait_until(look: Callable[[], T], *, within: float, what: str, every: float = 0.1) -> T:
    """Look until the answer is true; fail with what was waited for and what was seen last."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {what}; last seen: {seen!r}")
        time.sleep(every)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Scaled(ABC):
    """What a scaler is asked and ordered, wherever the stack runs."""

    @abstractmethod
    def scaler(self, path: str) -> dict[str, Any]:
        """GET from the scaler."""

    @abstractmethod
    def change(self, path: str, body: object) -> requests.Response:
        """POST to the scaler with the token."""

    def service(self, name: str = "flask-app") -> dict[str, Any]:
        """A service as the API shows it; empty while no scaler acts."""
        found = [s for s in self.scaler("/api/v1/services").get("services", []) if s["service"] == name]
        return dict(found[0]) if found else {}

    def events(self) -> list[dict[str, Any]]:
        """The history, oldest first."""
        return list(reversed(self.scaler("/api/v1/events?limit=1000").get("events", [])))

    def await_replicas(self, count: int, *, within: float, service: str = "flask-app") -> None:
        """Wait until so many replicas are ready, and no other container of the service is there."""
        wait_until(
            lambda: has_ready(self.service(service), count),
            within=within,
            what=f"{count} ready replicas of {service}",
        )

    def scale(self, count: int, *, service: str = "flask-app", within: float = 60) -> None:
        """Order a count through the API, and wait for it and for the end of the order.

        A replica is ready a moment before its step has ended, and there may be the right number of them while
        a step of an earlier order is under way. An order outlives the scaler: one that is left is carried out
        when nobody expects it, by the next test or out of a backup.
        """
        answer = self.change(f"/api/v1/services/{service}/scale", {"replicas": count})
        assert answer.status_code == 202, answer.text
        wait_until(
            lambda: carried_out(self.service(service), count),
            within=within,
            what=f"the order of {count} replicas of {service} carried out",
        )

    def pause(self, pause: str, *, service: str = "flask-app") -> None:
        answer = self.change(f"/api/v1/services/{service}/pause", {"pause": pause})
        assert answer.status_code == 200, answer.text


@dataclass(kw_only=True)
class Stack(Scaled):
    """The running stack.

    Attributes:
        directory: a copy of the repository.
        ports: variable to host port.
        project: its Compose project.
        files: Compose files, relative to the directory.
        projects: those that its scaler looks after, where the fast file is among the files; none for all on
            the engine that have no scaler of their own.
    """

    directory: Path
    ports: Mapping[str, int]
    project: str = PROJECT
    files: tuple[str, ...] = ("docker-compose.yml", "tests/e2e/docker-compose.fast.yml")
    projects: tuple[str, ...] = ()
    session: requests.Session = field(default_factory=requests.Session, repr=False)
    _tokens: list[str] = field(default_factory=list, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **{name: str(port) for name, port in self.ports.items()},
            "NGINX_BIND": "127.0.0.1",
            "ALERTSCALE_PROJECTS": ",".join(self.projects),
        }

    def command(self, *words: str) -> list[str]:
        files = [part for name in self.files for part in ("-f", name)]
        return ["docker", "compose", "-p", self.project, "--progress", "plain", *files, *words]

    def compose(self, *words: str, check: bool = True, timeout: float = 600) -> str:
        """Run ``docker compose`` on this project; return what it printed."""
        done = self._run(*words, timeout=timeout)
        if check and done.returncode:
            pytest.fail(
                f"docker compose {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _run(self, *words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def down(self, *options: str) -> list[str]:
        """Run ``docker compose down``; return the networks that the engine kept by a fault of its own."""
        return kept_by(self._run("down", *options), project=self.project)

    def take_down(self, *, check: bool = True) -> None:
        """Remove containers and networks of every profile, and volumes."""
        done = self._run(*_ALL, "down", "--volumes", "--remove-orphans", "--timeout", "5")
        if check:
            kept_by(done, project=self.project)

    def remove_images(self, *, check: bool = True) -> None:
        """Remove what was built for it."""
        config = self.compose(*_ALL, "config", "--format", "json", check=check)
        left = built.remove(built.names(json.loads(config))) if config else []
        if check and left:
            pytest.fail(f"images that cannot be removed: {', '.join(left)}")

    def url(self, variable: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[variable]}{path}"

    def scaler(self, path: str) -> dict[str, Any]:
        """GET from the scaler."""
        answer = self.session.get(self.url("SCALER_PORT", path), timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def token(self) -> str:
        """The bearer token, read once."""
        if not self._tokens:
            self._tokens.append(self.compose("exec", "-T", "scaler", "cat", "/run/alertscale/token").strip())
        return self._tokens[0]

    def change(self, path: str, body: object) -> requests.Response:
        """POST to the scaler with the token."""
        return self.session.post(
            self.url("SCALER_PORT", path),
            json=body,
            headers={"Authorization": f"Bearer {self.token()}"},
            timeout=10,
        )

    def containers(self, service: str = "flask-app", *, project: str | None = None) -> list[dict[str, Any]]:
        """A service's containers in whichever state, by number, as ``docker inspect`` shows them."""
        found: list[dict[str, Any]] = []
        # Without the docker command: this is asked many times a second, while it is measured what others do.
        with contextlib.closing(APIClient(**kwargs_from_env())) as engine:
            for one in self._ids(engine, service, project or self.project):
                with contextlib.suppress(NotFound):
                    found.append(engine.inspect_container(one))
        return sorted(found, key=lambda c: int(c["Config"]["Labels"]["com.docker.compose.container-number"]))

    def _ids(self, engine: APIClient, service: str, project: str) -> list[str]:
        labels = [f"com.docker.compose.project={project}", f"com.docker.compose.service={service}"]
        return [c["Id"] for c in engine.containers(all=True, filters={"label": labels})]

    def addresses(self, service: str = "flask-app", *, project: str | None = None) -> set[str]:
        """Addresses, on our network, of a service's running containers."""
        network = f"{self.project}_default"
        return {
            c["NetworkSettings"]["Networks"][network]["IPAddress"]
            for c in self.containers(service, project=project)
            if c["State"]["Running"] and not c["State"]["Paused"]
        }

    def upstream(self, name: str = "flask-app") -> set[str]:
        """The addresses that nginx's file of an upstream holds: none while nginx itself answers 503."""
        # Past Compose, which inspects every container: an old engine does not answer for a frozen one.
        with contextlib.closing(APIClient(**kwargs_from_env())) as engine:
            (nginx,) = self._ids(engine, "nginx", self.project)
            text = b""
            # It may be starting anew.
            with contextlib.suppress(APIError):
                asked = engine.exec_create(nginx, ["cat", f"/etc/nginx/upstreams/current/{name}.conf"])
                text = engine.exec_start(asked["Id"])
        servers = [
            line.split()[1] for line in text.decode().splitlines() if line.strip().startswith("server ")
        ]
        return {server.rsplit(":", 1)[0] for server in servers} - {"127.0.0.1"}

    def loaded(self, name: str = "flask-app") -> set[str]:
        """The addresses of an upstream that nginx has loaded: the file is there a moment before."""
        reloads = [e for e in self.events() if e["kind"] == "reload" and e["reason"] == "reloaded"]
        servers = reloads[-1]["detail"]["upstreams"].get(name, []) if reloads else []
        return {str(server).rsplit(":", 1)[0] for server in servers}

    def serves(self) -> bool:
        """Whether nginx answers with a page; right after its start Docker takes connections in its place."""
        try:
            answer = requests.get(self.url("NGINX_PORT", "/"), timeout=10)
        except requests.ConnectionError:
            return False
        return answer.status_code == http.client.OK


def has_ready(service: dict[str, Any], count: int) -> bool:
    """Whether a service, as the API shows it, has so many replicas, all of them ready."""
    return [r["state"] for r in service.get("replicas", [])] == ["ready"] * count


def carried_out(service: dict[str, Any], count: int) -> bool:
    """Whether it has so many, and the order for them is over."""
    return has_ready(service, count) and service.get("wanted") is None


def copy_repository(target: Path) -> None:
    """Copy what git tracks or would track, as a fresh clone would have it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
