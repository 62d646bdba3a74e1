"""Throw-away Compose projects on the real engine."""

import contextlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.utils import kwargs_from_env

from scaler.engines.compose.target import ComposeTarget
from testkit.networks import kept_by

IMAGE = "python:3.14.7-slim"
SERVER = {
    "image": IMAGE,
    "command": ["python", "-m", "http.server", "80"],
    # As process 1 Python answers SIGINT at once and SIGTERM never.
    "stop_signal": "SIGINT",
    # For a stop that comes before Python listens to signals.
    "stop_grace_period": "1s",
    "expose": ["80"],
    "labels": {"alertscale.enable": "true"},
}


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Compose project that is up."""

    name: str
    file: Path
    client: APIClient
    target: ComposeTarget

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose`` on the project; return what it prints."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def down(self, *options: str) -> list[str]:
        """Run ``docker compose down``; return the networks that the engine kept by a fault of its own."""
        return kept_by(self._run("down", *options), project=self.name)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", "-p", self.name, "-f", str(self.file), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ps(self, *services: str) -> list[dict[str, Any]]:
        """Return what ``docker compose ps --all`` lists."""
        lines = self.compose("ps", "--all", "--format", "json", *services).splitlines()
        return [json.loads(line) for line in lines]

    def ids(self, service: str) -> list[str]:
        """Return the ids of a service's containers, as Compose lists them, sorted."""
        return sorted(self.compose("ps", "--all", "--quiet", "--no-trunc", service).split())

    def inspect(self, replica: str) -> dict[str, Any]:
        return dict(self.client.inspect_container(replica))

    def containers(self) -> list[str]:
        """Return the ids of all containers with the project's label, also of those that are no replicas."""
        by_label = {"label": f"com.docker.compose.project={self.name}"}
        return [str(c["Id"]) for c in self.client.containers(all=True, filters=by_label)]

    def left(self) -> dict[str, list[str]]:
        """Everything on the engine that carries the project's label or name."""
        by_label = {"label": f"com.docker.compose.project={self.name}"}
        containers = self.client.containers(all=True, filters=by_label)
        networks = self.client.networks(filters=by_label)
        volumes = self.client.volumes(filters=by_label)["Volumes"] or []
        return {
            "containers": sorted(c["Names"][0] for c in containers),
            "networks": sorted(n["Name"] for n in networks),
            "volumes": sorted(v["Name"] for v in volumes),
        }


@contextlib.contextmanager
def project(home: Path, definition: dict[str, Any], *options: str) -> Iterator[Project]:
    """Bring a project up, and take everything of it away at the end.

    Args:
        home: where its file is written.
        definition: the Compose file.
        options: for ``docker compose up``.
    """
    name = f"tgt-test-{uuid.uuid4().hex[:8]}"
    file = home / "compose.json"
    file.write_text(json.dumps(definition))
    client, events = (APIClient(**kwargs_from_env(), timeout=30) for _ in range(2))
    target = ComposeTarget(client=client, events=events, own_project=name, projects=frozenset({name}))
    made = Project(name=name, file=file, client=client, target=target)
    try:
        made.compose("up", "--detach", *options)
        yield made
    finally:
        made.down("--volumes", "--remove-orphans", "--timeout", "0")
        for container in made.containers():
            client.remove_container(container, force=True, v=True)
        client.close()
        events.close()
