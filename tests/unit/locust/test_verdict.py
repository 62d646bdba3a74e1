"""Whether the service held its limits, and how that is said."""

from __future__ import annotations

from loadtest.verdict import Limits, Seen, Watch, broken, summary

LIMITS = Limits(p95_ms=500, failed_percent=1)


def test_limits_hold_up_to_their_value() -> None:
    assert broken(Seen(requests=100, failures=1, p95_ms=500), LIMITS) == ()


def test_each_limit_that_does_not_hold_is_said_with_what_was_seen_and_its_variable() -> None:
    assert broken(Seen(requests=100, failures=2, p95_ms=501), LIMITS) == (
        "2 of 100 requests failed (2 %): LOCUST_FAILED_PERCENT allows 1 %",
        "p95 was 501 ms: LOCUST_P95_MS allows 500 ms",
    )


def test_a_run_without_a_request_has_shown_nothing() -> None:
    assert broken(Seen(requests=0, failures=0, p95_ms=0), LIMITS)


def test_the_summary_says_what_was_seen_and_the_outcome() -> None:
    assert summary(Seen(requests=100, failures=0, p95_ms=20), LIMITS) == (
        "load test: 100 requests, 0 failed, p95 20 ms\n"
        "load test: passed: at most 1 % failed, p95 at most 500 ms"
    )
    assert "load test: failed: p95 was 900 ms" in summary(Seen(requests=9, failures=0, p95_ms=900), LIMITS)


def test_a_ramp_ends_once_a_limit_is_broken_three_looks_in_a_row() -> None:
    watch = Watch(LIMITS)
    slow, fast = (Seen(requests=100, failures=0, p95_ms=p95) for p95 in (900, 90))
    assert [bool(watch.see(seen)) for seen in (slow, slow, fast, slow, slow, slow)] == [False] * 5 + [True]


def test_a_slow_answer_among_the_first_few_ends_no_ramp() -> None:
    watch = Watch(LIMITS)
    assert not any(watch.see(Seen(requests=39, failures=0, p95_ms=900)) for _ in range(10))
