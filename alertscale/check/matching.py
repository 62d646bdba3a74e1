"""Alertmanager's matchers, against labels of which not everything is known. Pure."""

import json
import re
import warnings
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property
from typing import Final

from alertscale.check.labelflow import Values

_MATCHER: Final = re.compile(
    r"""\s*(?P<label>"(?:[^"\\]|\\.)*"|[^\s"=!~{},]+)\s*(?P<operator>=~|!~|!=|=)\s*"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|[^",{}]*)\s*""",
    re.DOTALL,
)


class Operator(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class Verdict(Enum):
    """Whether labels match."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


@dataclass(frozen=True)
class Matcher:
    """One condition on one label.

    Attributes:
        label: its name.
        operator: how it compares.
        value: a text, or a regular expression for the whole of the label's value.
    """

    label: str
    operator: Operator
    value: str

    def judge(self, values: Values) -> Verdict:
        """Whether a label with one of these values matches; None stands for any value."""
        if values is None or not values:
            return Verdict.MAYBE
        verdicts = {self._judge_one(value) for value in values}
        return verdicts.pop() if len(verdicts) == 1 else Verdict.MAYBE

    def _judge_one(self, value: str) -> Verdict:
        if self.operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
            matches = value == self.value
        elif self._pattern is None:
            return Verdict.MAYBE
        else:
            matches = self._pattern.fullmatch(value) is not None
        wanted = self.operator in {Operator.EQUAL, Operator.REGEX}
        return Verdict.YES if matches == wanted else Verdict.NO

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        try:
            with warnings.catch_warnings():
                # Python warns of what may mean something else in a later Python; RE2 means it as it stands.
                warnings.simplefilter("ignore")
                return re.compile(self.value)
        except (re.error, OverflowError, RecursionError):
            return None


def parse(text: str) -> tuple[Matcher, ...]:
    """Read matchers as Alertmanager writes them.

    Args:
        text: such as ``scale=~"up|down"``, or several with commas, perhaps within braces.

    Raises:
        ValueError: the text is of another form.
    """
    rest = text.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1]
    result: list[Matcher] = []
    at = 0
    while at < len(rest) or not result:
        found = _MATCHER.match(rest, at)
        end = found.end() if found else at
        if not found or (end < len(rest) and rest[end] != ","):
            raise ValueError('matchers such as scale="up" or scale=~"up|down"')
        result.append(
            Matcher(
                label=_unquoted(found["label"]),
                operator=Operator(found["operator"]),
                value=_unquoted(found["value"].rstrip()),
            )
        )
        at = end + 1
    return tuple(result)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        # An escape that JSON does not have, as in "\d": Alertmanager reads it as it stands.
        return text[1:-1]
