"""What can be told of a PromQL expression without any data. Pure.

The grammar is promql-parser's; what follows from it is a reading of Prometheus' rules on labels, good
enough to say what is surely wrong. docs/check.md states its limits.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import promql_parser as promql

_LONGEST: Final = 8000
"""Characters; the parser, in native code, ends the process on a text that nests some ten thousand deep."""
_DEEPEST: Final = 100
"""Of the tree, so that reading it does not exhaust Python's stack."""

COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "==", "!="})
_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_MIRRORED: Final = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A comparison of a measurement with a number.

    Attributes:
        measured: what is measured.
        operator: ``>``, ``>=``, ``<`` or ``<=``, with the number on its right.
        number: the threshold.
    """

    measured: promql.Expr
    operator: str
    number: float


def parse(text: str) -> promql.Expr:
    """Read an expression.

    Raises:
        ValueError: it is no PromQL that the parser knows, or is too long or too deep to look into.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    try:
        tree: promql.Expr = promql.parse(text)
    except BaseException as error:
        # The parser is native code; its assertions come as a BaseException that has no public name.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("the parser gave up on it") from error
    if _deeper(tree, _DEEPEST):
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    return tree


def _deeper(tree: promql.Expr, limit: int) -> bool:
    level: list[promql.Expr] = [tree]
    for _ in range(limit):
        level = [child for expr in level for child in children(expr)]
        if not level:
            return False
    return True


def children(expr: promql.Expr) -> tuple[promql.Expr, ...]:
    """The expressions that an expression is made of."""
    match expr:
        case promql.AggregateExpr() | promql.UnaryExpr() | promql.ParenExpr() | promql.SubqueryExpr():
            return (expr.expr,)
        case promql.BinaryExpr():
            return (expr.lhs, expr.rhs)
        case promql.MatrixSelector():
            return (expr.vector_selector,)
        case promql.Call():
            return tuple(expr.args)
    return ()


def walk(expr: promql.Expr) -> Iterator[promql.Expr]:
    """An expression and all that it is made of."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def bare(expr: promql.Expr) -> promql.Expr:
    """The expression without parentheses around it."""
    while isinstance(expr, promql.ParenExpr):
        expr = expr.expr
    return expr


def number(expr: promql.Expr) -> float | None:
    """The value of an expression of bare numbers; None for any other."""
    expr = bare(expr)
    if isinstance(expr, promql.NumberLiteral):
        return float(expr.val)
    if isinstance(expr, promql.UnaryExpr):
        inner = number(expr.expr)
        return None if inner is None else -inner
    if isinstance(expr, promql.BinaryExpr) and str(expr.op) in _ARITHMETIC:
        left, right = number(expr.lhs), number(expr.rhs)
        if left is not None and right is not None and (right or str(expr.op) != "/"):
            return _ARITHMETIC[str(expr.op)](left, right)
    return None


def thresholds(expr: promql.Expr) -> Iterator[Threshold]:
    """The comparisons with a number that must hold for the expression to give something."""
    expr = bare(expr)
    if not isinstance(expr, promql.BinaryExpr):
        return
    if str(expr.op) == "and":
        yield from thresholds(expr.lhs)
        yield from thresholds(expr.rhs)
    elif str(expr.op) == "unless":
        yield from thresholds(expr.lhs)
    elif str(expr.op) in _MIRRORED and not (expr.modifier and expr.modifier.return_bool):
        left, right = number(expr.lhs), number(expr.rhs)
        if right is not None and left is None:
            yield Threshold(measured=bare(expr.lhs), operator=str(expr.op), number=right)
        elif left is not None and right is None:
            yield Threshold(measured=bare(expr.rhs), operator=_MIRRORED[str(expr.op)], number=left)


def name_of(selector: promql.VectorSelector) -> str | None:
    """The metric that a selector asks for; None if a pattern stands for its name."""
    return selector.name or equals(selector, "__name__")


def equals(selector: promql.VectorSelector, label: str) -> str | None:
    """The value that a selector demands of a label; None if it demands no single one."""
    for matcher in selector.matchers.matchers:
        if matcher.name == label and matcher.op == promql.MatchOp.Equal:
            return matcher.value
    return None
