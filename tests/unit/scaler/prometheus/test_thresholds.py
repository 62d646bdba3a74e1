"""Thresholds out of what a real Prometheus said of our own rules, and of what others may write."""

from typing import Any

import pytest

from scaler.prometheus.thresholds import Comparison, read_thresholds
from tests.page.recorded import answer


def rules(*changed: dict[str, Any]) -> dict[str, Any]:
    plain = {
        "type": "alerting",
        "name": "HighCPU",
        "query": "service:cpu_utilization:ratio > 0.7",
        "duration": 0,
        "labels": {"scale": "up", "resource": "cpu"},
    }
    return {"groups": [{"rules": [plain | one for one in changed]}]}


def test_our_own_rules_as_prometheus_tells_them() -> None:
    found = [
        (t.alertname, t.direction, t.resource, t.metric, t.value, t.seconds)
        for t in read_thresholds(answer("rules"))
    ]
    assert found == [
        ("HighCPU", "up", "cpu", "service:cpu_utilization:ratio", 0.7, 0.0),
        ("HighMemory", "up", "memory", "service:memory_utilization:ratio", 0.8, 2.0),
        ("LowCPU", "down", "cpu", "service:cpu_utilization:ratio", 0.3, 30.0),
        ("LowMemory", "down", "memory", "service:memory_utilization:ratio", 0.35, 30.0),
    ]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("m > 0.7", 0.7),
        ("m >= 7e-01 and on (service) n", 0.7),
        ('m{service="web"} < .5 unless n', 0.5),
        ("m > -1", -1.0),
        ("m > 70 / 100", None),
        ("m > n", None),
        ("sum by (service) (m) > 3", None),
        ("rate(m[5m]) > 3", None),
        ("0.7 < m", None),
        ("", None),
    ],
)
def test_a_number_is_read_only_from_a_plain_comparison(query: str, value: float | None) -> None:
    (threshold,) = read_thresholds(rules({"query": query}))
    assert threshold.value == value
    assert threshold.expression == query
    assert bool(threshold.metric) == (value is not None)
    assert bool(threshold.operator) == (value is not None)


def test_the_series_is_known_with_its_selector_and_how_it_is_compared() -> None:
    (threshold,) = read_thresholds(rules({"query": 'm{service="web"} <= .5 unless n'}))
    comparison = Comparison(metric="m", selector='{service="web"}', operator="<=", value=0.5)
    assert (threshold.comparison, comparison.series) == (comparison, 'm{service="web"}')


def test_a_rule_that_does_not_scale_is_no_threshold() -> None:
    assert read_thresholds(rules({"labels": {"severity": "critical"}}, {"type": "recording"})) == ()
    assert read_thresholds(rules({"labels": {"scale": "sideways"}})) == ()


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({}, {"web", "api"}),
        ({"labels": {"scale": "up", "service": "web"}}, {"web"}),
        ({"labels": {"scale": "up", "service": "{{ $labels.job }}"}}, {"web", "api"}),
        ({"query": 'm{service="api"} > 1'}, {"api"}),
        ({"query": 'm{service="api",project="other"} > 1'}, set()),
        ({"query": 'm{service=~"a.*"} > 1'}, {"web", "api"}),
    ],
)
def test_a_rule_may_be_about_one_service(change: dict[str, Any], about: set[str]) -> None:
    (threshold,) = read_thresholds(rules(change))
    assert {name for name in ("web", "api") if threshold.is_about(("shop", name))} == about


@pytest.mark.parametrize("document", [None, [], {}, {"groups": None}, {"groups": [1, {"rules": [2]}]}])
def test_what_is_not_of_the_form_is_passed_over(document: object) -> None:
    assert read_thresholds(document) == ()
