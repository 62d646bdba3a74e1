"""What the cron job sets, when jobs that run side by side meet their load, and what they run on."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bench.baselines.cron_poller import EVERY, SERVICES, Job, plan, wanted

ROOT = Path(__file__).parents[4]
SEEDS = range(20)


def planned(seed: int) -> tuple[Job, ...]:
    return plan(SERVICES, random.Random(seed))  # noqa: S311 - the same each time, not a secret


@pytest.mark.parametrize("seed", SEEDS)
def test_first_looks_are_a_third_of_a_minute_apart(seed: int) -> None:
    looks = sorted(job.look for job in planned(seed))
    assert 0 <= looks[0] < EVERY / 3
    assert [after - before for before, after in pairwise(looks)] == pytest.approx([20, 20])


def test_load_steps_are_a_third_of_the_time_between_two_samples_apart() -> None:
    assert [job.load for job in planned(1)] == pytest.approx([0, 5, 10])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_jobs_ever_look_within_the_same_seconds(seed: int) -> None:
    """So that one's reload does not serve another one's new replica."""
    moments = sorted((job.load + job.look) % EVERY for job in planned(seed))
    gaps = [after - before for before, after in pairwise([*moments, moments[0] + EVERY])]
    assert min(gaps) > 5


def test_where_the_looks_begin_is_left_to_chance() -> None:
    assert len({planned(seed) for seed in SEEDS}) == len(SEEDS)


def test_every_job_has_a_service_that_alertscale_leaves_alone_and_that_fits_beside_the_others() -> None:
    text = (ROOT / "bench" / "baselines" / "docker-compose.crons.yml").read_text()
    services = yaml.safe_load(text)["services"]
    assert tuple(services) == SERVICES
    limits = [float(service["deploy"]["resources"]["limits"]["cpus"]) for service in services.values()]
    assert 2 * sum(limits) < 1.5
    assert not any("labels" in service for service in services.values())


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
