"""Reads JSON into a value; what is not as it should be names its place and its value."""

import re
from typing import Any, Final, TypeVar

import msgspec

from alertscale.errors import AnswerError

T = TypeVar("T", bound=msgspec.Struct)

_SHOWN: Final = 100
_WAY_OUT: Final = (
    "see that --url or ALERTSCALE_URL is the scaler's address, and that the scaler is of this version:"
    " docker compose up -d --build scaler"
)
_EXPECTED: Final = re.compile(r"Expected `(\w+)")
_MISSING: Final = re.compile(r"Object missing required field `(\w+)")
_PLACE: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def read(raw: object, kind: type[T], *, where: str, dec_hook: Any = None) -> T:  # noqa: ANN401 - as msgspec's
    """Read JSON; fields that ``kind`` has not are left aside.

    Args:
        raw: as ``json`` reads it.
        kind: of which shape.
        where: the address that answered, and the place within its answer.
        dec_hook: reads what msgspec does not know, as in ``msgspec.convert``.

    Raises:
        AnswerError: it is of another shape.
    """
    try:
        return msgspec.convert(raw, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        raise _wrong(raw, str(error), where) from error


def _wrong(raw: object, error: str, where: str) -> AnswerError:
    said, _, path = error.partition(" - at `$")
    path = path.rstrip("`")
    value: Any = raw
    for name, number in _PLACE.findall(path):  # as far as msgspec came
        value = value[name or int(number)]
    missing, expected = _MISSING.match(said), _EXPECTED.match(said)
    if missing:
        text = f"{where}{path}: the answer has no field {missing[1]!r}"
    else:
        wanted = _WORDS[expected[1]] if expected else said
        text = f"{where}{path}: the answer {str(value)[:_SHOWN]!r} is not {wanted}"
    return AnswerError(text, way_out=_WAY_OUT)
