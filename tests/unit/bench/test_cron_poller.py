"""When cron jobs that run side by side meet their load, and what they run on."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bench.baselines.cron_poller import EVERY, SERVICES, Job, plan, slowed

ROOT = Path(__file__).parents[3]
SEEDS = range(20)


def planned(seed: int) -> tuple[Job, ...]:
    return plan(SERVICES, random.Random(seed))  # noqa: S311 - the same each time, not a secret


@pytest.mark.parametrize("seed", SEEDS)
def test_first_looks_are_a_third_of_a_minute_apart(seed: int) -> None:
    looks = sorted(job.look for job in planned(seed))
    assert 0 <= looks[0] < EVERY / 3
    assert [after - before for before, after in pairwise(looks)] == pytest.approx([20, 20])


def test_load_steps_are_a_third_of_the_time_between_two_scrapes_apart() -> None:
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


def test_for_the_cron_job_only_the_exporter_is_scraped_less_often() -> None:
    text = (ROOT / "prometheus" / "prometheus.yml").read_text()
    expected = yaml.safe_load(text)
    (exporter,) = [job for job in expected["scrape_configs"] if job["job_name"] == "exporter"]
    exporter["scrape_interval"] = "15s"
    assert yaml.safe_load(slowed(text)) == expected
