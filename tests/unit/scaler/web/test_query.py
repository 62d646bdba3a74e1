"""What a query may hold."""

import pytest

from scaler.model.errors import RequestError
from scaler.web.query import whole_argument, word_argument


def test_what_is_not_given_is_the_default() -> None:
    assert whole_argument({}, "limit", default=7, lowest=1, highest=9) == 7
    assert word_argument({}, "range", default="1h", words=("15m", "1h")) == "1h"


def test_what_is_given_is_read() -> None:
    assert whole_argument({"limit": "9"}, "limit", default=7, lowest=1, highest=9) == 9
    assert word_argument({"range": "15m"}, "range", default="1h", words=("15m", "1h")) == "15m"


@pytest.mark.parametrize("text", ["", "0", "10", "-1", "1.5", "ten", "\u0663", "0" * 17])
def test_another_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(RequestError, match=r"^limit: .* is not a whole number from 1 to 9$"):
        whole_argument({"limit": text}, "limit", default=7, lowest=1, highest=9)


def test_another_word_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(RequestError, match=r"^range: '2h' is not one of 15m, 1h$"):
        word_argument({"range": "2h"}, "range", default="1h", words=("15m", "1h"))
