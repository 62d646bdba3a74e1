"""docs/alerts.md has every alert and every record of Prometheus' rules."""

from __future__ import annotations

import re

import pytest

from tools.lookup.rules import ALERTS, MAKERS, RECORDS, Rule, groups, plain, recorded
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/alerts.md").read_text(encoding="utf-8")
RULES: list[Rule] = [rule for rules in groups(ALERTS).values() for rule in rules]


def test_every_rule_file_of_prometheus_is_one_of_these_two() -> None:
    assert set((REPOSITORY / "prometheus").rglob("*.rules.yml")) == {ALERTS, RECORDS}


def test_every_group_of_alerts_has_a_block() -> None:
    assert set(MAKERS) == {f"alerts-{name}" for name in groups(ALERTS)} | {"records"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_there_with_severity_duration_labels_expression_and_runbook(rule: Rule) -> None:
    name = rule["alert"]
    (row,) = re.findall(rf"^\| \[{name}\]\((.+?)\) \| (\w+) \| (.+) \| (.+) \| (.*) \|$", PAGE, re.MULTILINE)
    runbook, severity, said, held, labels = row
    assert runbook == f"monitoring.md#{name.lower()}"
    assert severity == rule["labels"]["severity"]
    assert "{{" not in said
    assert "{{" not in labels
    assert held.strip("`") == (rule["for"] if rule.get("for", "0s") != "0s" else "at once")
    if "scale" in rule["labels"]:
        assert f"`scale: {rule['labels']['scale']}`, `resource: {rule['labels']['resource']}`" in labels
    assert f"# {name}\n{rule['expr'].rstrip()}\n" in PAGE


def test_every_record_has_a_comment_that_is_its_meaning() -> None:
    assert [name for name, _ in recorded()] == [
        rule["record"] for rules in groups(RECORDS).values() for rule in rules
    ]
    assert all(f"| `{name}` | {meaning} |" in PAGE for name, meaning in recorded())


def test_what_is_put_in_when_an_alert_fires_is_a_word_in_italics() -> None:
    template = "{{ $labels.service }} uses {{ $value | humanizePercentage }} of {{ $labels.job }}"
    assert plain(template) == "*service* uses *value* of *job*"
