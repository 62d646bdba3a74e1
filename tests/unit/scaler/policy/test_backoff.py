"""How long a service waits for its next step up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.policy.backoff import LONGEST, SETTLE, retry_at, wait_after


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10.0), (2, 20.0), (3, 40.0), (5, 160.0), (6, 300.0), (10_000, 300.0)]
)
def test_each_failure_doubles_the_wait_up_to_five_minutes(failures: int, seconds: float) -> None:
    assert wait_after(failures) == seconds


def test_without_failures_or_losses_there_is_no_wait() -> None:
    assert retry_at(failures=0, failed_at=None, undone=0, undone_at=None, lost_at=None) is None


def test_failures_that_a_success_followed_are_no_reason_to_wait() -> None:
    assert retry_at(failures=0, failed_at=100.0, undone=0, undone_at=None, lost_at=None) is None


def test_after_a_failure_the_wait_counts_from_the_last_one() -> None:
    assert retry_at(failures=2, failed_at=100.0, undone=0, undone_at=None, lost_at=None) == 120.0


def test_what_undid_a_step_or_lost_a_replica_is_given_three_seconds() -> None:
    assert SETTLE == 3.0
    assert retry_at(failures=0, failed_at=None, undone=0, undone_at=50.0, lost_at=None) == 53.0
    assert retry_at(failures=0, failed_at=None, undone=0, undone_at=None, lost_at=60.0) == 63.0


def test_each_further_one_that_is_undone_doubles_that_up_to_five_minutes() -> None:
    """Whatever takes them back again and again, nginx is not reloaded every three seconds for it."""
    waits = [
        retry_at(failures=0, failed_at=None, undone=n, undone_at=50.0, lost_at=None) for n in (1, 2, 3, 99)
    ]
    assert waits == [53.0, 56.0, 62.0, 350.0]


@given(
    st.integers(0, 99),
    st.integers(0, 99),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
)
def test_the_longest_wait_wins_and_is_bounded(
    failures: int, undone: int, failed_at: float | None, undone_at: float | None, lost_at: float | None
) -> None:
    at = retry_at(failures=failures, failed_at=failed_at, undone=undone, undone_at=undone_at, lost_at=lost_at)
    moments = [m for m in (failed_at, undone_at, lost_at) if m is not None]
    assert at is None or max(m for m in moments) + LONGEST >= at
    for alone in ({"undone_at": undone_at, "lost_at": None}, {"undone_at": None, "lost_at": lost_at}):
        one = retry_at(failures=failures, failed_at=failed_at, undone=undone, **alone)
        assert one is None or (at is not None and at >= one)
