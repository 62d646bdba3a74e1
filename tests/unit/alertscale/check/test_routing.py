from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.findings import Finding
from alertscale.check.labelflow import Values
from alertscale.check.routing import Routing, read_routing
from alertscale.check.tree import DocumentError, read


def routing(text: str) -> Routing:
    findings: list[Finding] = []
    result = read_routing(read(text, file=Path("alertmanager.yml"))[0], findings=findings)
    assert result is not None
    assert findings == []
    return result


def receivers(text: str, labels: dict[str, Values]) -> list[str]:
    reached = routing(text).reached(lambda label: labels.get(label, frozenset({""})))
    return [route.receiver for route in reached]


TREE = """\
route:
  receiver: top
  routes:
    - { receiver: all, matchers: ['copy="yes"'], continue: true }
    - receiver: web
      match: { service: web }
      routes:
        - { receiver: critical, match_re: { severity: "crit.*" } }
    - { matchers: ['service=~"web|api"', 'severity!=""'] }
"""


@pytest.mark.parametrize(
    ("labels", "reached"),
    [
        ({}, ["top"]),
        ({"service": "web"}, ["web"]),
        ({"service": "web", "severity": "critical"}, ["critical"]),
        ({"service": "api", "severity": "low"}, ["top"]),
        ({"service": "web", "copy": "yes"}, ["all", "web"]),
        ({"copy": "yes"}, ["all"]),
    ],
)
def test_an_alert_takes_the_first_route_that_matches_and_goes_on_if_told_to(
    labels: dict[str, str], reached: list[str]
) -> None:
    assert receivers(TREE, {name: frozenset({value}) for name, value in labels.items()}) == reached


def test_an_unknown_label_may_take_either_way() -> None:
    assert receivers(TREE, {"service": None}) == ["web", "top"]


def test_a_route_inherits_receiver_and_intervals() -> None:
    (child,) = routing(
        "route: {receiver: a, group_interval: 7s, routes: [{matchers: [x=y], repeat_interval: 3s}]}"
    ).root.routes

    assert child.receiver == "a"
    assert (child.group_interval.seconds, child.repeat_interval.seconds) == (7, 3)


def test_without_any_the_intervals_are_alertmanagers_own() -> None:
    root = routing("route: {receiver: a}").root

    assert (root.group_interval.seconds, root.repeat_interval.seconds) == (300, 14400)


@pytest.mark.parametrize(
    ("group", "repeat", "seconds"),
    [
        ("5s", "4s", 5),
        ("5s", "5s", 10),
        ("5s", "9s", 10),
        ("5s", "10s", 15),
        ("20s", "1s", 20),
        ("0s", "3s", 3),
    ],
)
def test_a_group_is_repeated_on_the_first_tick_after_the_interval(
    group: str, repeat: str, seconds: float
) -> None:
    text = f"route: {{receiver: a, group_interval: {group}, repeat_interval: {repeat}}}"

    assert routing(text).root.repetition == seconds


def test_routes_may_be_nested_as_deep_as_a_document_may() -> None:
    deep = 0
    for levels in range(10, 400, 10):
        text = "route: {receiver: a" + ", routes: [{receiver: a" * levels + "}]" * levels + "}"
        try:
            document = read(text, file=Path("alertmanager.yml"))[0]
        except DocumentError:
            break
        deep = levels
        result = read_routing(document, findings=[])
        assert result is not None
        assert len(result.reached(lambda _: None)) == 1

    assert deep >= 20
