"""Figures as people read them."""

from __future__ import annotations

import pytest

from bench.model import Compared, Figure, at_most
from bench.stats import spread
from bench.words import HEADINGS, cells, duration, number, quantity


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (50_000, "50,000"),
        (3.0, "3"),
        (3.14159, "3.14"),
        (31.4159, "31.4"),
        (1234.5, "1,234"),
        (0.0042, "0.004"),
        (-2.5, "-2.50"),
    ],
)
def test_three_digits_that_matter(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_plain_count_has_no_unit() -> None:
    assert quantity(4, "") == "4"
    assert quantity(4, "s") == "4 s"


@pytest.mark.parametrize(("seconds", "shown"), [(40, "40 s"), (89, "89 s"), (90, "2 min"), (600, "10 min")])
def test_minutes_from_one_and_a_half_on(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_figure_has_a_cell_for_each_heading() -> None:
    bare = cells(Figure(name="bare", value=1))
    full = cells(
        Figure(
            name="time",
            value=2.5,
            unit="s",
            target=at_most(6),
            compared=Compared(what="cron", value=100),
            spread=spread([2, 3]),
        )
    )
    assert len(bare) == len(full) == len(HEADINGS)
    assert full == ("time", "2.50 s", "≤ 6 s", "ok", "cron: 100 s", "2.50", "3", "2", "3", "2")
