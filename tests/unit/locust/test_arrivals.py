"""The open model: a slow service does not slow the load down."""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadtest.arrivals import FULL, LATE, Arrivals, OpenLoop

ANSWER_SECONDS = 1.0
RUN_SECONDS = 2.0
TURN_SECONDS = 0.005
RATE = 40


def evenly() -> float:
    return 1.0


class Loop:
    """An open loop whose requests end when the test says so."""

    def __init__(self, *, rate: float, most: int = 10**6) -> None:
        self.sent: list[Callable[[], None]] = []
        self.dropped: list[str] = []
        self.loop = OpenLoop(
            arrivals=Arrivals(rate=lambda _: rate, draw=evenly),
            send=lambda: None,
            spawn=self.sent.append,
            drop=self.dropped.append,
            most=most,
        )

    def run(self, *, begin: float, end: float, pause: float) -> None:
        steps = round((end - begin) / pause)
        for i in range(1, steps + 1):
            self.loop.advance(begin + i * pause)


def test_even_arrivals_come_at_their_rate() -> None:
    arrivals = Arrivals(rate=lambda _: 4, draw=evenly)
    assert list(arrivals.until(1.1)) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert list(arrivals.until(1.1)) == []


def test_no_arrival_comes_while_the_rate_is_nothing() -> None:
    arrivals = Arrivals(rate=lambda second: 0 if second < 5 else 10, draw=evenly)
    assert list(arrivals.until(5)) == []
    assert list(arrivals.until(5.31)) == pytest.approx([5.1, 5.2, 5.3])


def test_random_arrivals_keep_the_rate_on_average() -> None:
    dice = random.Random(7)  # noqa: S311
    arrivals = Arrivals(rate=lambda _: 100, draw=lambda: dice.expovariate(1))
    assert len(list(arrivals.until(100))) == pytest.approx(10_000, rel=0.03)


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=20), st.floats(0, 200))
def test_how_often_one_looks_changes_no_arrival(pauses: list[float], rate: float) -> None:
    often, once = (Arrivals(rate=lambda _: rate, draw=evenly) for _ in range(2))
    seen: list[float] = []
    at = 0.0
    for pause in pauses:
        at += pause
        seen += often.until(at)
    # An arrival at the very end may fall on either side of it.
    assert abs(len(seen) - len(list(once.until(at)))) <= 1
    assert seen == sorted(seen)


def test_requests_that_never_end_do_not_lower_the_rate() -> None:
    slow = Loop(rate=50)
    slow.run(begin=0, end=10.005, pause=0.015)
    assert len(slow.sent) == 500
    assert slow.dropped == []


def test_what_is_over_the_bound_is_dropped_and_counted_until_there_is_room() -> None:
    slow = Loop(rate=10, most=3)
    slow.run(begin=0, end=1.05, pause=0.05)
    assert (len(slow.sent), slow.dropped) == (3, [FULL] * 7)
    slow.sent[0]()
    slow.run(begin=1.05, end=1.25, pause=0.05)
    assert (len(slow.sent), len(slow.dropped)) == (4, 8)


def test_a_request_that_raises_makes_room_all_the_same() -> None:
    def fail() -> None:
        raise OSError("reset")

    sent: list[Callable[[], None]] = []
    dropped: list[str] = []
    loop = OpenLoop(
        arrivals=Arrivals(rate=lambda _: 10, draw=evenly),
        send=fail,
        spawn=sent.append,
        drop=dropped.append,
        most=1,
    )
    loop.advance(0.15)
    with pytest.raises(OSError, match="reset"):
        sent[0]()
    loop.advance(0.25)
    assert (len(sent), dropped) == (2, [])


def test_arrivals_that_the_load_generator_was_too_late_for_are_dropped_and_not_sent_in_a_burst() -> None:
    stalled = Loop(rate=10)
    stalled.loop.advance(3.05)
    assert len(stalled.sent) == 10
    assert stalled.dropped == [LATE] * 20


class Slow(BaseHTTPRequestHandler):
    arrived: list[float]

    def do_GET(self) -> None:
        self.arrived.append(time.monotonic())
        time.sleep(ANSWER_SECONDS)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class'
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256


@pytest.fixture
def slow_server() -> Iterator[tuple[str, list[float]]]:
    """A server that takes a second for each answer, and when it was asked."""
    Slow.arrived = []
    server = Server(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", Slow.arrived
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_slow_server_is_asked_as_often_as_a_fast_one(slow_server: tuple[str, list[float]]) -> None:
    """Four users who wait for their answers would make 8 requests in this time; 80 arrive."""
    url, arrived = slow_server
    threads: list[threading.Thread] = []
    dropped: list[str] = []

    def spawn(function: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=function))
        threads[-1].start()

    def send() -> None:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
            answer.read()

    loop = OpenLoop(
        arrivals=Arrivals(rate=lambda _: RATE, draw=evenly),
        send=send,
        spawn=spawn,
        drop=dropped.append,
        most=500,
    )
    # By a time that is never ahead of a busy machine's: what comes late there is not what this is about.
    for turn in range(round(RUN_SECONDS / TURN_SECONDS) + 1):
        loop.advance(turn * TURN_SECONDS)
        time.sleep(TURN_SECONDS)
    for thread in threads:
        thread.join(timeout=20)
    assert len(threads) + len(dropped) == pytest.approx(RATE * RUN_SECONDS, abs=1)
    assert len(arrived) == len(threads)
    assert not dropped
