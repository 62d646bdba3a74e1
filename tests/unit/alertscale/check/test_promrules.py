from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alertscale.check.expressions import parse
from alertscale.check.findings import Finding, Place
from alertscale.check.labelflow import Values
from alertscale.check.promrules import RuleSet, read_rules
from alertscale.check.rules.sums import is_sum_over_replicas
from alertscale.check.tree import read


def rules(*lines: str, **external: str) -> RuleSet:
    findings: list[Finding] = []
    text = "groups:\n  - rules:\n" + "".join(f"      - {line}\n" for line in lines)
    result = read_all(text, external, findings)
    assert findings == []
    return result


def read_all(text: str, external: Mapping[str, str], findings: list[Finding]) -> RuleSet:
    file = Path("rules.yml")
    place = Place(file=file, line=1)
    return read_rules(
        read(text, file=file), place=place, external_labels=external, partial=False, findings=findings
    )


ALERT = "{ alert: High, expr: %s, labels: { scale: up, tier: '{{ $labels.x }}', empty: '' } }"


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("alertname", frozenset({"High"})),
        ("scale", frozenset({"up"})),
        ("tier", None),
        ("empty", frozenset({""})),
        ("service", frozenset({"web"})),
        ("project", frozenset({""})),
        ("region", frozenset({"north"})),
    ],
)
def test_labels_come_from_the_rule_its_expression_and_prometheus(label: str, found: Values) -> None:
    read = rules(
        "{ record: cpu, expr: 'sum by (service) (raw{service=\"web\"})' }",
        ALERT % "cpu > 1",
        region="north",
        scale="external",
    )

    assert read.values(read.alerts[0], label) == found


def test_a_group_gives_its_labels_to_all_of_its_rules_which_go_before() -> None:
    """Since Prometheus 3.0."""
    text = """\
groups:
  - labels: { scale: up, service: web, tier: group }
    rules:
      - { alert: High, expr: x > 1, labels: { resource: cpu, tier: rule } }
      - { record: made, expr: x }
"""
    findings: list[Finding] = []

    read = read_all(text, {}, findings)

    (alert,) = read.alerts
    assert {name: label.value for name, label in alert.labels.items()} == {
        "scale": "up",
        "service": "web",
        "tier": "rule",
        "resource": "cpu",
    }
    assert alert.labels["scale"].place.line == 2
    assert {name: label.value for name, label in read.records["made"][0].labels.items()}["tier"] == "group"
    assert findings == []


def test_a_record_made_in_two_ways_has_the_labels_of_both() -> None:
    read = rules(
        "{ record: cpu, expr: vector(1), labels: { service: web } }",
        "{ record: cpu, expr: vector(2), labels: { service: api } }",
        ALERT % "cpu > 1",
    )

    assert read.values(read.alerts[0], "service") == frozenset({"web", "api"})


def test_of_a_record_made_from_itself_nothing_is_known() -> None:
    read = rules("{ record: a, expr: b }", "{ record: b, expr: a }", ALERT % "a > 1")

    assert read.values(read.alerts[0], "service") is None
    assert not is_sum_over_replicas(parse("a"), read)


def test_of_a_chain_of_thousands_of_records_nothing_is_claimed() -> None:
    chain = [f"{{ record: r{n + 1}, expr: r{n} }}" for n in range(2000)]
    read = rules("{ record: r0, expr: sum(x) }", *chain, ALERT % "r2000 > 1")

    assert read.values(read.alerts[0], "service") is None
    assert not is_sum_over_replicas(parse("r2000"), read)


@pytest.mark.parametrize(
    ("text", "grows"),
    [
        ("sum(x)", True),
        ("sum by (service) (x)", True),
        ("sum by (service, name) (x)", False),
        ("sum without (name) (x)", True),
        ("sum without (cpu) (x)", False),
        ("avg by (service) (x)", False),
        ("max(sum by (service) (x))", True),
        ("avg by (service) (sum by (service, name) (x))", False),
        ("sum(x) / sum(y)", False),
        ("sum(x) / count(x)", False),
        ("sum(x) / 2", True),
        ("100 * sum(x)", True),
        ("sum(x) > 0.7 * sum(y)", False),
        ("total > 3", True),
        ("total > total", False),
        ("mean > 3", False),
        ("mean > 3 and sum(x) > 1", False),
        ("avg_over_time(total[5m])", True),
        ("histogram_quantile(0.9, sum by (le) (rate(x[1m])))", False),
    ],
)
def test_a_sum_over_replicas_grows_unless_something_divides_it(text: str, grows: bool) -> None:
    known = rules("{ record: total, expr: sum(x) }", "{ record: mean, expr: sum(x) / count(x) }")

    assert is_sum_over_replicas(parse(text), known) is grows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3", "here is a text"),
        ("groups: 3", "groups is a text"),
        ("groups: [3]", "an entry of groups is a text"),
        ("groups: [{rules: [{expr: x}]}]", "neither alert nor record"),
        ("groups: [{rules: [{alert: A, expr: x, labels: 3}]}]", "labels is a text"),
        ("groups: [{interval: soon}]", "'soon' is not a duration"),
    ],
)
def test_what_is_no_rule_file_is_a_finding(text: str, says: str) -> None:
    findings: list[Finding] = []
    read_all(text, {}, findings)

    assert [f.rule for f in findings] == ["unexpected-form"]
    assert says in findings[0].text
