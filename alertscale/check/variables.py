"""Compose's ``${VARIABLE:-default}`` in a text, and ``.env``. Pure: the variables are passed in."""

import io
import re
from collections.abc import Mapping
from typing import Final

from dotenv.parser import parse_stream

_START: Final = re.compile(r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|(?P<brace>\{))", re.ASCII)
_INSIDE: Final = re.compile(
    r"(?P<name>[A-Za-z_]\w*)(?:(?P<operator>:?[-+?])(?P<argument>.*))?", re.ASCII | re.DOTALL
)
_DEEPEST: Final = 20
"""Defaults within defaults."""


class _Unknown(Exception):  # noqa: N818 - a signal within this module
    """The text needs a variable that nobody gave, or cannot be read."""


def interpolate(text: str, *, variables: Mapping[str, str] | None) -> str | None:
    """Put variables into a text as Compose does.

    Args:
        text: such as ``${PORT:-8080}:80``; ``$$`` is a dollar sign.
        variables: of the environment and of ``.env``; None if they are not at hand.

    Returns:
        The text; None if it needs a variable that is neither given nor has a default, or cannot be read;
        without the variables at hand also where there is a default, which one of them may replace.
    """
    try:
        return _interpolated(text, variables, depth=0)
    except _Unknown:
        return None


def _interpolated(text: str, variables: Mapping[str, str] | None, *, depth: int) -> str:
    if depth > _DEEPEST:
        raise _Unknown
    parts, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        found = _START.match(text, dollar)
        if not found:
            raise _Unknown
        parts.append(text[at:dollar])
        at = found.end()
        if found["dollar"]:
            parts.append("$")
        elif variables is None:
            raise _Unknown
        elif found["plain"]:
            parts.append(_given(found["plain"], variables))
        else:
            end = _closing(text, at)
            parts.append(_braced(text[at:end], variables, depth=depth))
            at = end + 1
    return "".join([*parts, text[at:]])


def _braced(inside: str, variables: Mapping[str, str], *, depth: int) -> str:
    found = _INSIDE.fullmatch(inside)
    if not found:
        raise _Unknown
    name, operator, argument = found["name"], found["operator"] or "", found["argument"] or ""
    # With a colon, an empty value counts as none.
    there = bool(variables.get(name)) if operator.startswith(":") else name in variables
    if operator.endswith("-") and not there:
        return _interpolated(argument, variables, depth=depth + 1)
    if operator.endswith("+"):
        return _interpolated(argument, variables, depth=depth + 1) if there else ""
    if operator.endswith("?") and not there:
        raise _Unknown
    return _given(name, variables)


def _given(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise _Unknown
    return variables[name]


def _closing(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
        if depth == 0:
            return at
        at += 1
    raise _Unknown


def read_env(text: str, *, above: Mapping[str, str]) -> dict[str, str]:
    """Read a file of variables as Compose reads ``.env``.

    Args:
        text: lines of ``NAME=value``; what is not in single quotes may name other variables.
        above: those that go before them; a line with a name alone takes its value from here.

    Returns:
        The variables of the file alone.
    """
    found: dict[str, str] = {}
    for line in parse_stream(io.StringIO(text)):
        if line.key is None or line.value is None:
            continue
        quoted = line.original.string.partition("=")[2].lstrip().startswith("'")
        known = None if quoted else interpolate(line.value, variables={**found, **above})
        found[line.key] = line.value if known is None else known
    return found
