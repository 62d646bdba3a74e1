"""Which values a label can have on the series that an expression gives. Pure.

Values are a frozenset, in which "" stands for a label that is not there; None is any value at all.
"""

from typing import Final, Protocol

import promql_parser as promql

from alertscale.check.expressions import children, equals, name_of, number

Values = frozenset[str] | None
ABSENT: Final[frozenset[str]] = frozenset({""})

KEEP_LABELS: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that give some of their series as they are."""
_SET_LABEL: Final = frozenset({"label_replace", "label_join"})
_ABSENCE: Final = frozenset({"absent", "absent_over_time"})
_WITHOUT_LABELS: Final = frozenset({"vector", "scalar", "time", "pi"})
_ADDS_LABELS: Final = frozenset({"info"})


class Records(Protocol):
    """What is known of the series that recording rules make."""

    def values(self, record: str, label: str) -> Values:
        """The values of a label on a record; None where nothing is known of it."""


def union(*several: Values) -> Values:
    """All values of several."""
    known = [values for values in several if values is not None]
    return frozenset().union(*known) if len(known) == len(several) else None


def values(expr: promql.Expr, label: str, records: Records) -> Values:
    """The values that a label can have on what an expression gives."""
    match expr:
        case promql.NumberLiteral() | promql.StringLiteral():
            return ABSENT
        case promql.VectorSelector():
            return _of_selector(expr, label, records)
        case promql.AggregateExpr():
            return _of_aggregate(expr, label, records)
        case promql.Call():
            return _of_call(expr, label, records)
        case promql.BinaryExpr():
            return _of_binary(expr, label, records)
    inner = children(expr)
    return values(inner[0], label, records) if inner else None


def _of_selector(expr: promql.VectorSelector, label: str, records: Records) -> Values:
    demanded, name = equals(expr, label), name_of(expr)
    if expr.matchers.or_matchers:
        return None
    if demanded is not None:
        return frozenset({demanded})
    return None if name is None else records.values(name, label)


def _of_aggregate(expr: promql.AggregateExpr, label: str, records: Records) -> Values:
    op = str(expr.op)
    if op == "count_values" and isinstance(expr.param, promql.StringLiteral) and expr.param.val == label:
        return None
    inner = values(expr.expr, label, records)
    if op in KEEP_LABELS:
        return inner
    if expr.modifier is None:
        return ABSENT
    listed = label in expr.modifier.labels
    return inner if listed == (expr.modifier.type == promql.AggModifierType.By) else ABSENT


def _of_call(expr: promql.Call, label: str, records: Records) -> Values:
    name, args = expr.func.name, list(expr.args)
    if name in _WITHOUT_LABELS or name in _ADDS_LABELS:
        return ABSENT if name in _WITHOUT_LABELS else None
    if name in _ABSENCE:
        selector = _selector(args[0]) if args else None
        demanded = equals(selector, label) if selector else None
        return ABSENT if demanded is None else frozenset({demanded})
    if name in _SET_LABEL and len(args) > 1 and getattr(args[1], "val", None) == label:
        return None
    series = [arg for arg in args if not is_scalar(arg)]
    return values(series[0], label, records) if series else ABSENT


def _selector(expr: promql.Expr) -> promql.VectorSelector | None:
    if isinstance(expr, promql.MatrixSelector):
        return expr.vector_selector
    return expr if isinstance(expr, promql.VectorSelector) else None


def is_scalar(expr: promql.Expr) -> bool:
    """Whether an expression gives a number or a text, and no series."""
    if isinstance(expr, promql.StringLiteral) or number(expr) is not None:
        return True
    if isinstance(expr, promql.Call):
        return expr.func.name in {"scalar", "time", "pi"}
    if isinstance(expr, (promql.ParenExpr, promql.UnaryExpr, promql.BinaryExpr)):
        return all(is_scalar(child) for child in children(expr))
    return False


def _of_binary(expr: promql.BinaryExpr, label: str, records: Records) -> Values:
    left, right = (values(side, label, records) for side in (expr.lhs, expr.rhs))
    op = str(expr.op)
    if op == "or":
        return union(left, right)
    if op in {"and", "unless"} or is_scalar(expr.rhs):
        return left
    if is_scalar(expr.lhs):
        return right
    return _of_join(expr.modifier, label, left=left, right=right)


def _of_join(modifier: promql.BinModifier | None, label: str, *, left: Values, right: Values) -> Values:
    if modifier is None:
        return left
    for cardinality, side in (
        (promql.VectorMatchCardinality.ManyToOne, left),
        (promql.VectorMatchCardinality.OneToMany, right),
    ):
        if modifier.card == cardinality:
            return None if label in (modifier.group_labels or ()) else side
    if modifier.matching is None:
        return left
    listed = label in modifier.matching.labels
    return left if listed == (modifier.matching.type == promql.LabelModifierType.Include) else ABSENT
