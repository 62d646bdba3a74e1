"""The course of a load is a pure function of how far the run is."""

from __future__ import annotations

import pytest
from loadtest.profiles import NAMES, PROFILES, interpolated


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_stays_between_nothing_and_the_peak(name: str) -> None:
    levels = [PROFILES[name].level(i / 1200) for i in range(1201)]
    assert min(levels) >= 0
    assert max(levels) == 1


def test_steady_is_the_peak_all_the_time() -> None:
    assert {PROFILES["steady"].level(x / 10) for x in range(11)} == {1.0}


def test_step_adds_a_quarter_at_each_quarter() -> None:
    level = PROFILES["step"].level
    assert [level(x) for x in (0, 0.24, 0.25, 0.49, 0.5, 0.74, 0.75, 1)] == [
        *(0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1)
    ]


def test_spike_has_its_peak_in_the_middle_fifth_only() -> None:
    level = PROFILES["spike"].level
    assert [level(x) for x in (0, 0.39, 0.4, 0.59, 0.6, 1)] == [0.2, 0.2, 1, 1, 0.2, 0.2]


def test_wave_is_a_day_that_ends_as_it_began_with_its_peak_in_the_evening() -> None:
    level = PROFILES["wave"].level
    assert level(0) == level(1)
    assert max(range(25), key=lambda hour: level(hour / 24)) == 20
    assert min(range(25), key=lambda hour: level(hour / 24)) == 4


def test_ramp_rises_evenly_and_alone_breaks_off() -> None:
    assert [PROFILES["ramp"].level(x) for x in (0, 0.3, 1)] == [0, 0.3, 1]
    assert [name for name, profile in PROFILES.items() if profile.breaks_off] == ["ramp"]


def test_the_names_are_the_profiles_and_the_trace() -> None:
    assert NAMES == ("steady", "step", "spike", "wave", "ramp", "trace")


def test_between_two_points_is_the_straight_line_and_beyond_the_ends_the_end() -> None:
    points = ((0.0, 10.0), (2.0, 20.0), (3.0, 0.0))
    assert [interpolated(points, x) for x in (-1, 0, 1, 2, 2.5, 9)] == [10, 10, 15, 20, 10, 0]
