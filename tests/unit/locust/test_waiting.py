"""A load test waits until the service is ready, and not for ever."""

from __future__ import annotations

import pytest
from loadtest.waiting import NotReadyError, await_ready


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[str] = []

    def wait(self, *answers: str, seconds: float = 60) -> None:
        left = list(answers)
        await_ready(
            "http://site/ready",
            seconds=seconds,
            look=lambda _: left.pop(0) if len(left) > 1 else left[0],
            monotonic=lambda: self.now,
            sleep=self.sleep,
            say=self.said.append,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_service_that_is_ready_is_not_waited_for() -> None:
    clock = Clock()
    clock.wait("")
    assert (clock.now, clock.said) == (100, [])


def test_what_is_waited_for_is_said_now_and_then() -> None:
    clock = Clock()
    clock.wait(*["it answered 502"] * 7, "")
    assert clock.now == 107
    assert clock.said == [
        f"load test: waiting for http://site/ready to answer 200, {n} of 60 s: it answered 502"
        for n in (0, 5)
    ]


def test_past_the_deadline_it_fails_with_the_last_answer_and_the_way_out() -> None:
    with pytest.raises(NotReadyError, match=r"LOCUST_WAIT_SECONDS=10: it answered 502\. Way out: "):
        Clock().wait("it answered 502", seconds=10)
