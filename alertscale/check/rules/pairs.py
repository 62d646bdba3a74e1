"""Rules on alerts that belong together: one up, one down, for each resource."""

from collections.abc import Iterator
from dataclasses import dataclass

from alertscale.check.compose import Service
from alertscale.check.expressions import Threshold, thresholds
from alertscale.check.findings import Found, nearest
from alertscale.check.promrules import Alert
from alertscale.check.rules.sums import is_sum_over_replicas
from alertscale.check.setup import Setup
from scaler.model.labels import ENABLE, MAX, MIN, PREFIX, RESOURCES, STEP
from scaler.model.reasons import Direction


def _asking(setup: Setup, direction: Direction, resource: str) -> tuple[Alert, ...]:
    """Alerts that may ask for such a step, those with a label that cannot be known included."""
    return tuple(
        alert
        for alert in setup.scaling
        if (alert.direction is direction or alert.labels["scale"].value is None)
        and _may_be_on(setup, alert, resource)
    )


def _may_be_on(setup: Setup, alert: Alert, resource: str) -> bool:
    resources = setup.rules.values(alert, "resource") if setup.rules else None
    return resources is None or resource in resources


def nothing_adds(setup: Setup) -> Iterator[Found]:
    """A service of which no alert ever asks for one replica more."""
    if setup.rules is None or setup.rules.partial or setup.stack is None or not setup.has_the_loop:
        return
    for service in setup.stack.enabled:
        low, high = service.value(MIN), service.value(MAX)
        fixed = low is not None and low == high
        asking = [
            a for a in setup.scaling if a.direction is not Direction.DOWN and setup.may_concern(a, service)
        ]
        if not asking and not fixed:
            yield Found(
                service.place_of(ENABLE),
                f"{service.name} is scaled, but no alert with scale: up can be about it, so that nothing "
                "ever adds a replica",
                "name alertscale's alert.rules.yml and recording.rules.yml in rule_files, or give an alert "
                f"of yours the labels scale: up, resource: <name> and service: {service.name}",
            )


def up_without_down(setup: Setup) -> Iterator[Found]:
    """What is added on a resource is never removed on it."""
    if setup.rules is None or setup.rules.partial:
        return
    for alert in setup.scaling:
        resource = alert.resource
        if alert.direction is not Direction.UP or not resource:
            continue
        downs = _asking(setup, Direction.DOWN, resource)
        services = setup.scaled_by(alert)
        if services and not any(_scales_on(s, resource) for s in services):
            continue  # Nothing is added on it, either: resource-not-named.
        without = [
            s.name
            for s in services
            if _scales_on(s, resource) and not any(setup.may_concern(d, s) for d in downs)
        ]
        if without or (not services and not downs):
            of = f" of {', '.join(without)}" if without else ""
            yield Found(
                alert.place,
                f"{alert.name} adds replicas{of} on {resource!r}, but no alert with scale: down and "
                f"resource: {resource} ever speaks for removing them",
                f"add an alert with scale: down and resource: {resource}, and name {resource} in "
                "alertscale.resources",
            )


def _scales_on(service: Service, resource: str) -> bool:
    """Whether a service names a resource, or may."""
    named = service.value(RESOURCES)
    unread = service.partial and PREFIX + RESOURCES.name not in service.labels
    return named is None or unread or resource in named


def resource_not_named(setup: Setup) -> Iterator[Found]:
    """An alert of what the service that it is about does not scale on, as far as one can tell by mistake."""
    for alert in setup.scaling:
        resource = alert.resource
        if alert.direction is not Direction.UP or not resource or setup.rules is None:
            continue
        services = setup.scaled_by(alert)
        without = [s for s in services if not _scales_on(s, resource)]
        if setup.rules.values(alert, "service") is None:
            # For whatever has the series: another one may be meant, and a label that is there is meant.
            others = len(services) - len(without)
            without = [] if others else [s for s in without if PREFIX + RESOURCES.name not in s.labels]
        for service in without:
            written = service.value(RESOURCES) or ()
            named = ",".join(written)
            yield Found(
                alert.labels["resource"].place,
                f"{alert.name} asks for more of {service.name} on {resource!r}, but its alertscale.resources "
                f"is {named}, so nothing comes of it",
                f"label {service.name} with alertscale.resources: {named},{resource}",
            )


