"""What a stack keeps, and whether it still has it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from testkit.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was there.

    Attributes:
        silence: The id of a silence that was made for this.
        event: The id of the last event in the history.
        at: When, in seconds of the epoch.
        samples: How often Prometheus had scraped the scaler in the minute before.
    """

    silence: str
    event: int
    at: float
    samples: str

    @classmethod
    def of(cls, stack: Stack) -> Self:
        at = time.time()
        kept = cls(
            silence=silence(stack), event=stack.events()[-1]["id"], at=at, samples=samples(stack, at=at)
        )
        assert kept.samples
        return kept

    def assert_in(self, stack: Stack) -> None:
        url = stack.url("ALERTMANAGER_PORT", f"/api/v2/silence/{self.silence}")
        assert stack.session.get(url, timeout=10).json()["status"]["state"] == "active"
        assert self.event in [e["id"] for e in stack.events()]
        assert samples(stack, at=self.at) == self.samples


def silence(stack: Stack) -> str:
    now = datetime.now(tz=UTC)
    asked = stack.session.post(
        stack.url("ALERTMANAGER_PORT", "/api/v2/silences"),
        json={
            "matchers": [{"name": "alertname", "value": "FlaskAppDown", "isRegex": False}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "me",
            "comment": "maintenance",
        },
        timeout=10,
    )
    return str(asked.json()["silenceID"])


def samples(stack: Stack, *, at: float) -> str:
    """How often Prometheus had scraped the scaler in the minute before."""
    query = {"query": 'count_over_time(up{job="scaler"}[1m])', "time": str(at)}
    asked = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/query"), params=query, timeout=10)
    found = asked.json()["data"]["result"]
    return str(found[0]["value"][1]) if found else ""


def listed(kind: str, project: str) -> list[str]:
    words = {
        "container": ["ps", "-aq"],
        "network": ["network", "ls", "--format", "{{.Name}}"],
        "volume": ["volume", "ls", "-q"],
    }[kind]
    shown = subprocess.run(
        ["docker", *words, "--filter", f"label=com.docker.compose.project={project}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.split()
