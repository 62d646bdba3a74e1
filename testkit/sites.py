"""Services of another project, each behind a site of its own in a stack's nginx."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import requests
from docker import APIClient
from docker.utils import kwargs_from_env

from testkit.load import Load
from testkit.networks import kept_by
from testkit.stack import Stack, wait_until

LIGHT = "/work?ms=1"
"""What costs a replica next to nothing, and tells who it is."""
_SITE = "server {{ listen 80; server_name {0}.example; location / {{ proxy_pass http://{1}.{0}; }} }}\n"


@dataclass(frozen=True, kw_only=True)
class Behind:
    """Services of one replica each, whose host name is the service's.

    Attributes:
        stack: that has the nginx before them.
        project: their Compose project.
        file: its Compose file, which takes the image of flask-app as ``IMAGE``, and the stack's network as
            ``NETWORK``.
        services: their names; ``<name>.example`` is the site of each.
        variables: of the Compose file.
    """

    stack: Stack
    project: str
    file: Path
    services: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        image = self.stack.containers()[0]["Config"]["Image"]
        return subprocess.run(
            ["docker", "compose", "-p", self.project, "-f", str(self.file), *words],
            env={**os.environ, "IMAGE": image, "NETWORK": f"{self.stack.project}_default", **self.variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def compose(self, *words: str) -> None:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr

    def addresses(self) -> dict[str, str]:
        """The address of each service's replica; those that have none are left out."""
        found = {name: self.stack.addresses(name, project=self.project) for name in self.services}
        return {name: one for name, addresses in found.items() for one in addresses}

    def site(self, service: str) -> Path:
        """The file of a service's site."""
        return self.stack.directory / f"nginx/conf.d/{service}.conf"

    def write_site(self, service: str) -> None:
        """Write it as it should be."""
        self.site(service).write_text(_SITE.format(service, self.project))

    def await_all(self) -> None:
        """Wait until each has its replica in nginx, and answers."""
        names = set(self.services)
        wait_until(lambda: set(map(self.answer, names)) == names, within=30, what="all of them")

    def answer(self, service: str) -> str:
        """Who answers the visitor of a service's site; else the status."""
        url, headers = self.stack.url("NGINX_PORT", LIGHT), {"Host": f"{service}.example"}
        answer = requests.get(url, headers=headers, timeout=10)
        return str(answer.json()["replica"]) if answer.ok else str(answer.status_code)

    @contextlib.contextmanager
    def up(self) -> Iterator[Self]:
        """All of them, ready and behind nginx; afterwards nothing of them is left."""
        try:
            self.compose("up", "--detach")
            # A reload by hand is refused while nginx has not heard of them.
            wait_until(self._has_all, within=30, what="an upstream of each")
            for name in self.services:
                self.write_site(name)
            self._reload()
            self.await_all()
            yield self
        finally:
            for name in self.services:
                self.site(name).unlink(missing_ok=True)
            self._reload()
            kept_by(self.run("down", "--volumes"), project=self.project)
            first = self.services[0]
            wait_until(lambda: not self.stack.service(first)["replicas"], within=10, what="all of them, gone")

    def _has_all(self) -> bool:
        return all(self.stack.upstream(f"{self.project}.{name}") for name in self.services)

    def _reload(self) -> None:
        self.stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")


def answered_by_others(load: Load) -> dict[tuple[str, str], int]:
    """Answers that were another's, by site and replica."""
    return {who: n for who, n in load.answered_by.items() if who[0] != f"{who[1]}.example"}


@contextlib.contextmanager
def stranger_waiting(stack: Stack, image: str) -> Iterator[tuple[APIClient, str]]:
    """An engine's client, and a container that answers as a replica does as soon as it is started."""
    with contextlib.closing(APIClient(**kwargs_from_env())) as engine:
        network = f"{stack.project}_default"
        made = engine.create_container(
            image,
            hostname="stranger",
            # The image has Compose's labels, and it is to be none of the stack's.
            labels={"com.docker.compose.project": "stranger", "com.docker.compose.service": "x"},
            host_config=engine.create_host_config(network_mode=network),
        )["Id"]
        try:
            yield engine, made
        finally:
            engine.remove_container(made, force=True, v=True)
