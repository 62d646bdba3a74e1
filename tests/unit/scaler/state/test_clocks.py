"""Times of the journal on a clock that nobody sets."""

import pytest

from scaler.state.clocks import Anchors


class Clocks:
    """A wall clock that can be set, and a monotonic one that only goes on."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 500.0
        self.anchors = Anchors(wall=lambda: self.wall, monotonic=lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_time_is_as_long_ago_on_either_clock() -> None:
    clocks = Clocks()

    assert clocks.anchors.monotonic("web", clocks.wall - 60) == clocks.steady - 60


def test_never_stays_never() -> None:
    anchors = Clocks().anchors

    assert anchors.monotonic("web", None) is None
    assert anchors.wall(None) is None


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_setting_the_wall_clock_moves_no_time_that_is_known(jump: float) -> None:
    """A cooldown neither ends early nor lasts an hour longer."""
    clocks = Clocks()
    changed = clocks.wall - 5
    before = clocks.anchors.monotonic("web", changed)
    clocks.pass_by(2)
    clocks.wall += jump

    assert clocks.anchors.monotonic("web", changed) == before == 495.0


def test_a_new_time_under_the_same_name_is_carried_over_anew() -> None:
    clocks = Clocks()
    clocks.anchors.monotonic("web", clocks.wall - 60)
    clocks.pass_by(10)

    assert clocks.anchors.monotonic("web", clocks.wall) == clocks.steady


def test_names_are_kept_apart() -> None:
    clocks = Clocks()
    clocks.anchors.monotonic("web", clocks.wall - 60)

    assert clocks.anchors.monotonic("api", clocks.wall - 1) == clocks.steady - 1


def test_a_time_yet_to_come_counts_as_now() -> None:
    """The wall clock was set back since it was written."""
    clocks = Clocks()

    assert clocks.anchors.monotonic("web", clocks.wall + 3600) == clocks.steady


def test_a_monotonic_time_is_shown_on_the_wall_clock_as_it_stands() -> None:
    clocks = Clocks()
    clocks.wall += 3600

    assert clocks.anchors.wall(clocks.steady + 10) == clocks.wall + 10
