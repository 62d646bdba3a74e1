"""Rules on how long an alert waits, and on how far back it looks."""

from collections.abc import Iterator
from typing import Final

import promql_parser as promql

from alertscale.check import durations
from alertscale.check.expressions import name_of, walk
from alertscale.check.findings import Found
from alertscale.check.promrules import Alert, Expression
from alertscale.check.setup import Setup
from scaler.model.labels import COOLDOWN_DOWN, COOLDOWN_UP, PREFIX, Label
from scaler.model.reasons import Direction

_RATES: Final = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv"})
_SCRAPES: Final = 4
"""Fewest scrapes in a window: a missed one then leaves no gap, and one burst does not decide alone."""
_CLOSE: Final = 1e-9


def for_exceeds_cooldown(setup: Setup) -> Iterator[Found]:
    """An alert that waits longer than the cooldown that somebody has asked for."""
    for alert in setup.scaling:
        for label, seconds, who in _shortest_cooldown(setup, alert, asked_for=True):
            if alert.wait and alert.wait.seconds > seconds:
                yield Found(
                    alert.wait.place,
                    f"{alert.name}: for: {alert.wait} is longer than alertscale.{label.name} of {who} "
                    f"({durations.show(seconds)}), so the next step that needs the alert anew comes later "
                    "than the cooldown says",
                    f"shorten for to {durations.show(seconds)} or less, or make alertscale.{label.name} "
                    f"{alert.wait} or more",
                )


def keep_firing_exceeds_cooldown(setup: Setup) -> Iterator[Found]:
    """An alert that goes on firing after its cause until the next step is allowed."""
    for alert in setup.scaling:
        for label, seconds, who in _shortest_cooldown(setup, alert, asked_for=False):
            if alert.keep and alert.keep.seconds and alert.keep.seconds >= seconds:
                yield Found(
                    alert.keep.place,
                    f"{alert.name}: keep_firing_for: {alert.keep} is not shorter than "
                    f"alertscale.{label.name} of {who} ({durations.show(seconds)}), "
                    "so a step is taken for a load that is over",
                    f"remove keep_firing_for or make it shorter than {durations.show(seconds)}",
                )


def _shortest_cooldown(
    setup: Setup, alert: Alert, *, asked_for: bool
) -> Iterator[tuple[Label[float], float, str]]:
    """The cooldown label of an alert's direction, the shortest of its services in seconds, and whose.

    Args:
        setup: all.
        alert: of one direction.
        asked_for: of those alone that have the label.
    """
    if alert.direction is None:
        return
    label = COOLDOWN_UP if alert.direction is Direction.UP else COOLDOWN_DOWN
    if setup.stack is None:
        if not asked_for:
            yield label, label.default, "any service by default"
        return
    services = [s for s in setup.scaled_by(alert) if not asked_for or PREFIX + label.name in s.labels]
    known = [(seconds, s.name) for s in services if (seconds := s.value(label)) is not None]
    if known:
        yield label, *min(known)


def short_rate_window(setup: Setup) -> Iterator[Found]:
    """A rate over so few scrapes that a missed one leaves a gap."""
    if setup.rules is None or setup.scraping is None:
        return
    records = [(r.name, r.expression) for rules in setup.rules.records.values() for r in rules]
    for name, expression in [(a.name, a.expression) for a in setup.alerts] + records:
        yield from _short_windows(setup, name, expression)


def _short_windows(setup: Setup, name: str, expression: Expression) -> Iterator[Found]:
    for call in walk(expression.tree) if expression.tree is not None else ():
        if not isinstance(call, promql.Call) or call.func.name not in _RATES:
            continue
        for window in call.args:
            known = _sampling(setup, window) if isinstance(window, promql.MatrixSelector) else None
            if known is None:
                continue
            seconds, every = window.range.total_seconds(), known[0]
            if seconds < _SCRAPES * every - _CLOSE:
                yield Found(
                    expression.place,
                    f"{name}: {call.func.name} looks back {durations.show(seconds)}, less than {_SCRAPES} "
                    f"samples at {known[1]} every {durations.show(every)}",
                    f"make the window {durations.show(_SCRAPES * every)} or more",
                )


def _sampling(setup: Setup, window: promql.MatrixSelector) -> tuple[float, str] | None:
    """Seconds between two samples of what a window looks at, and who takes them."""
    if setup.rules is None or setup.scraping is None:
        return None
    name = name_of(window.vector_selector)
    records = setup.rules.records.get(name or "", ())
    if records:
        every = setup.scraping.evaluation_interval
        return min(every if r.interval is None else r.interval for r in records), f"the record {name}"
    job = setup.scraping.quickest(window.vector_selector)
    return (job.interval.seconds, f"a scrape of the job {job.name}") if job else None
