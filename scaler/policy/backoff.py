"""When again? How long a service that failed, or lost a replica, waits for its next step."""

from typing import Final

FIRST: Final = 10.0
"""Seconds of wait after the first failure; each further one doubles it."""

LONGEST: Final = 300.0
"""Seconds that no wait exceeds."""

SETTLE: Final = 3.0
"""Seconds after a death or a stop before a lost replica is made up for, or another one taken away: whoever
stops a service stops all of it."""

_MOST_DOUBLINGS: Final = 10


def wait_after(times: int, *, first: float = FIRST) -> float:
    """Seconds to wait after so many failures in a row, at least one.

    Args:
        times: how many.
        first: seconds after the first.
    """
    return min(first * 2.0 ** min(times - 1, _MOST_DOUBLINGS), LONGEST)


def settled_at(lost_at: float | None) -> float | None:
    """When it is known what is left, seconds, after a replica has died or was asked to stop; None at once."""
    return None if lost_at is None else lost_at + SETTLE


def retry_at(
    *, failures: int, failed_at: float | None, undone: int, undone_at: float | None, lost_at: float | None
) -> float | None:
    """When the next step of a direction may be tried. All times are seconds on one clock.

    Args:
        failures: steps of that direction that failed since the last step that was done.
        failed_at: when the last of these did; None if none.
        undone: how often in a row steps of that direction were undone.
        undone_at: when the last step ended, either way, if that one was undone; what it met is still going
            on, and the engine's list may be older than it.
        lost_at: when a replica last died or was asked to stop; None if all live.

    Returns:
        The latest of what each of these asks for; None for at once.
    """
    settled = settled_at(lost_at)
    waits = [] if settled is None else [settled]
    if undone_at is not None:
        waits.append(undone_at + wait_after(max(undone, 1), first=SETTLE))
    if failures and failed_at is not None:
        waits.append(failed_at + wait_after(failures))
    return max(waits, default=None)
