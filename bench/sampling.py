"""What the stack's own containers hold, looked at from outside."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.errors import BenchError
from testkit.stack import Stack

JOURNAL: Final = "/var/lib/alertscale/data/journal.sqlite"
WATCHED: Final = ("scaler", "exporter", "nginx", "prometheus")
_INSIDE: Final = Path(__file__).with_name("inside.py")
_SCALED: Final = re.compile(
    r"^alertscale_scale_total\{"
    r'(?=[^}]*direction="(?P<direction>\w+)")(?=[^}]*outcome="done")[^}]*\} (?P<n>\S+)$',
    re.MULTILINE,
)


class Sampler:
    """Looks into the scaler and the exporter, and asks Prometheus for the working sets.

    Args:
        stack: running; its containers are found once, so one that is recreated is an error.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ids = {name: str(stack.containers(name)[0]["Id"]) for name in ("scaler", "exporter")}

    def fill_history(self, rows: int) -> None:
        """Bring the scaler's history to so many rows."""
        self._inside("scaler", JOURNAL, str(rows))

    def sample(self) -> dict[str, float]:
        """Look once.

        Returns:
            ``<service> working set`` in bytes for each of WATCHED; ``<service> resident`` in bytes,
            ``<service> files`` and ``<service> threads`` for scaler and exporter; ``journal`` in bytes,
            ``events`` and ``steps`` in rows; ``replicas`` that are ready.
        """
        found = {f"scaler {name}": value for name, value in self._inside("scaler", JOURNAL).items()}
        for name in ("journal", "events", "steps"):
            found[name] = found.pop(f"scaler {name}")
        found |= {f"exporter {name}": value for name, value in self._inside("exporter").items()}
        found["replicas"] = sum(r["state"] == "ready" for r in self._stack.service().get("replicas", []))
        return found | self._working_sets()

    def steps(self) -> dict[str, int]:
        """Steps done since the scaler's start, by direction."""
        shown = self._stack.session.get(self._stack.url("SCALER_PORT", "/metrics"), timeout=10).text
        return steps_done(shown)

    def restarts(self) -> int:
        """How often Docker had to start one of WATCHED again."""
        return sum(int(c["RestartCount"]) for name in WATCHED for c in self._stack.containers(name))

    def _inside(self, service: str, *arguments: str) -> dict[str, float]:
        done = subprocess.run(
            ["docker", "exec", "-i", self._ids[service], "python", "-S", "-", *arguments],
            input=_INSIDE.read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if done.returncode:
            raise BenchError(f"cannot look into {service}: {done.stderr.strip()}")
        return dict(json.loads(done.stdout))

    def _working_sets(self) -> dict[str, float]:
        label = "container_label_com_docker_compose_service"
        query = (
            f"max by ({label}) (container_memory_working_set_bytes"
            f'{{container_label_com_docker_compose_project="{self._stack.project}",'
            f'{label}=~"{"|".join(WATCHED)}"}})'
        )
        rows = ask(self._stack, query)
        return {f"{row['metric'][label]} working set": float(row["value"][1]) for row in rows}


def ask(stack: Stack, query: str) -> list[dict[str, Any]]:
    """The rows that Prometheus answers to a query, as its HTTP API gives them."""
    url = stack.url("PROMETHEUS_PORT", "/api/v1/query")
    answer = stack.session.get(url, params={"query": query}, timeout=10)
    answer.raise_for_status()
    return list(answer.json()["data"]["result"])


def steps_done(exposition: str) -> dict[str, int]:
    """Steps that were done, by direction, from the scaler's metrics."""
    done = {"up": 0, "down": 0}
    for found in _SCALED.finditer(exposition):
        done[found["direction"]] += int(float(found["n"]))
    return done


def column(samples: list[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    """(seconds, value) of one name, where it was seen."""
    return [(sample["at"], sample[name]) for sample in samples if name in sample]
