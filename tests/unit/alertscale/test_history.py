"""The last entries that match, and those that come, whatever the size of a page."""

from dataclasses import dataclass, field

import pytest

from alertscale.client import MOST_EVENTS
from alertscale.errors import CliError, RefusedError, UnreachableError
from alertscale.history import Filter, follow, latest, newest_id, since
from alertscale.model import Event
from tests.unit.alertscale.builders import event


@dataclass
class Book:
    """A history in memory; what stands in ``errors`` is raised first, one a call."""

    events_: list[Event] = field(default_factory=list)
    errors: list[CliError] = field(default_factory=list)
    pages: int = 0

    def events(self, *, limit: int, before: int | None = None) -> tuple[Event, ...]:
        if self.errors:
            raise self.errors.pop(0)
        assert 1 <= limit <= MOST_EVENTS
        self.pages += 1
        return tuple(e for e in reversed(self.events_) if before is None or e.id < before)[:limit]


def book(count: int) -> Book:
    return Book([event(n + 1, "step" if n % 10 == 0 else "decision") for n in range(count)])


def no_trouble(error: CliError | None) -> None:
    pytest.fail(f"{error}")


def ids(events: tuple[Event, ...]) -> list[int]:
    return [event.id for event in events]


def test_the_last_ones_come_oldest_first_with_one_request() -> None:
    made = book(100)
    assert ids(latest(made, Filter(), limit=3)) == [98, 99, 100]
    assert made.pages == 1


def test_a_filter_looks_back_as_far_as_it_must() -> None:
    made = book(2500)
    found = latest(made, Filter(kinds=frozenset({"step"})), limit=240)
    assert len(found) == 240
    assert found[0].id == 101
    assert made.pages == 3


def test_fewer_than_asked_for_when_there_are_no_more() -> None:
    assert ids(latest(book(2), Filter(), limit=50)) == [1, 2]
    assert latest(book(0), Filter(), limit=50) == ()
    assert latest(book(30), Filter(service="other"), limit=5) == ()


def test_a_service_goes_by_its_name_with_or_without_its_project() -> None:
    mine, other, whole = event(1), event(2, name="api"), event(3, "reload", name="", project="")
    for name in ("web", "shop/web"):
        assert [Filter(service=name).takes(e) for e in (mine, other, whole)] == [True, False, False]
    assert not Filter(service="blog/web").takes(mine)


def test_what_came_since_is_read_to_its_end() -> None:
    made = book(2300)
    assert ids(since(made, 2298)) == [2299, 2300]
    assert ids(since(made, 100)) == list(range(101, 2301))
    assert since(made, 2300) == ()
    assert newest_id(made) == 2300
    assert newest_id(book(0)) == 0


def test_following_yields_each_entry_once_as_it_comes() -> None:
    made = book(3)
    coming = [[event(4)], [], [event(5), event(6, "step")]]

    def sleep(_: float) -> None:
        if not coming:
            raise KeyboardInterrupt
        made.events_ += coming.pop(0)

    entries = follow(made, Filter(), last=3, sleep=sleep, trouble=no_trouble)
    assert [next(entries).id for _ in range(3)] == [4, 5, 6]
    with pytest.raises(KeyboardInterrupt):
        next(entries)


def test_following_outlives_a_scaler_that_starts_anew_and_tells_it_once() -> None:
    gone = UnreachableError("gone", way_out="")
    made, told = book(3), list[CliError | None]()
    made.errors = [gone, gone, gone]
    entries = follow(made, Filter(), last=1, sleep=lambda _: None, trouble=told.append)
    assert next(entries).id == 2
    assert told == [gone, None]


def test_following_ends_when_the_scaler_refuses() -> None:
    made = book(3)
    made.errors = [RefusedError("no", way_out="")]
    with pytest.raises(RefusedError):
        next(follow(made, Filter(), last=1, sleep=lambda _: None, trouble=no_trouble))
