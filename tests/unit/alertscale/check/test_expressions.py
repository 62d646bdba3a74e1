from __future__ import annotations

import contextlib

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertscale.check.expressions import number, parse, thresholds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cpu > 0.7", [("cpu", ">", 0.7)]),
        ("cpu > 0.7 and service:replicas:max", [("cpu", ">", 0.7)]),
        ("service:replicas:max and (cpu) < 30 / 100", [("cpu", "<", 0.3)]),
        ("0.7 <= cpu", [("cpu", ">=", 0.7)]),
        ("cpu < -(1 + 2 * 3 - 4)", [("cpu", "<", -3.0)]),
        ("cpu > 0.7 unless cold > 1", [("cpu", ">", 0.7)]),
        ("cpu > 0.7 or hot > 1", []),
        ("cpu > limit", []),
        ("cpu == 1", []),
        ("cpu > bool 2", []),
    ],
)
def test_thresholds_are_the_numbers_that_a_measurement_is_compared_with(
    text: str, found: list[tuple[str, str, float]]
) -> None:
    result = [(t.measured.prettify(), t.operator, round(t.number, 9)) for t in thresholds(parse(text))]

    assert result == found


def test_a_number_is_not_divided_by_zero() -> None:
    assert number(parse("1 / 0")) is None


@pytest.mark.parametrize(
    "text", ["", "(", "rate(x[5m)", "x" * 8001, "1" + "+1" * 500, "1" + "+1" * 100_000, "abs(" * 20_000 + "x"]
)
def test_what_cannot_be_read_is_an_error_and_not_the_end_of_the_process(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


def test_an_assertion_of_the_parser_is_an_error_of_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(_: str) -> None:
        raise PanicException

    monkeypatch.setattr(promql_parser, "parse", panic)

    with pytest.raises(ValueError, match="gave up"):
        parse("x")


def test_an_interrupt_is_not_taken_for_an_expression_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(promql_parser, "parse", interrupt)

    with pytest.raises(KeyboardInterrupt):
        parse("x")


@given(st.text(alphabet="ax1()[]{}+-*/<>=~!,\"' .:smby"))
def test_any_text_is_an_expression_or_an_error_of_value(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text).prettify()
