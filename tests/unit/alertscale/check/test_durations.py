from __future__ import annotations

import pytest

from alertscale.check.durations import parse, show


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("500ms", 0.5),
        ("15s", 15),
        ("1m30s", 90),
        ("4h", 14400),
        ("1d", 86400),
        ("1w", 604800),
        ("1y", 31536000),
    ],
)
def test_a_duration_is_read_as_prometheus_does(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "-5s", "1.5s", "5 s", "s", "5x", "99999999999999s"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "500ms"), (90, "1m30s"), (14405, "4h5s"), (86400, "1d")]
)
def test_seconds_are_shown_as_a_person_writes_them(seconds: float, text: str) -> None:
    assert show(seconds) == text
