"""The closed lists of words (reasons, outcomes, kinds), each with what the code says that it means."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from alertscale.errors import MEANINGS
from exporter.errors import Reason
from scaler.model.reasons import (
    HTTP_STATUS,
    AlertResult,
    DecisionReason,
    ErrorReason,
    EventKind,
    IgnoredReason,
    Light,
    Outcome,
    Pause,
    Phase,
    ReloadOutcome,
    ReplicaState,
)
from tools.lookup.filling import Makers
from tools.markdown import code, table

_WAY_OUT: Final = "Way out: "
_IN_PROGRAM = 500


@dataclass(frozen=True, kw_only=True)
class Word:
    """A member of an enumeration.

    Attributes:
        word: its value.
        meaning: what the string below it says.
        way_out: what follows "Way out:" there; empty where there is none.
    """

    word: str
    meaning: str
    way_out: str


def words(enumeration: type[StrEnum]) -> tuple[Word, ...]:
    """Read the members of an enumeration with the strings below them.

    Raises:
        ValueError: a member has no such string.
    """
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(enumeration))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
    told = {target.id: text for target, _, text in told_below(tree.body) if isinstance(target, ast.Name)}
    missing = [member.name for member in enumeration if member.name not in told]
    if missing:
        raise ValueError(
            f"{enumeration.__module__}.{enumeration.__name__}: nothing says what {', '.join(missing)} means. "
            "Way out: put a string below it"
        )
    return tuple(_word(member.value, told[member.name]) for member in enumeration)


def told_below(body: list[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr | None, str]]:
    """Yield each name that is given a value with a string right below: the name, the value, what is told."""
    for statement, text in pairwise(body):
        match statement, text:
            case (
                ast.Assign(targets=[name], value=value) | ast.AnnAssign(target=name, value=value),
                ast.Expr(value=ast.Constant(value=str(told))),
            ):
                yield name, value, " ".join(told.split())


def _word(word: str, text: str) -> Word:
    meaning, _, way_out = text.partition(_WAY_OUT)
    return Word(word=word, meaning=meaning.strip(), way_out=way_out[:1].upper() + way_out[1:])


def error_reasons() -> str:
    """The table of ErrorReason."""
    status = {str(reason): str(code) for reason, code in HTTP_STATUS.items()} | {"internal": str(_IN_PROGRAM)}
    rows = [(code(w.word), status.get(w.word, ""), w.meaning, w.way_out) for w in words(ErrorReason)]
    return table(("reason", "HTTP", "meaning", "who can mend it, and how"), rows)


def exits() -> str:
    """The table of the command line's exit codes."""
    rows = [(str(int(exit_)), code(exit_.name.lower()), meaning) for exit_, meaning in MEANINGS.items()]
    return table(("code", "name", "meaning"), rows)


def _plain(head: str, enumeration: type[StrEnum]) -> Callable[[], str]:
    return lambda: table((head, "meaning"), [(code(w.word), w.meaning) for w in words(enumeration)])


MAKERS: Final[Makers] = {
    "error-reasons": error_reasons,
    "decision-reasons": _plain("reason", DecisionReason),
    "alert-results": _plain("result", AlertResult),
    "ignored-reasons": _plain("reason", IgnoredReason),
    "event-kinds": _plain("kind", EventKind),
    "outcomes": _plain("outcome", Outcome),
    "phases": _plain("phase", Phase),
    "reload-outcomes": _plain("outcome", ReloadOutcome),
    "replica-states": _plain("state", ReplicaState),
    "lights": _plain("light", Light),
    "pauses": _plain("pause", Pause),
    "exporter-reasons": _plain("reason", Reason),
    "exits-of-the-command-line": exits,
}
"""Each block of docs/errors.md that is made from an enumeration."""
