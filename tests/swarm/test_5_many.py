"""Many replicas of a small service: what a look at them costs grows no faster than they do."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import pytest
from docker import APIClient

from machine import swarm
from scaler.engines.swarm.target import LOOK_EVERY
from testkit.stack import wait_until
from tests.swarm.cluster import FLASK_APP, PROMETHEUS_PORT, SCALER_PORT, STACK, Swarm, since
from tests.swarm.reckoned import KILOBYTES, SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
WATCHED = 6.0
SMALL = f"{STACK}_small"
TOLD = 'alertscale_replica_serving{service="flask-app"}'
NAMES = (
    "alertscale_tick_seconds_sum",
    "alertscale_tick_seconds_count",
    "alertscale_engine_calls_total",
    "process_cpu_seconds_total",
)


def figures(stack: Swarm) -> dict[str, float]:
    """The scaler's own figures: sums since its start."""
    (at,) = stack.acting()
    text = stack.session.get(f"http://{at.address}:{SCALER_PORT}/metrics", timeout=10).text
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] in NAMES}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a pass costs: seconds, requests to the engine, and the part of a core that the scaler takes."""

    tick: float
    calls: float
    cpu: float


def watch(stack: Swarm) -> Cost:
    before, begun = figures(stack), time.monotonic()
    wait_until(lambda: since(begun) > WATCHED, within=2 * WATCHED, what="the end of the watch")
    took, after = since(begun), figures(stack)
    grown = {name: after[name] - before[name] for name in NAMES}
    ticks = grown["alertscale_tick_seconds_count"]
    return Cost(
        tick=grown["alertscale_tick_seconds_sum"] / ticks,
        calls=grown["alertscale_engine_calls_total"] / ticks,
        cpu=grown["process_cpu_seconds_total"] / took,
    )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What one look at the tasks of a service takes: seconds, and kilobytes of the answer for each task."""

    seconds: float
    kilobytes: float


def listing(stack: Swarm, service: str) -> Listing:
    """Ask as the scaler does, without it."""
    client = APIClient(base_url=stack.leader().host, timeout=15)
    filters = json.dumps({"service": [service], "desired-state": ["running", "ready", "accepted", "remove"]})
    begun = time.monotonic()
    answer = client.get(f"{client.base_url}/v{client.api_version}/tasks", params={"filters": filters})
    count = len(answer.json())
    took = since(begun)
    client.close()
    return Listing(seconds=took, kilobytes=len(answer.content) / 1024 / count)


def samples(stack: Swarm) -> float:
    """How many samples Prometheus takes of each container at a scrape of the exporters."""
    containers = "count(count by (instance, name) (container_last_seen))"
    return figure(stack, f'sum(scrape_samples_scraped{{job="exporter"}}) / {containers}')


def figure(stack: Swarm, ask: str) -> float:
    """What Prometheus answers, one number; 0 if it has none."""
    at = swarm.node_of(stack.cluster, "prometheus")
    assert at is not None
    url = f"http://{at.address}:{PROMETHEUS_PORT}/api/v1/query"
    found = stack.session.get(url, params={"query": ask}, timeout=10).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


def grow(stack: Swarm, size: int) -> None:
    stack.docker("service", "scale", "--detach", f"{SMALL}={size}")
    wait_until(lambda: sum(stack.tasks(SMALL).values()) == size, within=200, what=f"{size} run", every=1)
    wait_until(lambda: len(stack.service("small")["replicas"]) == size, within=60, what=f"{size} are seen")


@pytest.mark.parametrize("sizes", [(8, 32), pytest.param((50, 200), marks=pytest.mark.drill)], ids=str)
def test_a_look_at_many_replicas_costs_no_more_than_in_proportion(
    calm: Swarm, sizes: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"enable": "true", "max": "250", "port": "8081", "pause": "all"}
    words = [part for k, v in labels.items() for part in ("--label", f"alertscale.{k}={v}")]
    calm.docker(
        *("service", "create", "--detach", "--no-resolve-image", "--name", SMALL, *words),
        *("--label", f"com.docker.stack.namespace={STACK}", "--endpoint-mode", "dnsrr"),
        *("--stop-grace-period", "1s", "--entrypoint", "sleep", "nginx:1.30.6", "infinity"),
    )
    seen: dict[int, Cost] = {}
    try:
        for size in sizes:
            grow(calm, size)
            seen[size] = watch(calm)
        look, taken = listing(calm, SMALL), samples(calm)
        # The scaler and the exporter call a container by the same name, where a stack has made it: the small
        # ones do not carry their stack, and are to the exporter of another service.
        both = f"{TOLD} and on (project, service, name) replica:memory_usage:bytes"
        assert figure(calm, f"count({both})") == 1
        # Of this one a task says more: networks, a health check, labels.
        whole = listing(calm, FLASK_APP)
    finally:
        calm.docker("service", "rm", SMALL, check=False)
        # It is shown for a while longer, as gone.
        wait_until(lambda: not calm.service("small").get("replicas"), within=60, what="the small ones' end")
    with capsys.disabled():
        for size, cost in seen.items():
            print(  # noqa: T201 - the figure is part of what this test shows
                f"\n  {size} replicas: a pass takes {cost.tick * 1000:.1f} ms and {cost.calls:.1f} requests"
                f" to the engine; {cost.cpu * 100:.1f} % of a core",
                end="",
            )
        print(  # noqa: T201 - likewise
            f"\n  a look at {sizes[-1]} tasks takes {look.seconds * 1000:.0f} ms; a task of flask-app is"
            f" {whole.kilobytes:.1f} KB of the answer; Prometheus takes {taken:.1f} samples of each container"
        )
    few, many = (seen[size] for size in sizes)
    assert many.calls < 1.5 * few.calls + 1
    # No worse than linear, and done before the next look is due; a busy machine makes both longer.
    assert many.cpu < 2 * (sizes[1] / sizes[0]) * max(few.cpu, 0.01)
    assert many.tick < LOOK_EVERY
    assert look.seconds < LOOK_EVERY
    assert whole.kilobytes < KILOBYTES
    assert taken < SAMPLES
