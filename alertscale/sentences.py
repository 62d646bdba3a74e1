"""The decision in one sentence. Values in, text out."""

from collections.abc import Callable, Iterable
from typing import Final

from alertscale.model import Decision, FiringAlert, Service
from alertscale.wording import Times, clean, count, listed


def headline(service: Service, times: Times) -> str:
    """Say what is done with a service now, and why, in one sentence."""
    decision = service.decision
    if service.limits is None and (decision is None or decision.reason != "gone"):
        return "Left alone: its labels cannot be read."
    if decision is None:
        return "Not decided on yet."
    if decision.reason == "stepping":
        order = "" if service.wanted is None else f"; a person asked for {service.wanted}"
        return f"A step is under way at {count(decision.replicas, 'replica')}{order}."
    say = _REASONS.get(decision.reason)
    why = say(service, decision) if say else clean(decision.reason)
    if decision.until is not None and decision.until > times.now:
        why = f"{why} {times.until(decision.until)}"
    if decision.direction is None:
        return f"Holding at {decision.replicas}: {why}."
    return f"Going {decision.direction} from {decision.replicas} to {decision.target}: {why}."


def fires(service: Service, direction: str) -> str:
    """Name the alerts that ask for one direction: ``HighCPU fires``; empty if there are none.

    Those of resources that the service does not name ask for nothing.
    """
    return _fire(alert for alert in service.alerts if alert.scale == direction and is_named(service, alert))


def is_named(service: Service, alert: FiringAlert) -> bool:
    """Whether ``alertscale.resources`` names an alert's resource, so that it counts."""
    return service.limits is None or alert.resource in service.limits.resources


def _fire(alerts: Iterable[FiringAlert]) -> str:
    names = sorted({clean(alert.alertname) for alert in alerts})
    return f"{listed(names)} {'fires' if len(names) == 1 else 'fire'}" if names else ""


def pauses(service: Service) -> str:
    """Say who holds which steps; empty if nobody does."""
    label = service.limits.pause if service.limits else "none"
    held = [
        f"{_STEPS[word]} {how}"
        for word, how in (
            (service.pause, f"(alertscale resume {clean(service.name)} lets them go)"),
            (label, f"by the label alertscale.pause: {label}"),
        )
        if word in _STEPS
    ]
    return f"a person holds {listed(held)}" if held else ""


_STEPS: Final = {"up": "steps up", "down": "steps down", "all": "all steps"}


def _fires(direction: str, service: Service, decision: Decision) -> str:
    """What fires; when the alerts have ended since, the resources that the decision names."""
    known = fires(service, direction)
    return known or f"an alert for {listed(clean(r) for r in decision.resources)} fired"


def _of(decision: Decision) -> str:
    return listed(clean(resource) for resource in decision.resources)


def _not_all_low(service: Service, decision: Decision) -> str:
    missing = listed(clean(r) for r in decision.resources)
    return f"{fires(service, 'down') or 'not all is low'}, but no alert says that {missing} is low too"


def _not_named(service: Service, decision: Decision) -> str:
    firing = _fire(a for a in service.alerts if a.scale == "up" and not is_named(service, a))
    return f"{firing or 'an alert fires'}, but alertscale.resources does not name {_of(decision)}"


def not_helped(decision: Decision) -> str:
    """Say what the last step for memory did not lower, or that nobody knows whether it did."""
    memory = decision.memory
    if memory is None:
        return "Prometheus does not answer whether the last step for it helped"
    return f"memory was {100 * memory.before:.0f} % before the last step, {100 * memory.now:.0f} % now"


def _not_helped(service: Service, decision: Decision) -> str:
    no_use = "adding does not help: " if decision.memory else ""
    return f"{_fires('up', service, decision)}, but {no_use}{not_helped(decision)}"


def _restore(service: Service, decision: Decision) -> str:
    return f"{_fires('up', service, decision)}, and somebody else has just set the count back"


def _of_versions(service: Service, _: Decision) -> str:
    versions = service.inputs.versions if service.inputs else 2
    return f"its replicas are of {versions} versions: a deploy is under way, or broke off"


_Say = Callable[[Service, Decision], str]
_REASONS: Final[dict[str, _Say]] = {
    "paused": lambda s, _: pauses(s) or "a person held its steps",
    "retire": lambda *_: "a deploy takes away the replicas of another version",
    "deploying": _of_versions,
    "gone": lambda *_: "it is gone, every container of it was removed; it is forgotten",
    "stopped": lambda *_: "no replica runs, somebody has stopped the service",
    "backoff": lambda *_: "the last step failed, or a replica has just gone; it tries again",
    "last_ready": lambda *_: "a step down is due, and might take the last replica that is ready",
    "journal": lambda *_: "the journal cannot be written, and no step is taken without it",
    "below_min": lambda s, _: f"fewer than alertscale.min ({s.limits.minimum if s.limits else '?'})",
    "above_max": lambda s, _: f"more than alertscale.max ({s.limits.maximum if s.limits else '?'})",
    "manual": lambda s, _: f"a person asked for {s.wanted}" if s.wanted else "a person asked for it",
    "alert_up": lambda s, d: _fires("up", s, d),
    "restore": _restore,
    "at_max": lambda s, d: f"{_fires('up', s, d)}, but that is alertscale.max",
    "up_cooldown": lambda s, d: f"{_fires('up', s, d)}, and the up cooldown ends",
    "not_helped": _not_helped,
    "alert_down": lambda s, d: f"{_fires('down', s, d)}, and so everything is low",
    "at_min": lambda s, d: f"{_fires('down', s, d)}, but that is alertscale.min",
    "down_cooldown": lambda s, d: f"{_fires('down', s, d)}, and the down cooldown ends",
    "blind": lambda *_: "alerts do not arrive, and silence is not low load",
    "not_all_low": _not_all_low,
    "not_named": _not_named,
    "ended": lambda _, d: f"the alert for {_of(d)} fires no longer at its source, which was asked",
    "steady": lambda *_: "no alert asks for a step",
}
"""Each reason of a decision as a clause; a time, where the decision has one, is put behind it."""

REASONS: Final = frozenset({*_REASONS, "stepping"})


def summary(service: Service) -> str:
    """Say how many replicas there are and in what state: ``3 (2 ready, 1 starting)``."""
    states = service.states
    total = str(len(service.replicas))
    if states["ready"] == len(service.replicas):
        return total
    return f"{total} ({', '.join(f'{number} {clean(state)}' for state, number in sorted(states.items()))})"
