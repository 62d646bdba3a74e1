"""R4: an edited threshold takes effect by itself; a broken edit changes nothing and is reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.stack import Stack, wait_until
from tests.e2e.quick import RULES, loaded, replace

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(200)]


@pytest.fixture
def rules(stack: Stack) -> Iterator[Path]:
    """The rule file, put back afterwards."""
    path = stack.directory / RULES
    original = path.read_text()
    yield path
    replace(path, original)
    wait_until(lambda: "0.7" in expression(stack, "HighCPU"), within=15, what="the rules again")


def expression(stack: Stack, alert: str) -> str:
    return str(loaded(stack)[alert]["query"])


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
            if e["kind"] == "alert" and e["text"].startswith("PrometheusConfigReloadFailed fires")
        ],
        within=60,
        what="PrometheusConfigReloadFailed among the scaler's events",
        every=0.5,
    )
    assert expression(stack, "HighCPU") == before
