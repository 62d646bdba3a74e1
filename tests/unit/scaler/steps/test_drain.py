"""How long a leaving replica's requests are waited for."""

import threading
import time

import pytest

from scaler.model.errors import StepError
from scaler.model.reasons import ErrorReason
from scaler.steps.drain import drain


class Requests:
    """Over after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def over(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def nobody() -> None:
    """Nobody asks it to end."""


def test_requests_that_are_over_are_not_waited_for() -> None:
    begun = time.monotonic()
    drain(Requests(0), longest=60, stopping=threading.Event(), ask=nobody)
    assert time.monotonic() - begun < 1


def test_it_waits_until_they_are_over() -> None:
    requests = Requests(2)
    drain(requests, longest=60, stopping=threading.Event(), ask=nobody)
    assert requests.looks == -1


def test_but_no_longer_than_it_may() -> None:
    requests = Requests(10_000)
    drain(requests, longest=0.05, stopping=threading.Event(), ask=nobody)
    assert requests.looks > 9_000


def test_a_scaler_that_stops_waits_no_longer() -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(StepError) as raised:
        drain(Requests(10_000), longest=60, stopping=stopping, ask=nobody)
    assert raised.value.reason is ErrorReason.STOPPING


def test_whoever_is_asked_meanwhile_may_end_it() -> None:
    def ask() -> None:
        raise StepError("it would not be taken any more", reason=ErrorReason.OVERTAKEN)

    requests = Requests(10_000)
    with pytest.raises(StepError, match="not be taken any more"):
        drain(requests, longest=60, stopping=threading.Event(), ask=ask)
    assert requests.looks == 9_999
