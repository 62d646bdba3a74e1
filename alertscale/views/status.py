"""All services at a glance."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from alertscale import sentences
from alertscale.explain import troubles
from alertscale.model import Health, Service
from alertscale.views.parts import foreign, replica_table, table
from alertscale.wording import Times, clean, duration

_MOST_REPLICAS: Final = 20
"""That are shown one by one; of more, those that are not ready."""


def status(services: tuple[Service, ...], health: Health, times: Times, *, url: str) -> RenderableType:
    """Return the view of ``alertscale status``."""
    return Group(*_parts(services, health, times, url))


def _parts(services: tuple[Service, ...], health: Health, times: Times, url: str) -> Iterator[RenderableType]:
    yield foreign(f"The scaler at {url}: {_life(health)}")
    host = f" on {health.host}" if health.host else ""
    yield foreign(f"Version {health.version}{host}; times are {times.zone_name}.", "dim")
    for trouble in troubles(health):
        yield Text(trouble, style="bold red")
    for error in dict.fromkeys(s.load.sentence for s in services if s.load.error):
        yield foreign(f"{error}.", "yellow")
    yield Text()
    if not services:
        yield Text('No service carries the label alertscale.enable: "true".')
        return
    rows = table("SERVICE", "REPLICAS", "MIN", "MAX", "NOW")
    for service in services:
        limits = service.limits
        rows.add_row(
            foreign(service.key, "bold"),
            sentences.summary(service),
            str(limits.minimum) if limits else "?",
            str(limits.maximum) if limits else "?",
            _now(service, times),
        )
    yield rows
    yield from _details(services)
    yield Text()
    yield foreign(f"Why: alertscale explain {services[0].name}", "dim")


def _now(service: Service, times: Times) -> Text:
    """How busy it is, what is done with it and why, and what is held: a line each."""
    lines = [] if service.load.error else [Text(clean(service.load.sentence) + ".", style="bold")]
    lines.append(Text(sentences.headline(service, times), style="" if service.limits else "bold red"))
    held = sentences.pauses(service)
    if held and (service.decision is None or service.decision.reason != "paused"):
        lines.append(Text(f"{held[0].upper()}{held[1:]}.", style="yellow"))
    return Text("\n").join(lines)


def _life(health: Health) -> str:
    engine = "the engine answers" if health.engine else "the engine does not answer"
    heard = health.seconds_since_watchdog
    watchdog = (
        "no alert has arrived yet, so nothing is scaled down"
        if heard is None
        else f"alerts arrived {duration(heard)} ago"
    )
    return f"{engine}, {watchdog}"


def _details(services: tuple[Service, ...]) -> Iterator[RenderableType]:
    faults = [fault for service in services for fault in service.faults]
    if faults:
        yield Text()
        for fault in faults:
            yield foreign(fault, "red")
    noted = [service.key for service in services if service.notes]
    if noted:
        yield Text()
        yield foreign(f"To know of {', '.join(noted)}: alertscale explain {noted[0]}", "dim")
    replicas = [replica for service in services for replica in service.replicas]
    if len(replicas) > _MOST_REPLICAS:
        replicas = [replica for replica in replicas if replica.state != "ready"]
    if replicas:
        yield Text()
        yield replica_table(replicas)
