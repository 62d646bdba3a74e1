"""What must hold of prometheus/ for anyone who edits it: read from the files, nothing is run."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "prometheus"
SCALING = {
    "HighCPU": ("up", "cpu"),
    "HighMemory": ("up", "memory"),
    "LowCPU": ("down", "cpu"),
    "LowMemory": ("down", "memory"),
}
# service:<resource>_utilization:ratio <operator> <bare number> and service:replicas:max
THRESHOLD = re.compile(
    r"service:(?P<resource>\w+)_utilization:ratio (?P<operator>[<>]) (?P<number>\d\.\d+)"
    r" and service:replicas:max(?P<measured> unless service:replicas:unmeasured)?"
)


@functools.cache
def load(path: Path) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load(path.read_text())


def rules_in(name: str) -> list[dict[str, Any]]:
    return [rule for group in load(PROMETHEUS / name)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules_in("alert.rules.yml")}
TESTS = sorted((PROMETHEUS / "tests").glob("*.test.yml"))


def threshold(alert: str) -> float:
    found = THRESHOLD.fullmatch(ALERTS[alert]["expr"])
    assert found, f"{alert}: {ALERTS[alert]['expr']!r} is not a record, < or > and a bare number"
    return float(found["number"])


@pytest.mark.parametrize(("alert", "scale", "resource"), [(a, *sr) for a, sr in SCALING.items()])
def test_a_scaling_alert_says_which_way_and_on_what_and_has_a_bare_number(
    alert: str, scale: str, resource: str
) -> None:
    labels = ALERTS[alert]["labels"]
    found = THRESHOLD.fullmatch(ALERTS[alert]["expr"])

    assert (labels["scale"], labels["resource"]) == (scale, resource)
    assert found is not None
    assert (found["resource"], found["operator"]) == (resource, ">" if scale == "up" else "<")
    # A part of the replicas may ask for more; that none is needed is said by all of them.
    assert bool(found["measured"]) == (scale == "down")
    assert 0 < threshold(alert) < 1


@pytest.mark.parametrize("alert", SCALING)
def test_service_and_project_of_a_scaling_alert_come_from_the_series(alert: str) -> None:
    assert not {"service", "project"} & set(ALERTS[alert]["labels"])


@pytest.mark.parametrize(("low", "high"), [("LowCPU", "HighCPU"), ("LowMemory", "HighMemory")])
@pytest.mark.parametrize("replicas", range(2, 51))
def test_one_replica_less_never_turns_low_into_high(low: str, high: str, replicas: int) -> None:
    """The load of n replicas at `low`, spread over n - 1, stays below `high`: no swinging."""
    after = threshold(low) * replicas / (replicas - 1)

    assert after < threshold(high), (
        f"{low} at {threshold(low)} with {replicas} replicas becomes {after:.2f} with one less, and"
        f" {high} fires at {threshold(high)}: set {low} below {threshold(high) / 2:.2f}"
    )


@pytest.mark.parametrize("alert", SCALING)
def test_high_reacts_in_seconds_and_low_waits_longer_than_any_gap_between_requests(
    alert: str,
) -> None:
    seconds = int(ALERTS[alert]["for"].removesuffix("s"))

    assert seconds <= 2 if ALERTS[alert]["labels"]["scale"] == "up" else seconds >= 10


@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - SCALING.keys()))
def test_every_other_alert_is_a_notification(alert: str) -> None:
    labels = ALERTS[alert]["labels"]

    assert "scale" not in labels
    assert labels["severity"] in ({"none"} if alert == "Watchdog" else {"warning", "critical"})


def test_the_watchdog_lives_and_dies_with_the_rules_that_scale() -> None:
    groups = load(PROMETHEUS / "alert.rules.yml")["groups"]
    holding = [g for g in groups if any(r["alert"] == "Watchdog" for r in g["rules"])]

    assert [{r["alert"] for r in group["rules"]} for group in holding] == [{*SCALING, "Watchdog"}]
    assert ALERTS["Watchdog"]["expr"] == "vector(1)"
    assert "for" not in ALERTS["Watchdog"]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_and_where_to_read_on(alert: str) -> None:
    annotations = ALERTS[alert]["annotations"]

    assert annotations["summary"]
    assert annotations["description"]
    assert annotations["runbook"] == f"docs/monitoring.md#{alert.lower()}"


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_of_every_alert_is_a_heading_of_the_docs(alert: str) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE)

    assert alert in headings


def test_every_name_of_an_alert_and_of_a_record_is_used_once() -> None:
    names = [r["alert"] for r in rules_in("alert.rules.yml")]
    names += [r["record"] for r in rules_in("recording.rules.yml")]

    assert sorted(names) == sorted(set(names))


def test_every_record_that_an_alert_reads_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules_in("recording.rules.yml")}
    read = {
        name
        for rule in ALERTS.values()
        for name in re.findall(r"\b(?:service|replica):\w+:\w+", rule["expr"])
    }

    assert read <= recorded
    assert read


def test_the_rule_files_are_those_that_prometheus_loads() -> None:
    files = {path.name for path in PROMETHEUS.glob("*.rules.yml")}

    assert set(load(PROMETHEUS / "prometheus.yml")["rule_files"]) == files


def expectations() -> dict[str, list[bool]]:
    """For each alert: for every place in the promtool tests, whether it is expected to fire."""
    seen: dict[str, list[bool]] = {}
    for test in itertools.chain.from_iterable(load(path)["tests"] for path in TESTS):
        for case in test.get("alert_rule_test", []):
            seen.setdefault(case["alertname"], []).append(bool(case["exp_alerts"]))
    return seen


@pytest.mark.parametrize("alert", ALERTS)
def test_promtool_sees_every_alert_fire_and_not_fire(alert: str) -> None:
    wanted = {True} if alert == "Watchdog" else {True, False}

    assert set(expectations().get(alert, [])) == wanted


@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - {"Watchdog"}))
def test_promtool_sees_every_alert_with_no_data(alert: str) -> None:
    without_data = [
        case["alertname"]
        for path in TESTS
        for test in load(path)["tests"]
        if "no data" in test["name"]
        for case in test.get("alert_rule_test", [])
    ]

    assert alert in without_data


def jobs() -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in load(PROMETHEUS / "prometheus.yml")["scrape_configs"]}


def test_the_targets_are_services_of_the_stack() -> None:
    services = set(load(ROOT / "docker-compose.yml")["services"])
    hosts = {
        target.partition(":")[0]
        for job in jobs().values()
        for static in job.get("static_configs", [])
        for target in static["targets"]
    }
    hosts |= {
        name for job in jobs().values() for dns in job.get("dns_sd_configs", []) for name in dns["names"]
    }

    assert hosts - {"localhost"} == services - {"nginx", "locust", "prometheus", "monitoring-password"}


def test_what_scaling_reads_is_scraped_every_second() -> None:
    assert [jobs()[name]["scrape_interval"] for name in ("exporter", "scaler")] == ["1s", "1s"]


def test_a_removed_replica_does_not_linger_because_of_cadvisors_dates() -> None:
    assert jobs()["exporter"]["honor_timestamps"] is False


def test_the_scalers_own_service_labels_are_kept() -> None:
    assert jobs()["scaler"]["honor_labels"] is True
