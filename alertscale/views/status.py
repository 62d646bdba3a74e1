"""All services at a glance."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from alertscale import sentences
from alertscale.explain import troubles
from alertscale.model import Health, Service
from alertscale.views.parts import foreign, replica_table, table
from alertscale.wording import Times, duration


def status(services: tuple[Service, ...], health: Health, times: Times, *, url: str) -> RenderableType:
    """Return the view of ``alertscale status``."""
    return Group(*_parts(services, health, times, url))


def _parts(services: tuple[Service, ...], health: Health, times: Times, url: str) -> Iterator[RenderableType]:
    yield foreign(f"The scaler at {url}: {_life(health)}")
    for trouble in troubles(health):
        yield Text(trouble, style="bold red")
    yield Text()
    if not services:
        yield Text('No service carries the label alertscale.enable: "true".')
        return
    rows = table("SERVICE", "REPLICAS", "MIN", "MAX", "WHY")
    for service in services:
        limits = service.limits
        rows.add_row(
            foreign(service.key, "bold"),
            sentences.summary(service),
            str(limits.minimum) if limits else "?",
            str(limits.maximum) if limits else "?",
            Text(sentences.headline(service, times), style="" if limits else "bold red"),
        )
    yield rows
    yield from _details(services)
    yield Text()
    yield foreign(f"Why: alertscale explain {services[0].name}", "dim")


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
    unready = [replica for service in services for replica in service.replicas if replica.state != "ready"]
    if unready:
        yield Text()
        yield replica_table(unready)
