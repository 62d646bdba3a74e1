"""R4: an edited threshold takes effect by itself; a broken edit changes nothing and is reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]


@pytest.fixture
def rules(stack: Stack) -> Iterator[Path]:
    """The rule file, put back afterwards."""
    path = stack.directory / "prometheus" / "alert.rules.yml"
    original = path.read_text()
    yield path
    replace(path, original)
    wait_until(lambda: "0.7" in expression(stack, "HighCPU"), within=15, what="the shipped rules again")


def replace(path: Path, text: str) -> None:
    """Write as editors do: a new file in the place of the old one."""
    aside = path.with_suffix(".edited")
    aside.write_text(text)
    aside.replace(path)


def expression(stack: Stack, alert: str) -> str:
    answer: Any = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/rules"), timeout=10).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    return next(str(rule["query"]) for rule in rules if rule["name"] == alert)


def test_an_edited_threshold_takes_effect_within_ten_seconds_with_nothing_restarted(
    stack: Stack, rules: Path
) -> None:
    started = stack.containers("prometheus")[0]["State"]["StartedAt"]
    assert "> 0.70" in rules.read_text()
    replace(rules, rules.read_text().replace("> 0.70", "> 0.55", 1))
    wait_until(lambda: "0.55" in expression(stack, "HighCPU"), within=10, what="the new threshold")
    assert stack.containers("prometheus")[0]["State"]["StartedAt"] == started


def test_a_broken_edit_keeps_the_old_rules_and_the_alert_about_it_is_delivered(
    stack: Stack, rules: Path
) -> None:
    before = expression(stack, "HighCPU")
    replace(rules, rules.read_text().replace("> 0.70", "> > 0.70", 1))
    wait_until(
        lambda: [
            e
            for e in stack.events()
            if e["kind"] == "alert" and e["text"].startswith("PrometheusConfigReloadFailed firing")
        ],
        within=60,
        what="PrometheusConfigReloadFailed among the scaler's events",
        every=0.5,
    )
    assert expression(stack, "HighCPU") == before
