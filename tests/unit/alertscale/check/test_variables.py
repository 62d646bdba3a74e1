from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertscale.check.variables import interpolate

GIVEN = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$$SET", "$SET"),
        ("a $SET b", "a value b"),
        ("${SET}", "value"),
        ("${SET:-other}", "value"),
        ("${MISSING:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${MISSING:-}", ""),
        ("${MISSING:-${SET}/x}", "value/x"),
        ("${MISSING:-${ALSO:-deep}}!", "deep!"),
        ("${SET:+there}", "there"),
        ("${EMPTY:+there}", ""),
        ("${MISSING+there}", ""),
        ("${SET:?needed}", "value"),
    ],
)
def test_a_variable_is_replaced_as_compose_does(text: str, result: str) -> None:
    assert interpolate(text, variables=GIVEN) == result


@pytest.mark.parametrize(
    "text", ["$MISSING", "${MISSING}", "${MISSING:?needed}", "${SET", "$1", "${}", "${SET!x}", "ends in $"]
)
def test_what_cannot_be_known_is_not_guessed(text: str) -> None:
    assert interpolate(text, variables=GIVEN) is None


@pytest.mark.parametrize("text", ["$SET", "${SET}", "${SET:-other}", "${SET+there}", "a ${SET-} b"])
def test_without_the_variables_at_hand_a_default_is_no_answer(text: str) -> None:
    assert interpolate(text, variables=None) is None
    assert interpolate("$$5 and no more", variables=None) == "$5 and no more"


@given(st.text(alphabet="${}:-+?AB "), st.dictionaries(st.sampled_from("AB"), st.text(max_size=3)))
def test_no_text_raises(text: str, variables: dict[str, str]) -> None:
    assert isinstance(interpolate(text, variables=variables), str | None)
