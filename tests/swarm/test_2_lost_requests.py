"""No request is lost over many steps, though Swarm chooses who leaves and nginx is never reloaded."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from testkit.drill import counts
from testkit.load import MIX, Load
from tests.swarm.cluster import NGINX_PORT, Swarm

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
SEED = 20261125
IPVS = Path("/proc/net/ip_vs")


@pytest.mark.parametrize("steps", [8, pytest.param(20, marks=pytest.mark.drill)])
def test_no_request_is_lost_over_steps_up_and_down(
    calm: Swarm, steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    calm.docker("service", "scale", "--detach", "alertscale_alertmanager=0")
    wanted = list(islice(counts(seed=SEED, lowest=1, highest=4), steps))
    downs = sum(after < before for before, after in zip([1, *wanted], wanted, strict=False))
    entry = calm.cluster.nodes[1]
    try:
        with Load(*MIX, port=NGINX_PORT, host=entry.address) as drill:
            for count in wanted:
                calm.scale(count)
    finally:
        calm.docker("service", "scale", "--detach", "alertscale_alertmanager=1")
    with capsys.disabled():
        print(  # noqa: T201 - the figure is part of what this test shows
            f"\n  {drill.sent} requests over {steps} steps, {downs} of them down: lost {drill.lost or 0},"
            f" by the second of the drill: {dict(sorted(drill.lost_in.items()))}"
        )
    assert downs >= steps / 4
    assert drill.lost == {}, "\n".join(calm.nginx_failed(entry))
    assert drill.answers["200"] == drill.sent > 100 * steps


@pytest.mark.skipif(not IPVS.exists(), reason="this kernel has no IPVS, which a virtual address (VIP) needs")
def test_a_virtual_address_can_be_measured_here(calm: Swarm) -> None:
    """Where it can, docs/decisions/0003-swarm-traffic.md says how, and wants the figure."""
    pytest.fail(
        "IPVS is here: measure the VIP and write the figure into docs/decisions/0003-swarm-traffic.md"
    )
