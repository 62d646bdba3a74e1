"""The thresholds as they stand in Prometheus' rules, read out of what its API says of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scaler.model.reasons import Direction
from scaler.model.services import ServiceKey

_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Prometheus writes a rule's expression anew, in one form: metric, selector, comparison, number.
_COMPARISON: Final = re.compile(
    rf"^\s*(?P<metric>[a-zA-Z_:][\w:]*)\s*(?P<selector>\{{[^{{}}]*\}})?\s*(?P<operator>[<>]=?)\s*(?P<value>{_NUMBER})"
    r"\s*(?:$|\)|and\b|unless\b)"
)
_EXACT: Final = re.compile(r'(\w+)="([^"\\]*)"')


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A series compared with a number.

    Attributes:
        metric: the name of the series.
        selector: which of them, in braces; empty for all.
        operator: how: ``>``, ``>=``, ``<`` or ``<=``.
        value: the number.
    """

    metric: str
    selector: str
    operator: str
    value: float

    @property
    def series(self) -> str:
        """Name and selector."""
        return self.metric + self.selector


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What an alert that scales compares with.

    Attributes:
        alertname: its name.
        direction: what it asks for.
        resource: of which resource.
        comparison: what its expression begins with; None if that is not a series compared with a number.
        expression: as Prometheus writes it.
        seconds: how long it must hold.
        only: the service or project that it is about; empty for all.
    """

    alertname: str
    direction: Direction
    resource: str
    comparison: Comparison | None
    expression: str
    seconds: float
    only: Mapping[str, str]

    @property
    def metric(self) -> str:
        """The series that is compared; empty without a comparison."""
        return self.comparison.metric if self.comparison else ""

    @property
    def operator(self) -> str:
        """How it is compared; empty without a comparison."""
        return self.comparison.operator if self.comparison else ""

    @property
    def value(self) -> float | None:
        """The number; None without a comparison."""
        return self.comparison.value if self.comparison else None

    def is_about(self, service: ServiceKey) -> bool:
        """Whether it may concern a service."""
        project, name = service
        return self.only.get("project", project) == project and self.only.get("service", name) == name


def read_thresholds(rules: object) -> tuple[Threshold, ...]:
    """Read every alert that carries ``scale``.

    Args:
        rules: ``data`` of Prometheus' ``/api/v1/rules``; what is not of its form is passed over.

    Returns:
        One for each, in the order of the rules.
    """
    return tuple(found for rule in each_rule(rules) for found in _threshold(rule))


def each_rule(document: object) -> Iterator[Mapping[str, Any]]:
    """Go through ``data`` of Prometheus' ``/api/v1/rules``; what is not of its form is passed over."""
    groups = document.get("groups") if isinstance(document, dict) else None
    for group in groups if isinstance(groups, list) else ():
        rules = group.get("rules") if isinstance(group, dict) else None
        yield from (rule for rule in rules or () if isinstance(rule, dict))


def _threshold(rule: Mapping[str, Any]) -> Iterator[Threshold]:
    labels = rule.get("labels") or {}
    if rule.get("type") != "alerting" or labels.get("scale") not in set(Direction):
        return
    expression = str(rule.get("query", ""))
    comparison = _comparison(expression)
    selected = dict(_EXACT.findall(comparison.selector)) if comparison else {}
    literal = {k: v for k, v in labels.items() if isinstance(v, str) and "{{" not in v}
    yield Threshold(
        alertname=str(rule.get("name", "")),
        direction=Direction(labels["scale"]),
        resource=str(labels.get("resource", "")),
        comparison=comparison,
        expression=expression,
        seconds=float(rule.get("duration") or 0),
        only={k: v for k, v in (selected | literal).items() if k in {"project", "service"}},
    )


def _comparison(expression: str) -> Comparison | None:
    found = _COMPARISON.match(expression)
    if found is None:
        return None
    metric, selector, operator, value = found.group("metric", "selector", "operator", "value")
    return Comparison(metric=metric, selector=selector or "", operator=operator, value=float(value))
