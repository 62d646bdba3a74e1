"""The scaler's history: the last entries that match, and those that come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from alertscale.client import MOST_EVENTS
from alertscale.errors import CliError, UnavailableError, UnreachableError
from alertscale.model import Event

POLL_EVERY: Final = 1.0
"""Seconds between two looks at the history."""


class Source(Protocol):
    """What brings the history, newest first."""

    def events(self, *, limit: int, before: int | None = None) -> tuple[Event, ...]:
        """Read one page."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which entries to show.

    Attributes:
        service: ``service`` or ``project/service``; empty for all.
        kinds: of those kinds; empty for all.
    """

    service: str = ""
    kinds: frozenset[str] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether an entry is one of them."""
        named = self.service in {"", event.service, f"{event.project}/{event.service}"}
        return named and (not self.kinds or event.kind in self.kinds)


def latest(source: Source, wanted: Filter, *, limit: int) -> tuple[Event, ...]:
    """Read the last entries that match, oldest first.

    Args:
        source: the history.
        wanted: which entries.
        limit: how many at most.
    """
    found: list[Event] = []
    for page in _pages(source, first=limit if wanted == Filter() else MOST_EVENTS):
        found += [event for event in page if wanted.takes(event)]
        if len(found) >= limit:
            break
    return tuple(reversed(found[:limit]))


def newest_id(source: Source) -> int:
    """Return the id of the newest entry; 0 when there is none."""
    return max((event.id for event in source.events(limit=1)), default=0)


def since(source: Source, last: int) -> tuple[Event, ...]:
    """Read every entry with a higher id, oldest first."""
    found: list[Event] = []
    for page in _pages(source, first=100):
        found += [event for event in page if event.id > last]
        if not page or page[-1].id <= last:
            break
    return tuple(reversed(found))


def follow(
    source: Source,
    wanted: Filter,
    *,
    last: int,
    sleep: Callable[[float], object],
    trouble: Callable[[CliError | None], object],
) -> Iterator[Event]:
    """Yield entries as they come, for ever.

    Args:
        source: the history.
        wanted: which entries.
        last: the id after which to begin.
        sleep: waits so many seconds.
        trouble: told when the scaler cannot be asked, and with None when it can again: it may be
            starting anew.
    """
    down = False
    while True:
        try:
            new = since(source, last)
        except (UnreachableError, UnavailableError) as error:
            if not down:
                trouble(error)
            down, new = True, ()
        else:
            if down:
                trouble(None)
            down = False
        for event in new:
            last = event.id
            if wanted.takes(event):
                yield event
        sleep(POLL_EVERY)


def _pages(source: Source, *, first: int) -> Iterator[tuple[Event, ...]]:
    """Yield the history page by page, newest first; ends behind the oldest."""
    size, before = max(1, min(first, MOST_EVENTS)), None
    while True:
        page = source.events(limit=size, before=before)
        yield page
        if len(page) < size:
            return
        size, before = MOST_EVENTS, page[-1].id
