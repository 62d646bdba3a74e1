"""What a request's query may hold, read strictly: a value that is not understood is refused by name."""

from collections.abc import Collection, Mapping
from typing import Final

from scaler.model.errors import RequestError

HIGHEST_ID: Final = 2**53
"""Of an event; what a program in a browser can count to."""

_LONGEST_NUMBER: Final = 16
"""Digits of a number in a query."""

_SHOWN: Final = 100


def whole_argument(
    arguments: Mapping[str, str], name: str, *, default: int, lowest: int, highest: int
) -> int:
    """Read a whole number.

    Raises:
        RequestError: it is none, or out of bounds.
    """
    text = arguments.get(name, str(default))
    readable = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    if readable and lowest <= int(text) <= highest:
        return int(text)
    raise RequestError(f"{name}: {text[:_SHOWN]!r} is not a whole number from {lowest} to {highest}")


def word_argument(arguments: Mapping[str, str], name: str, *, default: str, words: Collection[str]) -> str:
    """Read a word of a closed list.

    Raises:
        RequestError: it is not on the list.
    """
    text = arguments.get(name, default)
    if text in words:
        return text
    raise RequestError(f"{name}: {text[:_SHOWN]!r} is not one of {', '.join(w for w in words if w)}")
