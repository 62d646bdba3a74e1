"""The view of ``explain``: the decision on a service, what would change it, and what it was taken on."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from alertscale.explain import Explanation, Way, clause
from alertscale.model import Health, Inputs, Limits, Service
from alertscale.sentences import pauses, summary
from alertscale.views.parts import foreign, replica_table, table
from alertscale.wording import Times, duration


def explanation(why: Explanation, service: Service, health: Health, times: Times) -> RenderableType:
    """Return the view of ``alertscale explain``."""
    return Group(*_parts(why, service, health, times))


def _parts(why: Explanation, service: Service, health: Health, times: Times) -> Iterator[RenderableType]:
    yield foreign(service.key, "bold")
    yield foreign(f"{service.load.sentence}.", "yellow" if service.load.error else "bold")
    yield Text(why.headline, style="" if service.limits else "bold red")
    for note in why.notes:
        yield Text(note, style="yellow")
    for way in why.ways:
        yield Text()
        yield from _way(way, times)
    yield Text()
    yield from _replicas(service)
    yield from _failure(service, times)
    yield from _alerts(service, times)
    if service.limits is not None and service.inputs is not None:
        yield from _inputs(service, service.limits, service.inputs, health, times)


def _way(way: Way, times: Times) -> Iterator[RenderableType]:
    yield Text(way.sentence)
    for condition in way.conditions:
        if condition.met and not condition.always:
            continue
        word, style = ("yes", "green") if condition.met else ("no ", "yellow")
        line = Text.assemble("  ", (word, style), "  ", clause(condition, times))
        yield line


def _replicas(service: Service) -> Iterator[RenderableType]:
    if not service.replicas:
        yield Text("No replicas.")
        return
    yield replica_table(service.replicas)


def _failure(service: Service, times: Times) -> Iterator[RenderableType]:
    failure = service.failure
    if failure is None:
        return
    yield Text()
    yield Text.assemble(f"{times.ago(failure.at)}: ", foreign(failure.text))
    if failure.log:
        yield Text("The last lines of its log:")
    for line in failure.log:
        yield Text.assemble("  ", foreign(line))


def _alerts(service: Service, times: Times) -> Iterator[RenderableType]:
    yield Text()
    if not service.alerts:
        yield Text("No alert asks for a step.")
        return
    rows = table("ALERT", "ASKS FOR", "RESOURCE", "SINCE", "LAST HEARD", "")
    for alert in service.alerts:
        rows.add_row(
            foreign(alert.alertname),
            {"up": "more", "down": "fewer"}.get(alert.scale, alert.scale),
            foreign(alert.resource),
            times.ago(alert.first_heard),
            times.ago(alert.last_heard),
            foreign(alert.summary),
        )
    yield rows


def _inputs(
    service: Service, limits: Limits, inputs: Inputs, health: Health, times: Times
) -> Iterator[RenderableType]:
    heard = health.seconds_since_watchdog
    rows = table("", "")
    rows.show_header = False
    facts = (
        ("replicas", f"{summary(service)}; counted: {inputs.replicas}"),
        ("bounds", f"{limits.minimum} to {limits.maximum}, {limits.step} a step"),
        ("up cooldown", _cooldown(limits.cooldown_up, inputs.cooldown_up_until, times)),
        ("down cooldown", _cooldown(limits.cooldown_down, inputs.cooldown_down_until, times)),
        ("last change", "never" if inputs.last_change is None else times.ago(inputs.last_change)),
        ("pause", pauses(service) or "none"),
        ("asked for by hand", "nothing" if service.wanted is None else str(service.wanted)),
        ("Watchdog", "never heard of" if heard is None else f"heard {duration(heard)} ago"),
        ("an alert counts for", f"{duration(inputs.signal_ttl)} after it was last heard of"),
    )
    for name, fact in facts:
        rows.add_row(name, Text(fact))
    yield Text()
    yield Text("Decided on", style="bold")
    yield Padding(rows, (0, 0, 0, 2))


def _cooldown(length: float, end: float | None, times: Times) -> str:
    if end is None or end <= times.now:
        return f"{duration(length)}, over"
    return f"{duration(length)}, over {times.until(end)}"
