"""From rule files to alerts and records. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import promql_parser as promql

from alertscale.check import expressions
from alertscale.check.findings import Finding, Place, Rule, finding
from alertscale.check.labelflow import ABSENT, Values, union, values
from alertscale.check.reading import Duration, Text, duration, tables, unexpected
from alertscale.check.tree import Node
from scaler.model.reasons import Direction

WATCHDOG = "Watchdog"
"""The alert that always fires; without it the scaler removes no replica."""


@dataclass(frozen=True, kw_only=True)
class Expression:
    """An expression and what the parser makes of it.

    Attributes:
        tree: None if it cannot be read.
        place: where it is written.
    """

    tree: promql.Expr | None
    place: Place


@dataclass(frozen=True, kw_only=True)
class Record:
    """A recording rule.

    Attributes:
        name: of the series that it makes.
        expression: what it records.
        labels: that it adds; a value of None comes from a template.
        interval: seconds between two samples; None for the global one.
    """

    name: str
    expression: Expression
    labels: Mapping[str, Text]
    interval: float | None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alerting rule.

    Attributes:
        name: of the alert.
        place: where it begins.
        expression: what it fires on.
        labels: that it adds; a value of None comes from a template.
        wait: ``for``; None if it fires at once.
        keep: ``keep_firing_for``; None if it ends at once.
    """

    name: str
    place: Place
    expression: Expression
    labels: Mapping[str, Text]
    wait: Duration | None
    keep: Duration | None

    @property
    def scales(self) -> bool:
        """Whether it asks for steps."""
        return "scale" in self.labels

    @property
    def is_for_the_scaler(self) -> bool:
        """Whether the scaler needs it: it asks for steps, or proves that alerts arrive."""
        asks = self.direction is not None or (self.scales and self.labels["scale"].value is None)
        return asks or self.name == WATCHDOG

    @cached_property
    def direction(self) -> Direction | None:
        """Which steps it asks for; None if that cannot be known, or is neither up nor down."""
        word = self.labels["scale"].value if self.scales else None
        return Direction(word) if word in set(Direction) else None

    @property
    def resource(self) -> str | None:
        """Of which resource; None if that cannot be known."""
        return self.labels["resource"].value if "resource" in self.labels else None


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """All rules of all files.

    Attributes:
        alerts: in the order of the files.
        records: by the name of the series; several rules may make one.
        external_labels: what Prometheus adds to an alert that lacks them.
        place: of the first file; of what names them, if there is none.
        partial: a file could not be read, so nothing can be said to be missing.
    """

    place: Place
    partial: bool = False
    alerts: tuple[Alert, ...] = ()
    records: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    external_labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _flow(self) -> _Flow:
        return _Flow(self.records)

    @cached_property
    def _known(self) -> dict[tuple[int, str], Values]:
        return {}

    def values(self, alert: Alert, label: str) -> Values:
        """The values that a label of an alert can have when it reaches Alertmanager."""
        # Each rule asks for every alert again, and for some of each service.
        key = (id(alert), label)
        if key not in self._known:
            self._known[key] = self._values(alert, label)
        return self._known[key]

    def _values(self, alert: Alert, label: str) -> Values:
        found = self._own_values(alert, label)
        if found is None or "" not in found:
            return found
        return (found - ABSENT) | {self.external_labels.get(label, "")}

    def _own_values(self, alert: Alert, label: str) -> Values:
        if label == "alertname":
            return frozenset({alert.name})
        if label in alert.labels:
            text = alert.labels[label].value
            return None if text is None else frozenset({text})
        tree = alert.expression.tree
        try:
            return None if tree is None else values(tree, label, self._flow)
        except RecursionError:
            # A very long chain of records: nothing is known of it.
            return None


class _Flow:
    """Follows labels through recording rules, each once."""

    def __init__(self, records: Mapping[str, tuple[Record, ...]]) -> None:
        self._records = records
        self._known: dict[tuple[str, str], Values] = {}

    def values(self, record: str, label: str) -> Values:
        if record not in self._records:
            return None
        key = (record, label)
        if key not in self._known:
            # A record that is made from itself: nothing is known of it.
            self._known[key] = None
            self._known[key] = union(*(self._of_rule(rule, label) for rule in self._records[record]))
        return self._known[key]

    def _of_rule(self, record: Record, label: str) -> Values:
        if label in record.labels:
            text = record.labels[label].value
            return None if text is None else frozenset({text})
        return None if record.expression.tree is None else values(record.expression.tree, label, self)


def read_rules(
    documents: Sequence[Node],
    *,
    place: Place,
    external_labels: Mapping[str, str],
    partial: bool,
    findings: list[Finding],
) -> RuleSet:
    """Read rule files.

    Args:
        documents: one for each file.
        place: of what names them, where there is none.
        external_labels: of ``prometheus.yml``.
        partial: there are more files, which could not be read.
        findings: what is not of the form of a rule file, or no PromQL, is added here.

    Returns:
        The rules that could be read.
    """
    reader = _Reader(findings=findings)
    alerts: list[Alert] = []
    records: dict[str, tuple[Record, ...]] = {}
    for document in documents:
        for group in tables(document, "groups", findings=findings):
            interval = duration(group, "interval", findings=findings)
            shared = reader.labels(group)
            for rule in tables(group, "rules", findings=findings):
                if (alert := reader.alert(rule, shared)) is not None:
                    alerts.append(alert)
                elif (record := reader.record(rule, shared, interval)) is not None:
                    records[record.name] = (*records.get(record.name, ()), record)
    return RuleSet(
        place=documents[0].place if documents else place,
        partial=partial,
        alerts=tuple(alerts),
        records=records,
        external_labels=external_labels,
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    findings: list[Finding]

    def alert(self, rule: Node, shared: Mapping[str, Text]) -> Alert | None:
        name = rule.word("alert")
        if not name:
            return None
        return Alert(
            name=name,
            place=rule.place,
            expression=self._expression(rule, name),
            labels={**shared, **self.labels(rule)},
            wait=duration(rule, "for", findings=self.findings),
            keep=duration(rule, "keep_firing_for", findings=self.findings),
        )

    def record(self, rule: Node, shared: Mapping[str, Text], interval: Duration | None) -> Record | None:
        name = rule.word("record")
        if not name:
            self.findings.append(
                unexpected(rule, "a rule has neither alert nor record", "give it a name with one of the two")
            )
            return None
        return Record(
            name=name,
            expression=self._expression(rule, name),
            labels={**shared, **self.labels(rule)},
            interval=interval.seconds if interval else None,
        )

    def _expression(self, rule: Node, name: str) -> Expression:
        node = rule.get("expr")
        place = node.place if node else rule.place
        try:
            tree = expressions.parse((node.text if node else None) or "")
        except ValueError as error:
            self.findings.append(
                finding(
                    Rule.UNREADABLE_EXPRESSION,
                    place,
                    f"the expression of {name} cannot be read ({error}), so nothing else of it is checked",
                    "try it with promtool check rules, which knows the newest PromQL",
                )
            )
            return Expression(tree=None, place=place)
        return Expression(tree=tree, place=place)

    def labels(self, holder: Node) -> dict[str, Text]:
        """Those of a rule, or of a group, which all of its rules have unless they say otherwise."""
        node = holder.get("labels")
        if node is None:
            return {}
        if node.form != "a mapping":
            self.findings.append(unexpected(node, f"labels is {node.form}", "write it as a mapping"))
        return {
            name: Text(value=None if "{{" in (value.text or "") else value.text or "", place=value.place)
            for name, value in node.entries.items()
            if name != "alertname"
        }
