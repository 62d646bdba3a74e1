"""Figures, their verdicts, and their way through a file."""

from __future__ import annotations

import pytest

from bench.errors import ResultFileError
from bench.model import Compared, Figure, Target, Verdict, at_least, at_most, from_json, to_json
from bench.stats import Spread
from tests.unit.bench.builders import a_result

FULL = Figure(
    name="time",
    value=2.5,
    unit="s",
    target=at_most(6),
    compared=Compared(what="cron", value=100),
    spread=Spread(median=2.5, p95=3, low=1, high=4, runs=10),
    gate=True,
)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (at_most(6), 6, Verdict.OK),
        (at_most(6), 6.01, Verdict.MISSED),
        (at_least(50), 50, Verdict.OK),
        (at_least(50), 49, Verdict.MISSED),
        (None, 1, Verdict.NONE),
    ],
)
def test_a_figure_is_ok_on_the_right_side_of_its_target(
    target: Target | None, value: float, verdict: Verdict
) -> None:
    assert Figure(name="x", value=value, target=target).verdict is verdict


def test_only_a_gate_makes_the_run_fail() -> None:
    slow = Figure(name="slow", value=9, target=at_most(6))
    lost = Figure(name="lost", value=1, target=at_most(0), gate=True)
    fine = Figure(name="fine", value=0, target=at_most(0), gate=True)
    assert a_result(slow, lost, fine).failed_gates == (lost,)


def test_a_result_survives_its_file() -> None:
    result = a_result(FULL, Figure(name="bare", value=1))
    assert from_json(to_json(result), name="speed.json") == result


def test_the_same_result_gives_the_same_file() -> None:
    assert to_json(a_result(FULL)) == to_json(a_result(FULL))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"schema": 1}', '{"schema": 1, "outcome": 3}'])
def test_a_file_that_is_no_result_is_named_with_the_way_out(text: str) -> None:
    with pytest.raises(ResultFileError, match=r"speed\.json: not a result of bench .* Way out"):
        from_json(text, name="speed.json")


def test_a_file_of_another_version_is_named_with_the_way_out() -> None:
    text = to_json(a_result()).replace('"schema": 1', '"schema": 2')
    with pytest.raises(ResultFileError, match=r"speed\.json: written by another version.* Way out: run"):
        from_json(text, name="speed.json")
