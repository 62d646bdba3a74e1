"""Typed readers of a JSON object; what is not as it should be names its place and its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from alertscale.errors import AnswerError

T = TypeVar("T")

_SHOWN: Final = 100
_WAY_OUT: Final = (
    "see that --url or ALERTSCALE_URL is the scaler's address, and that the scaler is of this version:"
    " docker compose up -d --build scaler"
)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a text")


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a whole number")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("a number")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _time(value: object) -> float:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a time with its zone")
    return moment.timestamp()


class Fields:
    """The fields of one JSON object. Every method raises AnswerError.

    Args:
        raw: what should be the object.
        where: the address that answered, and the place within its answer.
    """

    def __init__(self, raw: object, *, where: str) -> None:
        self._where = where
        if not isinstance(raw, dict):
            raise self._wrong("", raw, "an object")
        self.raw: Mapping[str, Any] = raw

    def text(self, name: str) -> str:
        """Return a text."""
        return self._read(name, _text)

    def text_or_none(self, name: str) -> str | None:
        """Return a text, or None for null."""
        return self._or_none(name, _text)

    def whole(self, name: str) -> int:
        """Return a whole number."""
        return self._read(name, _whole)

    def whole_or_none(self, name: str) -> int | None:
        """Return a whole number, or None for null."""
        return self._or_none(name, _whole)

    def number(self, name: str) -> float:
        """Return a number."""
        return self._read(name, _number)

    def number_or_none(self, name: str) -> float | None:
        """Return a number, or None for null."""
        return self._or_none(name, _number)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        return self._read(name, _flag)

    def time(self, name: str) -> float:
        """Return a time, RFC 3339, as seconds since the epoch."""
        return self._read(name, _time)

    def time_or_none(self, name: str) -> float | None:
        """Return a time as seconds since the epoch, or None for null."""
        return self._or_none(name, _time)

    def words(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(self._value(name, one, _text) for one in self._list(name))

    def each(self, name: str) -> tuple[Fields, ...]:
        """Return a list of objects."""
        return tuple(
            Fields(one, where=f"{self._where}.{name}[{n}]") for n, one in enumerate(self._list(name))
        )

    def maybe(self, name: str) -> Fields | None:
        """Return an object, or None for null."""
        value = self._get(name)
        return None if value is None else Fields(value, where=f"{self._where}.{name}")

    def _list(self, name: str) -> list[object]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        return value

    def _get(self, name: str) -> object:
        if name not in self.raw:
            raise AnswerError(f"{self._where}: the answer has no field {name!r}", way_out=_WAY_OUT)
        return self.raw[name]

    def _read(self, name: str, read: Callable[[object], T]) -> T:
        return self._value(name, self._get(name), read)

    def _or_none(self, name: str, read: Callable[[object], T]) -> T | None:
        value = self._get(name)
        return None if value is None else self._value(name, value, read)

    def _value(self, name: str, value: object, read: Callable[[object], T]) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise self._wrong(name, value, str(error)) from error

    def _wrong(self, name: str, value: object, wanted: str) -> AnswerError:
        place = f".{name}" if name else ""
        return AnswerError(
            f"{self._where}{place}: the answer {str(value)[:_SHOWN]!r} is not {wanted}", way_out=_WAY_OUT
        )
