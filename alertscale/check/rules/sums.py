"""Sums over replicas, and each replica by itself, where a mean is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import promql_parser as promql

from alertscale.check.expressions import (
    COMPARISONS,
    bare,
    children,
    equals,
    name_of,
    number,
    thresholds,
    walk,
)
from alertscale.check.findings import Found
from alertscale.check.labelflow import KEEP_LABELS, is_scalar
from alertscale.check.promrules import RuleSet
from alertscale.check.setup import Setup
from scaler.model.reasons import Direction

_REPLICA_LABELS: Final = frozenset(
    {"name", "instance", "id", "container", "container_name", "container_id", "pod"}
)
"""Labels that tell one replica from another: a sum that keeps one of them is not over replicas."""
_OF_A_CONTAINER: Final = frozenset({"name", "id", "container", "container_name", "container_id", "pod"})
"""Of these, those that tell containers apart; `instance` is that of who measures all of them."""
_MEASURED: Final = "container_"
"""What the metrics of containers begin with."""
_BELOW: Final = frozenset({"<", "<="})
_TURN: Final = frozenset({"-", "/"})
"""With a number on the left, what grows becomes what falls."""
_MEDIAN: Final = 0.5
"""A quantile below it is decided by the few that are lowest."""
_NO_SUMS: Final = frozenset({"histogram_quantile", "absent", "absent_over_time"})
"""Functions whose value is no sum, even of series that are sums."""


def sum_not_average(setup: Setup) -> Iterator[Found]:
    """A measurement that one more replica does not lower."""
    for alert in setup.scaling:
        tree = alert.expression.tree
        if setup.rules and tree is not None and is_sum_over_replicas(tree, setup.rules):
            yield Found(
                alert.expression.place,
                f"{alert.name} compares a sum over all replicas, which one more or fewer does not change",
                "take avg instead of sum, or divide by the number of replicas or by the sum of their limits",
            )


def down_per_replica(setup: Setup) -> Iterator[Found]:
    """A step down that one idle replica asks for while the others are busy."""
    for alert in setup.scaling:
        tree = alert.expression.tree
        if not setup.rules or alert.direction is not Direction.DOWN or tree is None:
            continue
        if is_per_container(tree, setup.rules):
            how = "fires for each container by itself"
        elif is_of_the_idlest(tree, setup.rules):
            how = "looks at the least busy replica alone"
        else:
            continue
        yield Found(
            alert.expression.place,
            f"{alert.name} {how}, so that one idle replica asks for a step down while the others are busy",
            "compare the mean over the replicas: avg by (project, service) (...)",
        )


def is_per_container(expr: promql.Expr, rules: RuleSet) -> bool:
    """Whether an expression surely gives one series for each container."""
    try:
        return _Containers(rules).holds(expr)
    except RecursionError:
        # A very long chain of records: nothing is claimed of it.
        return False


def is_of_the_idlest(expr: promql.Expr, rules: RuleSet) -> bool:
    """Whether an expression surely gives something as soon as one replica is idle enough."""
    try:
        return _idlest_alone(expr, _Idlest(rules))
    except RecursionError:
        # A very long chain of records: nothing is claimed of it.
        return False


def _idlest_alone(expr: promql.Expr, idlest: _Idlest) -> bool:
    expr = bare(expr)
    if isinstance(expr, promql.BinaryExpr) and str(expr.op) == "or":
        return _idlest_alone(expr.lhs, idlest) or _idlest_alone(expr.rhs, idlest)
    if any(isinstance(part, promql.BinaryExpr) and str(part.op) == "unless" for part in walk(expr)):
        # What it excludes may be that another one is busy.
        return False
    for low in (True, False):
        measured = [one.measured for one in thresholds(expr) if (one.operator in _BELOW) == low]
        # A second threshold of the same direction may be that of the mean.
        if measured and all(idlest.holds(one, low=low) for one in measured):
            return True
    return False


class _Idlest:
    """Whether what is measured is one replica's: the lowest of all, or the highest."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._containers = _Containers(rules)
        self._open: set[str] = set()

    def holds(self, expr: promql.Expr, *, low: bool) -> bool:
        match expr:
            case promql.VectorSelector():
                return self._record(name_of(expr), low=low)
            case promql.AggregateExpr():
                return _takes_one(expr, low=low) and self._containers.holds(expr.expr)
            case promql.BinaryExpr() if is_scalar(expr.lhs):
                return self.holds(expr.rhs, low=low != (str(expr.op) in _TURN))
            case promql.BinaryExpr():
                return self.holds(expr.lhs, low=low)
        turned = low != isinstance(expr, promql.UnaryExpr)
        return any(self.holds(child, low=turned) for child in children(expr))

    def _record(self, name: str | None, *, low: bool) -> bool:
        if name is None or name in self._open:
            return False
        self._open.add(name)
        trees = [record.expression.tree for record in self._rules.records.get(name, ())]
        found = any(self.holds(tree, low=low) for tree in trees if tree is not None)
        self._open.remove(name)
        return found


