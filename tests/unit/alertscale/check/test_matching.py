from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertscale.check.matching import Matcher, Operator, Verdict, parse


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('scale="up"', [("scale", "=", "up")]),
        ('scale=~"up|down"', [("scale", "=~", "up|down")]),
        ("scale != up", [("scale", "!=", "up")]),
        ('{a="b", c!~"d,e"}', [("a", "=", "b"), ("c", "!~", "d,e")]),
        ('a="b",c="d"', [("a", "=", "b"), ("c", "=", "d")]),
        ('"a b"="c\\"d"', [("a b", "=", 'c"d')]),
        ('a=~"\\d+"', [("a", "=~", "\\d+")]),
        ("a=", [("a", "=", "")]),
    ],
)
def test_matchers_are_read_as_alertmanager_writes_them(
    text: str, matchers: list[tuple[str, str, str]]
) -> None:
    assert [(m.label, m.operator, m.value) for m in parse(text)] == matchers


@pytest.mark.parametrize("text", ["", "scale", "=x", 'a="b" c="d"', 'a="b', "{}"])
def test_what_is_no_matcher_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="matchers such as"):
        parse(text)


@pytest.mark.parametrize(
    ("operator", "values", "verdict"),
    [
        ("=", {"x"}, Verdict.YES),
        ("=", {"xy"}, Verdict.NO),
        ("!=", {"y"}, Verdict.YES),
        ("=~", {"x"}, Verdict.YES),
        ("=~", {"xy"}, Verdict.NO),
        ("!~", {""}, Verdict.YES),
        ("=", {"x", "y"}, Verdict.MAYBE),
        ("=", None, Verdict.MAYBE),
    ],
)
def test_a_matcher_is_sure_only_if_every_value_agrees(
    operator: str, values: set[str] | None, verdict: Verdict
) -> None:
    known = None if values is None else frozenset(values)

    assert Matcher("label", Operator(operator), "x").judge(known) is verdict


def test_a_pattern_that_cannot_be_read_is_never_sure() -> None:
    assert Matcher("label", Operator.REGEX, "(").judge(frozenset({"x"})) is Verdict.MAYBE


@given(st.text(alphabet='ab"\\=!~,{} '))
def test_any_text_is_matchers_or_an_error_of_value(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text)
