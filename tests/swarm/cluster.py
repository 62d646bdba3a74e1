"""The stack on three real engines, and ways to look at it from outside."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from machine import node
from machine.cluster import Cluster
from machine.node import Node
from machine.shell import tail
from testkit.stack import Scaled, wait_until

STACK = "alertscale"
FLASK_APP = f"{STACK}_flask-app"
NGINX_PORT = 8080
SCALER_PORT = 8000
PROMETHEUS_PORT = 10090


@dataclass(kw_only=True)
class Swarm(Scaled):
    """A running stack on a cluster.

    Attributes:
        cluster: the nodes.
        down: names of those that were killed.
    """

    cluster: Cluster
    down: set[str] = field(default_factory=set)
    session: requests.Session = field(default_factory=requests.Session, repr=False)
    _tokens: list[str] = field(default_factory=list, repr=False)

    def alive(self) -> list[Node]:
        return [one for one in self.cluster.nodes if one.name not in self.down]

    def docker(self, *words: str, on: Node | None = None, check: bool = True) -> str:
        """Run the docker client on a node, any that lives if none is named; return what it printed."""
        at = on or self.alive()[0]
        done = node.docker(at, *words)
        if check and not done.ok:
            pytest.fail(f"docker {' '.join(words)} on {at.name}: {done.stderr}")
        return done.stdout.strip()

    def leader(self) -> Node:
        """The node that leads the Swarm's managers."""
        form = "{{.ManagerStatus}} {{.Hostname}}"
        lines = wait_until(
            lambda: [
                line.split()[1]
                for line in self.docker("node", "ls", "--format", form, check=False).splitlines()
                if line.startswith("Leader ")
            ],
            within=60,
            what="a leader",
        )
        return self.cluster.named(lines[0])

    def acting(self) -> list[Node]:
        """The nodes whose scaler acts."""
        return [one for one in self.alive() if "engine" in self._get(one, "/healthz")]

    def scaler(self, path: str) -> dict[str, Any]:
        """GET from whichever scaler answers: one that stands by hands it on."""
        for one in self.alive():
            answer = self._get(one, path)
            if answer and "error" not in answer:
                return answer
        return {}

    def _get(self, at: Node, path: str) -> dict[str, Any]:
        try:
            answer = self.session.get(f"http://{at.address}:{SCALER_PORT}{path}", timeout=5)
            return dict(answer.json())
        except (requests.RequestException, ValueError):
            return {}

    def ready(self, name: str = "flask-app") -> int:
        """How many replicas are ready and are to stay."""
        return [r["state"] for r in self.service(name).get("replicas", [])].count("ready")

    def steps(self) -> list[str]:
        """How each step ended, oldest first."""
        return [str(e["text"]) for e in self.events() if e["kind"] == "step"]

    def count(self, service: str = FLASK_APP) -> int:
        """How many replicas Swarm is to keep."""
        form = "{{.Spec.Mode.Replicated.Replicas}}"
        return int(self.docker("service", "inspect", "--format", form, service))

    def token(self) -> str:
        """The bearer token, as a scaler has it; read once."""
        if not self._tokens:
            self._tokens.append(
                wait_until(self._read_token, within=30, what="a scaler to read the token from")
            )
        return self._tokens[0]

    def _read_token(self) -> str:
        for one in self.alive():
            for scaler in self.docker("ps", "--quiet", "--filter", f"name={STACK}_scaler", on=one).split():
                return self.docker("exec", scaler, "cat", "/run/alertscale/token", on=one, check=False)
        return ""

    def lease(self) -> dict[str, str]:
        """The lease; empty while no manager can be asked.

        Keys are ``holder`` (a process), ``note`` (for the next one), ``turn`` (of its renewals) and others.
        """
        name = f"alertscale-lease-{STACK}"
        # Without patience: an engine asks a leader that has just died for 20 s, and no other meanwhile.
        done = node.docker(
            *(self.alive()[0], "config", "inspect", "--format", "{{json .Spec.Labels}}", name), timeout=1
        )
        labels: dict[str, str] = json.loads(done.stdout) if done.ok else {}
        return {label.removeprefix("alertscale.lease."): value for label, value in labels.items()}

    def said(self, at: Node) -> list[dict[str, Any]]:
        """What the scalers on a node have logged, oldest first, earlier processes of theirs included."""
        listed = self.docker("ps", "--all", "--quiet", "--filter", f"name={STACK}_scaler", on=at).split()
        logs = "\n".join(node.docker(at, "logs", container).stderr for container in listed)
        lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
        return sorted(lines, key=lambda line: str(line["timestamp"]))

    def nginx_failed(self, at: Node, *, most: int = 50) -> list[str]:
        """The last lines of a node's nginx about requests that were not answered with 2xx, 3xx or 4xx."""
        container = self.docker("ps", "--quiet", "--filter", f"name={STACK}_nginx\\.", on=at)
        lines = node.docker(at, "logs", container).stdout.splitlines()
        return [line for line in lines if re.search(r'" 5\d\d ', line)][-most:]

    def await_acting_off_the_leader(self, *, within: float = 60) -> Node:
        """Wait until the one scaler that acts is on a node that does not lead; return that node."""

        def there() -> list[Node]:
            acting = self.acting()
            return acting if len(acting) == 1 and acting[0].name != self.leader().name else []

        return wait_until(there, within=within, what="a scaler that acts, and not on the leader")[0]

    def change(self, path: str, body: object) -> requests.Response:
        """POST to the scaler, with the token, until one acts."""
        headers = {"Authorization": f"Bearer {self.token()}"}

        def post() -> requests.Response | None:
            try:
                url = f"http://{self.alive()[-1].address}:{SCALER_PORT}{path}"
                answer = self.session.post(url, json=body, headers=headers, timeout=10)
            except requests.RequestException:
                return None
            return None if answer.status_code == requests.codes.unavailable else answer

        answer = wait_until(post, within=30, what=f"an answer to POST {path}")
        assert answer is not None
        return answer

    def scale(self, count: int, *, service: str = "flask-app", within: float = 90) -> None:
        super().scale(count, service=service, within=within)

    def tasks(self, service: str = FLASK_APP) -> dict[str, int]:
        """How many tasks run on which node."""
        form = "{{.Node}} {{.CurrentState}}"
        listed = self.docker(
            "service", "ps", "--filter", "desired-state=running", "--format", form, service, check=False
        )
        on = [line.split()[0] for line in listed.splitlines() if line.split()[1:2] == ["Running"]]
        return {name: on.count(name) for name in sorted(set(on))}

    def kill(self, victim: Node) -> None:
        """Take a node's power away."""
        self.down.add(victim.name)
        node.kill(victim)

    def revive_all(self) -> None:
        """Let the nodes that were killed come back, and wait until they are managers again."""
        for victim in [one for one in self.cluster.nodes if one.name in self.down]:
            node.start(victim)
            self.down.discard(victim.name)
        form = "{{.Status}} {{.ManagerStatus}}"
        wait_until(
            lambda: (
                [
                    line.split()[0]
                    for line in self.docker("node", "ls", "--format", form, check=False).splitlines()
                    if len(line.split()) == 2 and "Unreachable" not in line
                ]
                == ["Ready"] * len(self.cluster.nodes)
            ),
            within=90,
            what="three nodes that are managers and ready",
        )

    def settle(self, *services: str, within: float = 150) -> None:
        """Wait until every service (or each of these) has all its tasks, and exactly one scaler acts."""
        wait_until(lambda: self._complete(services), within=within, what=f"all tasks of {STACK}", every=0.5)
        wait_until(lambda: len(self.acting()) == 1, within=30, what="one scaler that acts")

    def calm_down(self) -> None:
        """Go to one replica, with nothing paused or ordered."""
        self.pause("none")
        answer = self.change("/api/v1/services/flask-app/scale", {"replicas": 1})
        assert answer.status_code == 202, answer.text
        # All at once, instead of one after another; refused when a step is quicker.
        self.docker("service", "scale", "--detach", f"{FLASK_APP}=1", check=False)
        self.await_replicas(1, within=90)

    def described(self) -> str:
        """What a person would look at first: nodes, services, tasks, lease, history, what engines said."""
        looks = (
            ("node", "ls"),
            ("service", "ls"),
            ("service", "ps", "--no-trunc", FLASK_APP),
            ("config", "inspect", "--format", "{{json .Spec.Labels}}", f"alertscale-lease-{STACK}"),
        )
        seen = [self.docker(*words, check=False) for words in looks] if self.alive() else []
        history = [
            f"{event['at']} {event['kind']} {event['reason']}: {event['text']}" for event in self.events()
        ]
        said = [f"{one.name}:\n{tail(one.folder / 'dockerd.log')}" for one in self.alive()]
        return "\n\n".join([*seen, f"load {os.getloadavg()[0]:.0f}", "\n".join(history[-25:]), *said])

    def _complete(self, services: tuple[str, ...]) -> bool:
        form = "{{.Name}} {{.Replicas}}"
        listed = self.docker("service", "ls", "--format", form, check=False).splitlines()
        tallies = {line.split()[0].removeprefix(f"{STACK}_"): line.split()[1] for line in listed}
        wanted = services or tuple(tallies)
        # More than wanted are those that Swarm goes on counting on a node that died.
        return bool(wanted) and all(len(set(tallies.get(name, "0/1").split("/"))) == 1 for name in wanted)


def since(begun: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return time.monotonic() - begun
