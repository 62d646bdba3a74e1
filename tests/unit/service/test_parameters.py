"""A number in a query string is inside its bounds or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.parameters import BadParameterError, Parameter

MS = Parameter(name="ms", default=50, low=0, high=100, unit="milliseconds")


def test_an_absent_parameter_has_its_default() -> None:
    assert MS.read({}) == 50


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("100", 100), ("2.5", 2.5)])
def test_both_bounds_are_inside(text: str, value: float) -> None:
    assert MS.read({"ms": text}) == value


@pytest.mark.parametrize("text", ["-0.1", "100.1", "nan", "inf", "1e999", "", "x", "9" * 5000])
def test_anything_else_is_refused_with_name_value_and_range(text: str) -> None:
    with pytest.raises(BadParameterError) as caught:
        MS.read({"ms": text})
    assert caught.value.parameter == "ms"
    assert caught.value.value == text[:100]
    assert caught.value.allowed == "a number from 0 to 100 (milliseconds)"


@given(st.text())
def test_no_text_gets_past_the_bounds(text: str) -> None:
    try:
        value = MS.read({"ms": text})
    except BadParameterError:
        return
    assert 0 <= value <= 100
