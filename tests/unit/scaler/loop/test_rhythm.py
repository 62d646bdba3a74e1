"""When a pass is made and when it decides."""

import threading

from scaler.loop.rhythm import PASS_EVERY, Rhythm


class Clock:
    """Stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def advance(self, seconds: float) -> None:
        self.now += seconds


def made(tick: float = 1.0) -> tuple[Rhythm, threading.Event, Clock]:
    clock, wake = Clock(), threading.Event()
    return Rhythm(tick=tick, stopping=threading.Event(), wake=wake, monotonic=lambda: clock.now), wake, clock


def test_the_first_pass_decides_and_then_one_each_tick() -> None:
    rhythm, _, clock = made()
    assert rhythm.decides(rhythm.now())
    assert not rhythm.decides(rhythm.now())
    clock.advance(1.0)
    assert rhythm.decides(rhythm.now())


def test_whoever_asks_for_a_decision_gets_one_at_the_next_pass() -> None:
    rhythm, wake, _ = made()
    rhythm.decides(rhythm.now())
    rhythm.decide_soon()
    assert wake.is_set()
    assert rhythm.decides(rhythm.now())


def test_what_is_asked_for_during_a_pass_is_for_the_next_one() -> None:
    rhythm, wake, _ = made()
    rhythm.begin()
    rhythm.pass_soon()
    assert wake.is_set()
    rhythm.begin()
    assert not wake.is_set()


def test_the_next_pass_is_due_with_the_first_of_decision_and_others() -> None:
    rhythm, _, _ = made(tick=2.0)
    now = rhythm.now()
    rhythm.decides(now)
    assert rhythm.until_next(now, now + 9) == 2.0
    assert rhythm.until_next(now, now + 0.5) == 0.5


def test_there_is_a_pass_every_few_seconds_however_long_the_tick_and_never_a_hot_loop() -> None:
    rhythm, _, _ = made(tick=60.0)
    now = rhythm.now()
    rhythm.decides(now)
    assert rhythm.until_next(now, now + 99) == PASS_EVERY
    assert rhythm.until_next(now, now - 99) > 0


def test_the_last_pass_ages() -> None:
    rhythm, _, clock = made()
    begun = rhythm.begin()
    clock.advance(0.25)
    assert rhythm.end(begun, well=True) == 0.25
    clock.advance(3.0)
    assert rhythm.passed_ago() == 3.0
