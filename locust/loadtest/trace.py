"""A recorded load: a CSV of seconds and requests per second."""

import csv
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from loadtest.profiles import interpolated

HEADER: Final = ["seconds", "requests_per_second"]
MOST_PER_SECOND: Final = 5000


class TraceError(Exception):
    """A trace cannot be read; the message names the file, the line, the value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A recorded load.

    Attributes:
        points: Seconds since the begin, rising from 0, and requests per second.
    """

    points: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.points[-1][0]

    def rate(self, seconds: float) -> float:
        """Requests per second at a time: on the straight line between two lines of the file."""
        return interpolated(self.points, seconds)


def parse(text: str, *, name: str) -> Trace:
    """Read a trace.

    Args:
        text: The CSV, with the header `seconds,requests_per_second`.
        name: The file's name, for errors.

    Raises:
        TraceError: It is not such a CSV.
    """
    rows = list(csv.reader(text.splitlines()))
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        raise TraceError(f"{name}, line 1: {rows[0] if rows else []!r}: must be {','.join(HEADER)}")
    points = tuple(
        _point(row, where=f"{name}, line {number}") for number, row in enumerate(rows[1:], start=2) if row
    )
    if len(points) < 2 or points[0][0] != 0:  # noqa: PLR2004 - a begin and an end
        raise TraceError(f"{name}: must have a line for second 0 and one for a later second")
    for (before, _), (after, _) in pairwise(points):
        if after <= before:
            raise TraceError(f"{name}: second {after:g} comes after second {before:g}: seconds must rise")
    return Trace(points=points)


def _point(row: list[str], *, where: str) -> tuple[float, float]:
    try:
        seconds, rate = (float(cell) for cell in row)
    except ValueError:
        raise TraceError(f"{where}: {','.join(row)!r}: must be two numbers") from None
    if not (math.isfinite(seconds) and seconds >= 0 and 0 <= rate <= MOST_PER_SECOND):
        raise TraceError(
            f"{where}: {','.join(row)!r}: must be seconds from 0 "
            f"and requests per second from 0 to {MOST_PER_SECOND}"
        )
    return seconds, rate
