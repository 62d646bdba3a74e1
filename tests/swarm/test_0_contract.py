"""The Swarm target on three real engines, held to the contract that the one in memory keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from docker import APIClient

from scaler.engines.swarm.target import SwarmTarget
from testkit.stack import wait_until
from tests.contract.target import CountsContract, CountsStage
from tests.swarm.cluster import STACK, Swarm

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
SHOP = "shop"
IMAGE = "nginx:1.30.6"


@pytest.fixture(scope="module")
def shop(running: Swarm) -> Iterator[Swarm]:
    """Beside the stack another one, with a service that is enabled and one that is not."""
    make(running, "web", "alertscale.enable=true")
    # With a scaler of its own, so that the one of the stack leaves it alone.
    make(running, "db", "alertscale.component=scaler")
    yield running
    for name in ("web", "db"):
        running.docker("service", "rm", f"{SHOP}_{name}", check=False)


def make(stack: Swarm, name: str, label: str) -> None:
    stack.docker(
        *("service", "create", "--detach", "--no-resolve-image", "--name", f"{SHOP}_{name}"),
        *("--label", f"com.docker.stack.namespace={SHOP}", "--label", label),
        *("--network", f"{STACK}_default", "--endpoint-mode", "dnsrr", "--stop-grace-period", "0s"),
        *("--entrypoint", "sleep", IMAGE, "infinity"),
    )


class TestSwarmTarget(CountsContract):
    @pytest.fixture
    def stage(self, shop: Swarm) -> Iterator[CountsStage]:
        clients = [APIClient(base_url=one.host, timeout=15) for one in shop.cluster.nodes[:2]]
        made = CountsStage(
            target=SwarmTarget(
                client=clients[0],
                watch=clients[1],
                own_stack=SHOP,
                monotonic=time.monotonic,
                pause=time.sleep,
            ),
            service=(SHOP, "web"),
            other=(SHOP, "db"),
        )
        if made.kept.count != 1:
            made.target.set_count(made.kept, 1)
        wait_until(lambda: len(made.seen().replicas) == 1, within=60, what="one replica")
        wait_until(lambda: len(made.running_replicas()) == 1, within=60, what="one that runs")
        yield made
        for client in clients:
            client.close()
