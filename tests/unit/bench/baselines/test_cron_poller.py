"""What the cron job sets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.baselines.cron_poller import wanted

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("replicas", "busy", "then"),
    [(1, 0.71, 2), (1, 0.70, 1), (2, 0.30, 2), (2, 0.29, 1), (1, 0.0, 1), (4, 1.0, 4)],
)
def test_one_more_where_it_is_high_one_fewer_where_it_is_low(replicas: int, busy: float, then: int) -> None:
    assert wanted(replicas, busy, most=4) == then


def test_its_thresholds_are_those_of_the_alerts_as_shipped() -> None:
    rules = yaml.safe_load((ROOT / "prometheus" / "alert.rules.yml").read_text(encoding="utf-8"))
    texts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    high, low = (float(texts[name].split()[2]) for name in ("HighCPU", "LowCPU"))
    assert wanted(2, high + 1e-6, most=4) == 3
    assert wanted(2, low - 1e-6, most=4) == 1
    assert wanted(2, high, most=4) == wanted(2, low, most=4) == 2
