"""Many ask, one question is put; nobody waits for longer than told."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from scaler.model.errors import AlertscaleError, UnavailableError
from scaler.prometheus.cached import Shared
from tests.fakes import AtOnce, Clock, until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(clock: Clock) -> Shared[int]:
    return Shared(executor=AtOnce(), fresh=4.0, patience=1.0, monotonic=clock.monotonic)


class Asked:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.times += 1
        if self.error is not None:
            raise self.error
        return self.times


def test_an_answer_is_asked_for_once_while_it_is_fresh(shared: Shared[int], clock: Clock) -> None:
    ask = Asked()
    assert [shared.get("a", ask) for _ in range(50)] == [1] * 50

    clock.advance(4)
    assert shared.get("a", ask) == 2


def test_each_key_has_an_answer_of_its_own(shared: Shared[int]) -> None:
    ask = Asked()
    assert [shared.get("a", ask), shared.get("b", ask), shared.get("a", ask)] == [1, 2, 1]


def test_a_failure_is_handed_on_and_kept_as_long_as_an_answer(shared: Shared[int], clock: Clock) -> None:
    ask = Asked()
    ask.error = UnavailableError("no answer")
    for _ in range(3):
        with pytest.raises(UnavailableError, match="no answer"):
            shared.get("a", ask)
    assert ask.times == 1

    clock.advance(4)
    ask.error = None
    assert shared.get("a", ask) == 2


def test_a_fault_of_our_own_is_told_rather_than_waited_for(shared: Shared[int]) -> None:
    ask = Asked()
    ask.error = ZeroDivisionError("oops")
    with pytest.raises(AlertscaleError, match="ZeroDivisionError"):
        shared.get("a", ask)


def test_a_peek_never_waits_and_shows_the_last_answer_however_old(shared: Shared[int], clock: Clock) -> None:
    ask = Asked()
    assert shared.peek("a", ask) == 1

    clock.advance(100)
    ask.error = UnavailableError("no answer")
    assert shared.peek("a", ask) == 1


def test_no_more_than_32_answers_are_kept(shared: Shared[int]) -> None:
    ask = Asked()
    for key in range(33):
        shared.get(key, ask)
    assert shared.get(1, ask) == 2
    assert shared.get(0, ask) == 34


class Hanging:
    """A question that hangs until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> int:
        self.begun.set()
        self.go.wait(5)
        return 7


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.go.set()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=2) as executor:
        yield executor


def test_patience_ends(hanging: Hanging, executor: ThreadPoolExecutor, clock: Clock) -> None:
    shared: Shared[int] = Shared(executor=executor, fresh=4.0, patience=0.01, monotonic=clock.monotonic)
    with pytest.raises(UnavailableError, match="has not answered within"):
        shared.get("a", hanging)
    assert shared.peek("a", hanging) is None
    hanging.go.set()


def test_whoever_comes_while_five_wait_is_sent_away_at_once_whatever_they_wait_for(
    hanging: Hanging, executor: ThreadPoolExecutor, clock: Clock
) -> None:
    """Else a Prometheus that hangs would take every thread of the server, the webhook's included."""
    chart, lamps = (
        Shared[int](executor=executor, fresh=4.0, patience=5.0, monotonic=clock.monotonic) for _ in range(2)
    )
    with ThreadPoolExecutor(max_workers=5) as viewers:
        answers = [viewers.submit(one.get, "a", hanging) for one in (chart, chart, chart, lamps, lamps)]
        until(lambda: chart._waiting._value == 0, what="five wait")
        for shared in (chart, lamps):
            with pytest.raises(UnavailableError, match="too many wait"):
                shared.get("a", hanging)
        hanging.go.set()
        assert [a.result(timeout=5) for a in answers] == [7] * 5


class TestRecent:
    """What is not fresh any more is taken for a while, and one that is to come is asked for."""

    def test_it_is_taken_at_once_and_asked_for_anew(self, shared: Shared[int], clock: Clock) -> None:
        ask = Asked()
        assert shared.recent("a", ask, within=6.0, wait=True) == 1

        clock.advance(6)
        assert shared.recent("a", ask, within=6.0, wait=True) == 2
        assert ask.times == 2

    def test_nobody_waits_for_one_that_hangs_while_there_is_one_of_lately(
        self, hanging: Hanging, executor: ThreadPoolExecutor, clock: Clock
    ) -> None:
        shared: Shared[int] = Shared(executor=executor, fresh=4.0, patience=0.01, monotonic=clock.monotonic)
        hanging.go.set()
        assert shared.get("a", hanging) == 7
        hanging.go.clear()
        clock.advance(5)

        assert shared.recent("a", hanging, within=6.0, wait=True) == 7
        clock.advance(2)  # too old to be shown
        assert shared.recent("a", hanging, within=6.0, wait=False) is None
        with pytest.raises(UnavailableError, match="has not answered within"):
            shared.recent("a", hanging, within=6.0, wait=True)
        hanging.go.set()

    def test_a_failure_takes_the_place_of_what_was_answered_before(
        self, shared: Shared[int], clock: Clock
    ) -> None:
        ask = Asked()
        shared.get("a", ask)
        clock.advance(4)
        ask.error = UnavailableError("no answer")
        for wait in (True, False):
            with pytest.raises(UnavailableError, match="no answer"):
                shared.recent("a", ask, within=6.0, wait=wait)
