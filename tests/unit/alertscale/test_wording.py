"""Numbers, times and foreign text as a person reads them."""

from datetime import UTC

import pytest

from alertscale.wording import Times, clean, count, duration, listed

AT = 1_795_407_411.0
TIMES = Times(now=AT, zone=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (0.44, "0.4 s"), (1, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (80, "1 min 20 s"),
        (3600, "1 h"), (7500, "2 h 5 min"), (86400 * 3, "3 d"), (86400 + 7200, "1 d 2 h"),
    ],
)  # fmt: skip
def test_a_duration_is_rounded_to_what_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_shown_beside_now() -> None:
    assert TIMES.ago(AT - 4) == "4 s ago"
    assert TIMES.ago(AT + 4) == "0.0 s ago"
    assert TIMES.until(AT + 4) == "in 4 s (04:16:55 UTC)"
    assert TIMES.until(AT) == "now"
    assert TIMES.at(AT) == "2026-11-23 04:16:51 UTC"
    assert TIMES.zone_name == "UTC"


def test_words_and_counts_are_as_in_a_sentence() -> None:
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
    assert [count(1, "replica"), count(2, "replica")] == ["1 replica", "2 replicas"]


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "a\rb", "\x9b2J", "\u202eabc", "\x00"])
def test_nothing_foreign_commands_the_terminal(text: str) -> None:
    assert clean(text).isprintable()
    assert clean("Läuft, 83 %") == "Läuft, 83 %"