def _takes_one(expr: promql.AggregateExpr, *, low: bool) -> bool:
    op = str(expr.op)
    if op != "quantile":
        return op == ("min" if low else "max")
    share = number(expr.param) if expr.param else None
    return share is not None and (share < _MEDIAN if low else share > _MEDIAN)


class _Containers:
    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._known: dict[str, bool] = {}

    def holds(self, expr: promql.Expr) -> bool:
        match expr:
            case promql.VectorSelector():
                one = any(equals(expr, label) is not None for label in _OF_A_CONTAINER)
                return not one and self._metric(name_of(expr) or "")
            case promql.AggregateExpr():
                return self._aggregate(expr)
            case promql.BinaryExpr():
                return self._binary(expr)
        return any(self.holds(child) for child in children(expr))

    def _metric(self, name: str) -> bool:
        if name not in self._rules.records:
            return name.startswith(_MEASURED)
        if name not in self._known:
            # A record that is made from itself ends here.
            self._known[name] = False
            trees = [record.expression.tree for record in self._rules.records[name]]
            self._known[name] = any(self.holds(tree) for tree in trees if tree is not None)
        return self._known[name]

    def _aggregate(self, expr: promql.AggregateExpr) -> bool:
        if str(expr.op) in KEEP_LABELS:
            return self.holds(expr.expr)
        if expr.modifier is None:
            return False
        listed = bool(_OF_A_CONTAINER & set(expr.modifier.labels))
        by = expr.modifier.type == promql.AggModifierType.By
        return listed == by and self.holds(expr.expr)

    def _binary(self, expr: promql.BinaryExpr) -> bool:
        if str(expr.op) == "or":
            return self.holds(expr.lhs) or self.holds(expr.rhs)
        modifier = expr.modifier
        joined = modifier.matching if modifier and str(expr.op) not in {"and", "unless"} else None
        one_to_one = modifier is not None and modifier.card == promql.VectorMatchCardinality.OneToOne
        if joined is not None and one_to_one and not is_scalar(expr.lhs) and not is_scalar(expr.rhs):
            listed = bool(_OF_A_CONTAINER & set(joined.labels))
            if listed != (joined.type == promql.LabelModifierType.Include):
                return False
        return self.holds(expr.rhs if is_scalar(expr.lhs) else expr.lhs)


def is_sum_over_replicas(expr: promql.Expr, rules: RuleSet) -> bool:
    """Whether what an expression measures is a sum over replicas that nothing divides."""
    try:
        return _Sums(rules).holds(expr)
    except RecursionError:
        # A very long chain of records: nothing is claimed of it.
        return False


class _Sums:
    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._known: dict[str, bool] = {}

    def holds(self, expr: promql.Expr) -> bool:
        match expr:
            case promql.VectorSelector():
                return self._record(name_of(expr))
            case promql.AggregateExpr():
                return _sums_over_replicas(expr) or self.holds(expr.expr)
            case promql.Call():
                return expr.func.name not in _NO_SUMS and any(self.holds(arg) for arg in expr.args)
            case promql.BinaryExpr():
                return self._binary(expr)
        return any(self.holds(child) for child in children(expr))

    def _record(self, name: str | None) -> bool:
        if name is None:
            return False
        if name not in self._known:
            # A record that is made from itself ends here.
            self._known[name] = False
            trees = [record.expression.tree for record in self._rules.records.get(name, ())]
            self._known[name] = any(self.holds(tree) for tree in trees if tree is not None)
        return self._known[name]

    def _binary(self, expr: promql.BinaryExpr) -> bool:
        op = str(expr.op)
        if op in {"and", "unless"}:
            return self.holds(expr.lhs)
        if op == "/":
            return number(expr.rhs) is not None and self.holds(expr.lhs)
        left, right = self.holds(expr.lhs), self.holds(expr.rhs)
        if op in COMPARISONS and number(bare(expr.lhs)) is None and number(bare(expr.rhs)) is None:
            # Two sums compared with each other: neither is compared with a fixed number.
            return left != right
        return left or right


def _sums_over_replicas(expr: promql.AggregateExpr) -> bool:
    if str(expr.op) != "sum":
        return False
    if expr.modifier is None:
        return True
    told_apart = _REPLICA_LABELS & set(expr.modifier.labels)
    is_without: bool = expr.modifier.type == promql.AggModifierType.Without
    return bool(told_apart) == is_without
