"""The beat of those who look once in a while, and what the HPA is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from bench.elasticity.run import Beat, measured
from bench.elasticity.supply import Replica


class Clock:
    """Time that passes by waiting and by working."""

    def __init__(self, *, until: float) -> None:
        self.now = 1000.0
        self.end = 1000.0 + until

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now > self.end


def beats(*, until: float, first: float, takes: float = 0.0) -> list[float]:
    clock = Clock(until=until)
    done: list[float] = []

    def do() -> None:
        done.append(clock.now - 1000)
        clock.now += takes

    Beat(wait=clock.wait, monotonic=lambda: clock.now).repeat(do, who="the HPA", every=15, first=first)
    return done


def test_it_is_done_at_a_fixed_beat_from_the_first_on() -> None:
    assert beats(until=50, first=3) == [3, 18, 33, 48]


def test_what_takes_long_does_not_shift_the_beat() -> None:
    assert beats(until=50, first=0, takes=4) == [0, 15, 30, 45]


def test_beats_that_are_missed_are_left_out() -> None:
    assert beats(until=70, first=0, takes=20) == [0, 30, 60]


def test_told_to_stop_before_the_first_beat_it_does_nothing() -> None:
    assert beats(until=2, first=3) == []


def two_beats() -> Beat:
    clock = Clock(until=20)
    return Beat(wait=clock.wait, monotonic=lambda: clock.now)


def raising(error: Exception) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


def test_a_look_that_nobody_answers_is_left_out_and_counted() -> None:
    beat = two_beats()
    beat.repeat(raising(requests.ReadTimeout()), who="the HPA", every=15)
    assert beat.missed == {"the HPA: ReadTimeout": 2}


def test_any_other_failure_of_a_look_is_not_hidden() -> None:
    beat = two_beats()
    with pytest.raises(KeyError):
        beat.repeat(raising(KeyError("metric")), who="the HPA", every=15)
    assert not beat.missed


def test_the_hpa_sees_only_replicas_that_have_been_ready_for_a_whole_window() -> None:
    replicas = [
        Replica(identity=name, name=name, service="hpa", address=name, ready_since=since)
        for name, since in (("old", 10.0), ("young", 30.0), ("starting", None), ("unmeasured", 10.0))
    ]
    used = {"old": 0.9, "young": 0.8, "starting": 1.0, "gone": 0.5}
    assert measured(used, replicas, at=44.0) == {"old": 0.9}
    assert measured(used, replicas, at=45.0) == {"old": 0.9, "young": 0.8}
