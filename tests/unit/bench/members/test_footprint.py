"""From readings of the engine, of Prometheus and of the scaler to what is shown."""

from __future__ import annotations

import pytest

from bench.members.footprint import ticked
from bench.model import Verdict
from bench.usage import Usage, percent_of_core, reading
from bench.webhooks import notification
from scaler.model.reasons import IgnoredReason
from scaler.policy.signals import KnownServices, judge
from scaler.web.webhook import parse
from tests.unit.bench.measured import footprint_of, held, hook, named

STATS = {
    "read": "2026-11-23T07:00:00.123456789Z",
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "memory_stats": {"usage": 50 << 20, "stats": {"total_inactive_file": 8 << 20, "inactive_file": 1 << 20}},
}


def test_a_working_set_is_without_inactive_file_pages_on_cgroup_v1() -> None:
    found = reading(STATS)
    assert (found.cpu, found.memory) == (2.5, 42 << 20)
    assert found.at == pytest.approx(1795417200.123456)


def test_a_working_set_is_without_inactive_file_pages_on_cgroup_v2() -> None:
    v2 = STATS | {"memory_stats": {"usage": 50 << 20, "stats": {"inactive_file": 1 << 20}}}
    assert reading(v2).memory == 49 << 20


def test_cpu_is_told_in_percent_of_one_core() -> None:
    first, last = Usage(at=100, cpu=2.0, memory=0), Usage(at=130, cpu=2.9, memory=0)
    assert percent_of_core(first, last) == pytest.approx(3)


def test_passes_of_the_loop_are_read_off_the_metrics() -> None:
    text = (
        'alertscale_tick_seconds_bucket{le="0.001"} 2.0\n'
        "alertscale_tick_seconds_count 4.0\nalertscale_tick_seconds_sum 0.5\n"
    )
    assert ticked(text) == (4.0, 0.5)


def test_a_notification_is_one_that_the_scaler_understands_and_of_services_that_nobody_knows() -> None:
    alerts = parse(notification(3, series="s"))
    known = KnownServices(managed=frozenset({("alertscale", "flask-app")}))
    assert len({alert.labels["service"] for alert in alerts}) == 3
    assert {judge(alert, known=known).ignored for alert in alerts} == {IgnoredReason.UNKNOWN_SERVICE}


def test_each_size_is_shown_next_to_the_least() -> None:
    figures = named(footprint_of(held(1), held(100)))
    assert figures["scaler: memory, 1 replica"].compared is None
    many = figures["scaler: memory, 100 replicas"]
    assert (many.value, many.verdict) == (50.0, Verdict.OK)
    assert many.compared is not None
    assert (many.compared.what, many.compared.value) == ("at 1 replica", 40.1)


def test_cpu_has_its_target_at_ten_replicas_and_scrapes_at_a_hundred() -> None:
    slow = (*[8.0] * 47, 151.0, 151.0, 151.0)
    figures = named(footprint_of(held(1), held(10, cpu=1.6), held(100, scrapes=slow)))
    assert figures["both: CPU, 10 replicas"].verdict is Verdict.MISSED
    assert figures["both: CPU, 1 replica"].verdict is Verdict.NONE
    assert figures["scrape, p95, 100 replicas"].verdict is Verdict.MISSED
    assert figures["scrape, p95, 10 replicas"].verdict is Verdict.NONE


def test_growth_is_told_for_ten_replicas() -> None:
    figures = named(footprint_of(held(1), held(10), held(100)))
    assert figures["scaler: memory: growth for ten replicas"].value == pytest.approx(1)
    assert figures["scrape, size: growth for ten replicas"].value == pytest.approx(20)
    assert figures["exporter: memory: growth for ten replicas"].value == 0


@pytest.mark.parametrize(("took", "verdict"), [(25.0, Verdict.OK), (25.1, Verdict.MISSED)])
def test_a_webhook_of_a_hundred_alerts_has_its_target(took: float, verdict: Verdict) -> None:
    hooks = [hook(100, took=took), hook(100, fresh=True, took=90), hook(1000, took=300)]
    figures = named(footprint_of(held(1), hooks=hooks))
    assert figures["webhook of 100 alerts, p99"].verdict is verdict
    assert figures["webhook of 100 alerts never sent before, p99"].verdict is Verdict.NONE
    assert figures["webhook of 1,000 alerts, p99"].verdict is Verdict.NONE


def test_too_few_scrapes_are_not_hidden() -> None:
    figures = named(footprint_of(held(1), held(10, scrapes=(8.0,) * 30)))
    assert figures["scrapes timed at each size, least"].verdict is Verdict.MISSED
