"""A trace is a CSV; what cannot be read is reported with its file, line and value."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.trace import TraceError, parse

HEADER = "seconds,requests_per_second\n"


def test_a_trace_gives_its_rate_and_how_long_it_lasts() -> None:
    trace = parse(f"{HEADER}0,10\n\n20,30\n", name="x.csv")
    assert trace.seconds == 20
    assert [trace.rate(second) for second in (0, 10, 20)] == [10, 20, 30]


def test_the_example_can_be_read() -> None:
    path = Path(__file__).parents[3] / "locust/traces/example.csv"
    assert parse(path.read_text(encoding="utf-8"), name=path.name).seconds == 180


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "x.csv, line 1: []: must be seconds,requests_per_second"),
        ("time,rate\n0,1\n", "x.csv, line 1: ['time', 'rate']: must be seconds,requests_per_second"),
        (f"{HEADER}0,1\n1,fast\n", "x.csv, line 3: '1,fast': must be two numbers"),
        (f"{HEADER}0,1\n1\n", "x.csv, line 3: '1': must be two numbers"),
        (
            f"{HEADER}0,-1\n",
            "x.csv, line 2: '0,-1': must be seconds from 0 and requests per second from 0 to 5000",
        ),
        (
            f"{HEADER}nan,1\n",
            "x.csv, line 2: 'nan,1': must be seconds from 0 and requests per second from 0 to 5000",
        ),
        (f"{HEADER}0,1\n", "x.csv: must have a line for second 0 and one for a later second"),
        (f"{HEADER}1,1\n2,1\n", "x.csv: must have a line for second 0 and one for a later second"),
        (f"{HEADER}0,1\n5,1\n5,2\n", "x.csv: second 5 comes after second 5: seconds must rise"),
    ],
)
def test_what_is_no_trace_is_reported_with_its_line_and_value(text: str, says: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse(text, name="x.csv")
    assert str(caught.value) == says
