"""What people run from cron: once a minute look at CPU, scale by Compose, reload nginx.

CPU is what such a job has: scraped every 15 s, averaged over a minute. It looks at the same threshold as
the HighCPU alert as shipped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from bench.baselines import scale_then_reload
from bench.errors import BenchError
from tests.e2e.load import Load
from tests.e2e.stack import Stack, wait_until

EVERY: Final = 60.0
"""Seconds between two looks."""
_SCRAPE: Final = "15s"
_THRESHOLD: Final = 0.70
_LONGEST: Final = 3 * EVERY

_USED: Final = "sum by (name) (rate(container_cpu_usage_seconds_total{%s}[1m]))"
_LIMIT: Final = "max by (name) (container_spec_cpu_quota{%s} / container_spec_cpu_period{%s})"


@contextlib.contextmanager
def in_charge(stack: Stack) -> Iterator[None]:
    """Hand over to the cron job: no scaler, and scrapes every 15 s; undo both at the end."""
    file = stack.directory / "prometheus" / "prometheus.yml"
    before = file.read_text(encoding="utf-8")
    with scale_then_reload.in_charge(stack):
        try:
            _scraped_every(stack, file, slowed(before), _SCRAPE)
            yield
        finally:
            scale_then_reload.scale(stack, 1)
            _scraped_every(stack, file, before, "1s")


def slowed(text: str) -> str:
    """The configuration of Prometheus with the exporter scraped every 15 s. Pure."""
    config = yaml.safe_load(text)
    for job in config["scrape_configs"]:
        if job["job_name"] == "exporter":
            job["scrape_interval"] = _SCRAPE
    return str(yaml.safe_dump(config, sort_keys=False))


def run(stack: Stack, load: Load, *, phase: float) -> float:
    """Look once a minute until CPU is high, then scale and reload; wait for the new replica's answer.

    Args:
        stack: in charge of, with one replica.
        load: just begun.
        phase: seconds from the load's start to the first look.

    Returns:
        Seconds from the load's start to the first answer of the new replica through nginx.

    Raises:
        BenchError: CPU does not become high.
    """
    replicas = len(stack.containers())
    look = load.started + phase
    while True:
        time.sleep(max(0.0, look - time.monotonic()))
        busy = utilization(stack)
        if busy > _THRESHOLD:
            break
        look += EVERY
        if look > load.started + _LONGEST:
            raise BenchError(
                f"after {_LONGEST:g} s of load the cron job sees {busy:.0%} of the CPU limit in use, not over"
                f" {_THRESHOLD:.0%}. Way out: leave the machine alone meanwhile, and run it again"
            )
    scale_then_reload.scale(stack, replicas + 1)
    wait_until(lambda: len(load.first_answer) > replicas, within=60, what="an answer of the new replica")
    return max(load.first_answer.values())


def utilization(stack: Stack) -> float:
    """CPU over its limit, mean over the replicas and the last minute; 0 where there are no samples."""
    chosen = (
        f'container_label_com_docker_compose_project="{stack.project}",'
        'container_label_com_docker_compose_service="flask-app"'
    )
    query = f"avg({_USED % chosen} / {_LIMIT % (chosen, chosen)})"
    found = ask(stack, query)
    return float(found[0]["value"][1]) if found else 0.0


def ask(stack: Stack, query: str) -> list[dict[str, Any]]:
    """The rows that Prometheus answers to a query, as its HTTP API gives them."""
    url = stack.url("PROMETHEUS_PORT", "/api/v1/query")
    answer = stack.session.get(url, params={"query": query}, timeout=10)
    answer.raise_for_status()
    return list(answer.json()["data"]["result"])


def _scraped_every(stack: Stack, file: Path, text: str, interval: str) -> None:
    file.write_text(text, encoding="utf-8")
    wait_until(lambda: _interval(stack) == interval, within=30, what=f"scrapes every {interval}")


def _interval(stack: Stack) -> str:
    url = stack.url("PROMETHEUS_PORT", "/api/v1/targets?state=active")
    targets = stack.session.get(url, timeout=10).json()["data"]["activeTargets"]
    return next((str(t["scrapeInterval"]) for t in targets if t["labels"]["job"] == "exporter"), "")