def resource_without_rule(setup: Setup) -> Iterator[Found]:
    """A resource that has to be low before a replica is removed, and of which nothing ever says so."""
    if setup.rules is None or setup.rules.partial or setup.stack is None:
        return
    known = sorted({alert.resource for alert in setup.scaling if alert.resource})
    # Without any alert that scales, that is what is to be said.
    for service in setup.stack.enabled if known else ():
        for resource in service.value(RESOURCES) or ():
            asking = [alert for way in Direction for alert in _asking(setup, way, resource)]
            if any(
                setup.may_concern(alert, service) for alert in asking if alert.direction != Direction.DOWN
            ):
                # Without its down alert that one is up-without-down already.
                continue
            if any(setup.may_concern(alert, service) for alert in asking):
                continue
            near = nearest(resource, [name for name in known if name != resource])
            yield Found(
                service.place_of(RESOURCES),
                f"{service.name}: alertscale.resources names {resource!r}, of which no alert with "
                "scale: down tells, so no replica is ever removed",
                f"did you mean {near}?"
                if near
                else f"add an alert with scale: down and resource: {resource}, or take {resource} out of "
                "alertscale.resources",
            )


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A step down of a service.

    Attributes:
        service: its name; empty if no Compose file says.
        before: replicas.
        after: replicas.
    """

    service: str = ""
    before: int = 2
    after: int = 1

    @property
    def factor(self) -> float:
        """By how much the mean over the replicas grows."""
        return self.before / self.after


def flapping_thresholds(setup: Setup) -> Iterator[Found]:
    """A step down that makes the load high, so that a step up follows, and so on."""
    for down in setup.scaling:
        if down.direction is not Direction.DOWN or not down.resource:
            continue
        for up in _asking(setup, Direction.UP, down.resource):
            step = _worst_step(setup, up, down)
            for low, high in _comparable(setup, up, down) if step else ():
                if step and max(low.number, low.number * step.factor) >= high.number:
                    yield _flapping(up, down, low, high, step)


def _comparable(setup: Setup, up: Alert, down: Alert) -> Iterator[tuple[Threshold, Threshold]]:
    """Pairs of thresholds, low and high, on the same mean."""
    if up.expression.tree is None or down.expression.tree is None or setup.rules is None:
        return
    for low in thresholds(down.expression.tree):
        for high in thresholds(up.expression.tree):
            same = low.measured.prettify() == high.measured.prettify()
            ways = (low.operator[0], high.operator[0]) == ("<", ">")
            if same and ways and not is_sum_over_replicas(low.measured, setup.rules):
                yield low, high


def _worst_step(setup: Setup, up: Alert, down: Alert) -> _Step | None:
    if setup.stack is None:
        return _Step()
    both = [s for s in setup.scaled_by(down) if setup.may_concern(up, s)]
    steps = [step for s in both if (step := _last_step(s))]
    return max(steps, key=lambda step: step.factor, default=None)


def _last_step(service: Service) -> _Step | None:
    """The step down to min: the fewer replicas are left, the more of the load each of them gets."""
    low, high, step = service.value(MIN), service.value(MAX), service.value(STEP)
    if low is None or high is None or step is None or high <= low:
        return None
    return _Step(service=service.name, before=min(high, low + step), after=low)


def _flapping(up: Alert, down: Alert, low: Threshold, high: Threshold, step: _Step) -> Found:
    of = f" of {step.service}" if step.service else ""
    return Found(
        down.expression.place,
        f"{down.name} removes a replica below {low.number:g}, but from {step.before} to {step.after} "
        f"replicas{of} that becomes {low.number * step.factor:g}, and {up.name} adds one above "
        f"{high.number:g}",
        f"lower the number in {down.name} below {high.number / step.factor:g}, or raise the one in {up.name} "
        f"above {low.number * step.factor:g}",
    )
