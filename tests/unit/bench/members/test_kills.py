"""From what was found after each kill to figures."""

from __future__ import annotations

from bench.members import kills
from tests.unit.bench.builders import a_result
from tests.unit.bench.measured import a_kill, named


def test_a_kill_after_which_something_is_wrong_fails_the_run_and_says_what() -> None:
    outcome = kills.outcome([a_kill(), a_kill(fault="an orphan")], sent=100, lost={}, wanted=2)
    assert outcome.notes == ("kill 2: an orphan",)
    failed = [figure.name for figure in a_result(*outcome.figures).failed_gates]
    assert failed == ["kills after which something was wrong"]


def test_kills_without_a_fault_or_a_loss_pass() -> None:
    outcome = kills.outcome([a_kill()] * 50, sent=100, lost={}, wanted=50)
    assert not a_result(*outcome.figures).failed_gates
    assert named(outcome)["kill → the scaler answers again"].value == 1.0
