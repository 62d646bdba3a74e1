"""When nginx may be reloaded."""

import pytest

from scaler.policy.reloads import (
    AT_ONCE,
    LONGEST,
    Servers,
    generations,
    is_urgent,
    pause_after_refusals,
    pause_before,
)

A, B, C = ("10.0.0.2", 80), ("10.0.0.3", 80), ("10.0.0.4", 80)


def web(*servers: tuple[str, int]) -> Servers:
    return {"web": frozenset(servers)}


@pytest.mark.parametrize(
    ("before", "after", "urgent"),
    [
        (web(A), web(A, B), False),
        (web(A), web(A), False),
        (web(A, B), web(A), True),
        (web(A, B), web(A, C), True),
        (web(A), web(("10.0.0.2", 81)), True),
        (web(), web(A), True),
        ({}, web(A), True),
        ({}, web(), False),
        (web(), {}, False),
        (web(A), {}, True),
        ({**web(A), "api": frozenset()}, {**web(A), "api": frozenset({B})}, True),
        ({**web(A), "api": frozenset({B})}, {**web(A), "api": frozenset({B, C})}, False),
        # It was another service's until now.
        ({**web(A), "api": frozenset({B})}, {**web(A, B), "api": frozenset()}, True),
    ],
)
def test_an_address_that_leaves_and_a_first_replica_are_urgent(
    before: Servers, after: Servers, urgent: bool
) -> None:
    assert is_urgent(before=before, after=after) is urgent


@pytest.mark.parametrize(
    ("leaving", "workers", "expected"), [(0, 2, 0), (1, 2, 1), (4, 2, 2), (5, 2, 3), (3, 0, 3)]
)
def test_old_workers_are_counted_as_the_reloads_that_left_them(
    leaving: int, workers: int, expected: int
) -> None:
    assert generations(leaving=leaving, workers=workers) == expected


@pytest.mark.parametrize(
    ("old", "seconds"),
    [(0, 0.0), (AT_ONCE, 0.0), (4, 4.0), (5, 8.0), (6, LONGEST), (10_000, LONGEST)],
)
def test_a_few_go_at_once_and_each_more_doubles_the_pause(old: int, seconds: float) -> None:
    assert pause_before(old) == seconds


@pytest.mark.parametrize(
    ("times", "seconds"), [(1, 0.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, 30.0), (10_000, 30.0)]
)
def test_what_is_refused_again_and_again_is_asked_for_seldom(times: int, seconds: float) -> None:
    assert pause_after_refusals(times) == seconds


@pytest.mark.parametrize("every", [1, 3, 5, 10])
def test_a_replica_that_flaps_while_everybody_downloads_leaves_few_generations(every: int) -> None:
    """Ten minutes; nginx ends old workers a minute after a reload (worker_shutdown_timeout): 41 without."""
    reloads: list[int] = []
    most, is_in = 0, True
    for second in range(600):
        wants_in = second // every % 2 == 0
        old = sum(at > second - 60 for at in reloads)
        waits = wants_in and bool(reloads) and second - reloads[-1] < pause_before(old)
        if wants_in != is_in and not waits:
            reloads.append(second)
            is_in, most = wants_in, max(most, old + 1)

    assert most <= 12


def test_steps_up_every_fifteen_seconds_never_wait() -> None:
    """Each leaves old workers for a minute: four generations."""
    assert pause_before(4) < 15
