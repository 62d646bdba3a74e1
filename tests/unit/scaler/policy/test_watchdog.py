"""Whether the source of alerts is alive."""

import math

from scaler.policy.watchdog import Watchdog, may_remove


def test_one_that_was_never_heard_of_is_infinitely_old() -> None:
    watchdog = Watchdog(ttl=15)
    assert watchdog.age(now=5) == math.inf
    assert not watchdog.lives(now=5)


def test_it_lives_for_as_long_as_what_it_proves_is_fresh() -> None:
    watchdog = Watchdog(ttl=15)
    watchdog.heard(now=100)
    assert watchdog.age(now=107) == 7
    assert watchdog.lives(now=115)
    assert not watchdog.lives(now=115.1)
    watchdog.heard(now=116)
    assert watchdog.lives(now=117)


def test_while_it_is_silent_nothing_is_removed() -> None:
    assert may_remove(watched=True)
    assert not may_remove(watched=False)
