"""From ``alertmanager.yml`` to the tree of routes, and which of them an alert takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alertscale.check import matching
from alertscale.check.findings import Finding, Found, Place, nearest
from alertscale.check.labelflow import Values
from alertscale.check.matching import Matcher, Operator, Verdict
from alertscale.check.reading import Duration, duration, tables, unexpected
from alertscale.check.tree import Node

_GROUP_INTERVAL: Final = 300.0
_REPEAT_INTERVAL: Final = 4 * 3600.0
"""Alertmanager's own defaults, in seconds."""
_USED_INTERVALS: Final = ("mute_time_intervals", "active_time_intervals")
_INTERVALS: Final = ("time_intervals", "mute_time_intervals")
"""Where they are defined, the second in older files."""
_NOT_ON_THE_FIRST: Final = ("matchers", "match", "match_re", *_USED_INTERVALS)
_ZERO: Final = re.compile(r"(0+[a-z]+)+|0")


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Who is told.

    Attributes:
        name: as routes call it.
        place: where it is written.
        integrations: how many ways it has of telling anyone.
        webhooks: the entries of its ``webhook_configs``.
    """

    name: str
    place: Place
    integrations: int
    webhooks: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """One route, with what it inherits.

    Attributes:
        place: where it begins.
        receiver: the receiver's name; empty if there is none.
        named: where it names it itself; None if it does not.
        matchers: all of them must match.
        goes_on: ``continue``: the routes after it are tried too.
        group_interval: between two looks at a group.
        repeat_interval: at least so long before the same is told again.
        routes: below it.
    """

    place: Place
    receiver: str
    named: Place | None
    matchers: tuple[Matcher, ...]
    goes_on: bool
    group_interval: Duration
    repeat_interval: Duration
    routes: tuple[Route, ...] = ()

    def all(self) -> Iterator[Route]:
        """It, and all below it."""
        yield self
        for route in self.routes:
            yield from route.all()

    @property
    def repetition(self) -> float:
        """Seconds between two notifications of a group that goes on firing.

        A group is looked at every group_interval, and told again if the last time is strictly more than
        repeat_interval ago.
        """
        tick = self.group_interval.seconds
        return tick * (self.repeat_interval.seconds // tick + 1) if tick else self.repeat_interval.seconds


@dataclass(frozen=True, kw_only=True)
class Routing:
    """What Alertmanager does with alerts.

    Attributes:
        root: the first route.
        receivers: by name.
        authorized: every webhook gets credentials, from ``global``.
        refused: for what Alertmanager refuses the whole file, receivers that are not defined apart.
    """

    root: Route
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    authorized: bool = False
    refused: tuple[Found, ...] = ()

    def reached(self, values_of: Callable[[str], Values]) -> tuple[Route, ...]:
        """The routes that may deliver an alert.

        Args:
            values_of: what values a label of the alert can have.

        Returns:
            Every route that delivers it whatever its unknown labels are, and those that do for some of them.
        """
        return _reached(self.root, values_of)[0]

    def receiver(self, route: Route) -> Receiver | None:
        """Whom a route tells; None if no such receiver is defined."""
        return self.receivers.get(route.receiver)


def _reached(route: Route, values_of: Callable[[str], Values]) -> tuple[tuple[Route, ...], Verdict]:
    verdicts = {m.judge(values_of(m.label)) for m in route.matchers}
    if Verdict.NO in verdicts:
        return (), Verdict.NO
    found: list[Route] = []
    taken = False
    for child in route.routes:
        below, verdict = _reached(child, values_of)
        found += below
        taken = taken or verdict is Verdict.YES
        if verdict is Verdict.YES and not child.goes_on:
            break
    if not taken:
        found.append(route)
    return tuple(found), Verdict.MAYBE if Verdict.MAYBE in verdicts else Verdict.YES


def read_routing(document: Node, *, findings: list[Finding]) -> Routing | None:
    """Read ``alertmanager.yml``.

    Args:
        document: its tree.
        findings: what is not of the form of such a file is added here.

    Returns:
        The routes; None if there are none.
    """
    receivers = [_receiver(n) for n in tables(document, "receivers", findings=findings)]
    top = document.get("route")
    if top is None or top.form != "a mapping":
        findings.append(
            unexpected(
                top or document,
                f"route is {top.form if top else 'missing'}, so Alertmanager delivers nothing",
                "write route as a mapping with a receiver",
            )
        )
        return None
    http = document.get("global", "http_config")
    return Routing(
        root=_route(top, above=None, findings=findings),
        receivers=_by_name(receivers),
        authorized=http is not None and has_credentials(http),
        refused=tuple(_refused(document, top)),
    )


def _by_name(receivers: Iterable[Receiver]) -> dict[str, Receiver]:
    """Of several with one name, which Alertmanager refuses, none may stand for the others."""
    result: dict[str, Receiver] = {}
    for one in receivers:
        first = result.setdefault(one.name, one)
        if first is not one:
            result[one.name] = replace(
                first,
                integrations=first.integrations + one.integrations,
                webhooks=first.webhooks + one.webhooks,
            )
    return result


def _refused(document: Node, top: Node) -> Iterator[Found]:
    """The words are those of ``amtool check-config``."""
    for key in _NOT_ON_THE_FIRST:
        value = top.get(key)
        if value and (value.items or value.entries):
            yield Found(
                value.place,
                f"the first route has {key}, so Alertmanager refuses the file: it must take all alerts",
                f"put {key} on a route of its own below, under routes",
            )
    if (top.word("continue") or "").lower() == "true":
        yield Found(
            top.entries["continue"].place,
            "the first route has continue, so Alertmanager refuses the file: there is none after it",
            "take continue out",
        )
    yield from _unnamed_or_twice(document.listed("receivers"), "receiver")
    intervals = [item for key in _INTERVALS for item in document.listed(key)]
    yield from _unnamed_or_twice(intervals, "time interval")
    names = {item.word("name") or "" for item in intervals}
    for route in _all_below(top):
        for named in (item for key in _USED_INTERVALS for item in route.listed(key)):
            if named.text not in names:
                near = nearest(named.text or "", names)
                yield Found(
                    named.place,
                    f"no time interval is called {named.text or ''!r}, so Alertmanager refuses the file",
                    f"did you mean {near}?" if near else "define it under time_intervals, or take it out",
                )
        yield from _zero(route)


def _unnamed_or_twice(nodes: Iterable[Node], what: str) -> Iterator[Found]:
    first: dict[str, Node] = {}
    for node in nodes:
        name = node.word("name") or ""
        if not name:
            yield Found(node.place, f"a {what} has no name, so Alertmanager refuses the file", "name it")
        elif first.setdefault(name, node) is not node:
            yield Found(
                node.place,
                f"the {what} {name!r} stands in line {first[name].place.line} already, so Alertmanager "
                "refuses the file",
                "give one of them another name, or make one of the two",
            )


def _zero(route: Node) -> Iterator[Found]:
    for key in ("group_interval", "repeat_interval"):
        value = route.get(key)
        if value and _ZERO.fullmatch(value.text or ""):
            yield Found(
                value.place,
                f"{key}: {value.text} is zero, so Alertmanager refuses the file",
                "write a duration such as 5s",
            )


def _all_below(route: Node) -> Iterator[Node]:
    yield route
    for below in route.listed("routes"):
        yield from _all_below(below)


def has_credentials(http_config: Node) -> bool:
    """Whether an ``http_config`` sends a token."""
    tokens = (("authorization", "credentials"), ("authorization", "credentials_file"))
    return any(http_config.get(*keys) for keys in (*tokens, ("bearer_token",), ("bearer_token_file",)))


def _receiver(node: Node) -> Receiver:
    kinds = {key: value for key, value in node.entries.items() if key.endswith("_configs")}
    return Receiver(
        name=node.word("name") or "",
        place=node.place,
        integrations=sum(len(value.items) for value in kinds.values()),
        webhooks=node.listed("webhook_configs"),
    )


def _route(node: Node, *, above: Route | None, findings: list[Finding]) -> Route:
    def timing(key: str, inherited: Duration | None, default: float) -> Duration:
        own = duration(node, key, findings=findings)
        return own or inherited or Duration(seconds=default, place=node.place)

    receiver = node.get("receiver")
    route = Route(
        place=node.place,
        receiver=node.word("receiver") or (above.receiver if above else ""),
        named=receiver.place if receiver else None,
        matchers=_matchers(node, findings=findings),
        goes_on=(node.word("continue") or "").lower() == "true",
        group_interval=timing("group_interval", above.group_interval if above else None, _GROUP_INTERVAL),
        repeat_interval=timing("repeat_interval", above.repeat_interval if above else None, _REPEAT_INTERVAL),
    )
    below = tables(node, "routes", findings=findings)
    return Route(**{**vars(route), "routes": tuple(_route(n, above=route, findings=findings) for n in below)})


def _matchers(node: Node, *, findings: list[Finding]) -> tuple[Matcher, ...]:
    result: list[Matcher] = []
    for key, operator in (("match", Operator.EQUAL), ("match_re", Operator.REGEX)):
        table = node.get(key)
        for label, value in (table.entries if table else {}).items():
            result.append(Matcher(label, operator, value.text or ""))
    listed = node.get("matchers")
    for item in node.listed("matchers"):
        try:
            result += matching.parse(item.text or "")
        except ValueError as error:
            findings.append(unexpected(item, f"{item.text!r} is not {error}", "write such a matcher"))
            # Unknown, so that the route is neither taken nor left for sure.
            result.append(Matcher("", Operator.REGEX, "("))
    if listed and listed.form != "a list":
        findings.append(unexpected(listed, f"matchers is {listed.form}", "write matchers as a list"))
    return tuple(result)
