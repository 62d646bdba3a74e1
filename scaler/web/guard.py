"""What a request must carry before anything is done: the bearer token and a body of JSON to change something.

Its query is read strictly: a value that is not understood is refused by name.
"""

import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Final

from flask import request

from scaler.model.errors import RequestError, UnavailableError
from scaler.model.reasons import ErrorReason

_WAY_OUT: Final = "restart the scaler, which makes one: docker compose restart scaler"

_SHOWN: Final = 200
"""Characters of a header that an error message repeats."""

HIGHEST_ID: Final = 2**53
"""Of an event; what a program in a browser can count to."""

_LONGEST_NUMBER: Final = 16
"""Digits of a number in a query."""

_SHOWN_OF_QUERY: Final = 100


class Guard:
    """Lets nobody change anything without the bearer token.

    Args:
        token: reads it, at each request, so that it can be replaced while we run; an OSError or
            UnicodeDecodeError of its, or an empty text, lets nobody change anything.
    """

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def admit(self) -> bytes:
        """Return the body of the present request, which wants to change something.

        Raises:
            RequestError: it has not the token, or its body is not declared as JSON.
            UnavailableError: the token cannot be read.
        """
        right = self._right()
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        # WSGI hands over the header's bytes as Latin-1; anything else was not sent over a wire.
        same = hmac.compare_digest(given.strip().encode("latin-1", "backslashreplace"), right)
        if kind.lower() != "bearer" or not same:
            raise RequestError(
                "this needs the header 'Authorization: Bearer <token>'; read the token with:"
                " docker compose exec scaler cat /run/alertscale/token",
                reason=ErrorReason.UNAUTHORIZED,
            )
        return _json_body()

    def _right(self) -> bytes:
        try:
            right = self._token().strip().encode()
        except (OSError, UnicodeError) as error:
            raise UnavailableError(
                f"the token cannot be read: {error}; {_WAY_OUT}", reason=ErrorReason.NO_TOKEN
            ) from error
        if not right:
            raise UnavailableError(f"the token's file is empty; {_WAY_OUT}", reason=ErrorReason.NO_TOKEN)
        return right


def _json_body() -> bytes:
    if request.mimetype != "application/json":
        kind = request.headers.get("Content-Type", "")[:_SHOWN]
        raise RequestError(f"Content-Type: {kind!r} is not application/json", reason=ErrorReason.NOT_JSON)
    return request.get_data()


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
    raise RequestError(f"{name}: {text[:_SHOWN_OF_QUERY]!r} is not a whole number from {lowest} to {highest}")


def word_argument(arguments: Mapping[str, str], name: str, *, default: str, words: Collection[str]) -> str:
    """Read a word of a closed list.

    Raises:
        RequestError: it is not on the list.
    """
    text = arguments.get(name, default)
    if text in words:
        return text
    raise RequestError(f"{name}: {text[:_SHOWN_OF_QUERY]!r} is not one of {', '.join(w for w in words if w)}")
