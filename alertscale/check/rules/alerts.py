"""Rules on the labels of alerts, and on the services that they name."""

from collections.abc import Iterator

from alertscale.check.compose import Service, Stack
from alertscale.check.findings import Found, Place, nearest
from alertscale.check.labelflow import ABSENT
from alertscale.check.promrules import WATCHDOG, Alert
from alertscale.check.setup import Setup
from scaler.model.reasons import Direction


def bad_scale(setup: Setup) -> Iterator[Found]:
    """A direction that does not exist."""
    for alert in setup.scaling:
        word = alert.labels["scale"]
        if word.value is not None and word.value not in set(Direction):
            near = nearest(word.value, [direction.value for direction in Direction], cutoff=0.5)
            yield Found(
                word.place,
                f"{alert.name}: scale: {word.value!r} is neither up nor down, so the scaler ignores it",
                f"did you mean {near}?" if near else "write up or down, or leave the label away",
            )


def scale_without_service(setup: Setup) -> Iterator[Found]:
    """A step for nobody."""
    for alert in setup.scaling:
        if setup.rules and setup.rules.values(alert, "service") == ABSENT:
            yield Found(
                alert.labels["scale"].place,
                f"{alert.name} has the label scale, but neither its labels nor its expression give it a "
                "label service, so the scaler ignores it",
                "add the label service with the Compose service's name, or keep it in the expression, as "
                "in avg by (project, service) (...)",
            )


def scale_without_resource(setup: Setup) -> Iterator[Found]:
    """A step on no resource."""
    for alert in setup.scaling:
        if setup.rules and setup.rules.values(alert, "resource") == ABSENT:
            yield Found(
                alert.labels["scale"].place,
                f"{alert.name} has the label scale but no label resource, so the scaler ignores it",
                "add the label resource: cpu, memory, or a name of your own",
            )


def unknown_service(setup: Setup) -> Iterator[Found]:
    """A step for a service that does not exist."""
    for alert, name, stack in _named(setup):
        if name not in stack.services and not stack.partial:
            near = nearest(name, stack.services)
            yield Found(
                _place(alert),
                f"{alert.name} is about the service {name!r}, which no Compose file has",
                f"did you mean {near}?" if near else "name a service of the Compose file",
            )


def service_not_enabled(setup: Setup) -> Iterator[Found]:
    """A step for a service that is not to be scaled."""
    for alert, name, stack in _named(setup):
        service: Service | None = stack.services.get(name)
        if service is not None and service.enabled is False:
            yield Found(
                _place(alert),
                f"{alert.name} is about the service {name!r}, which is not scaled",
                f'put the label alertscale.enable: "true" on {name}, or take the alert out',
            )


def _named(setup: Setup) -> Iterator[tuple[Alert, str, Stack]]:
    """Alerts that scale, each with a service of our project that it surely names."""
    for alert in setup.scaling:
        if setup.stack is None or setup.rules is None:
            return
        projects = setup.rules.values(alert, "project")
        if projects is not None and projects.isdisjoint({"", setup.stack.project}):
            continue
        names = setup.rules.values(alert, "service")
        for name in sorted((names or ABSENT) - ABSENT):
            yield alert, name, setup.stack


def _place(alert: Alert) -> Place:
    return alert.labels.get("service", alert.labels["scale"]).place


def watchdog_missing(setup: Setup) -> Iterator[Found]:
    """Nothing proves to the scaler that alerts arrive."""
    rules = setup.rules
    told = rules is None or rules.partial or any(alert.name == WATCHDOG for alert in rules.alerts)
    if rules and not told and setup.has_the_loop:
        yield Found(
            rules.place,
            f"no rule is named {WATCHDOG}, so the scaler takes itself for blind and removes no replica",
            f"add the alert {WATCHDOG} with the expression vector(1)",
        )
