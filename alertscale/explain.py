"""Why a service has the replicas that it has, and what would change that. Values in, values out."""

from dataclasses import dataclass, replace
from typing import Any, Final

from alertscale import sentences
from alertscale.model import Health, Inputs, Limits, Service, rfc3339
from alertscale.wording import Times, clean, duration, listed

_STALE: Final = 10.0
"""Seconds after which a decision is too old for a loop that decides each second, as one does by default."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that a step needs.

    Attributes:
        met: it is so.
        text: a clause, such as "an alert asks for more".
        when: when it is met by time alone, seconds since the epoch; None if time does not do it.
        always: worth showing when it is met too.
    """

    met: bool
    text: str
    when: float | None = None
    always: bool = True


@dataclass(frozen=True, kw_only=True)
class Way:
    """A step that alerts could lead to.

    Attributes:
        direction: ``up`` or ``down``.
        target: the count after it; None where it does not go that way.
        conditions: all that it needs: first what holds any step, then what this direction asks for. Of a step
            that is due anyway, whatever the alerts say, none asks for an alert.
        sentence: what is missing, and when that could be.
    """

    direction: str
    target: int | None
    conditions: tuple[Condition, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The answer to "why": ``ways`` is empty while labels cannot be read or nothing is decided."""

    headline: str
    notes: tuple[str, ...]
    ways: tuple[Way, ...]

    def as_json(self) -> dict[str, Any]:
        """The explanation as ``explain --json`` prints it."""
        return {
            "headline": self.headline,
            "notes": list(self.notes),
            "ways": [
                {
                    "direction": way.direction,
                    "target": way.target,
                    "sentence": way.sentence,
                    "conditions": [
                        {"met": c.met, "text": c.text, "when": None if c.when is None else rfc3339(c.when)}
                        for c in way.conditions
                    ],
                }
                for way in self.ways
            ],
        }


def explain(service: Service, health: Health, times: Times) -> Explanation:
    """Explain one service.

    Args:
        service: as the API shows it.
        health: of the scaler.
        times: on the scaler's clock.
    """
    limits, inputs = service.limits, service.inputs
    ways: tuple[Way, ...] = ()
    if limits is not None and inputs is not None:
        due = _due(service, limits, inputs)
        if due is None:
            ways = (_up(service, limits, inputs, times), _down(service, limits, inputs, times))
        else:
            ways = tuple(
                _to(due, way, service=service, limits=limits, inputs=inputs, times=times)
                for way in ("up", "down")
            )
    return Explanation(
        headline=sentences.headline(service, times), notes=_notes(service, health, times), ways=ways
    )


def troubles(health: Health) -> tuple[str, ...]:
    """Say what keeps the scaler from its work; nothing when it is well."""
    found = []
    if health.seconds_since_pass > _STALE:
        found.append(
            f"The scaler's loop has made no pass for {duration(health.seconds_since_pass)}:"
            " what is shown is old."
        )
    if not health.engine:
        found.append("The Docker Engine does not answer: nothing can be scaled.")
    if health.journal_error:
        found.append(f"Nothing is scaled: {clean(health.journal_error)}.")
    if health.balancer_error:
        found.append(f"nginx does not have all that it should: {clean(health.balancer_error)}.")
    return tuple(found)


def _notes(service: Service, health: Health, times: Times) -> tuple[str, ...]:
    notes = [clean(fault) for fault in service.faults]
    notes += troubles(health)
    decision = service.decision
    fresh = health.seconds_since_pass <= _STALE
    if decision is not None and fresh and not service.faults and times.now - decision.at > _STALE:
        notes.append(f"That was decided {times.ago(decision.at)}; its engine or its journal may not answer.")
    paused = decision is not None and decision.reason == "paused"
    if service.wanted is not None:
        how = "when its steps are let go" if paused else "step by step, without cooldowns"
        notes.append(f"A person asked for {service.wanted}: it goes there {how}.")
    held = sentences.pauses(service)
    if held and not paused:
        notes.append(f"{held[0].upper()}{held[1:]}.")
    return (*notes, *(f"{clean(note)}." for note in service.notes))


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A count to go to whatever the alerts say: as the scaler's own rules have it, in their order."""

    goal: int
    why: str


def _due(service: Service, limits: Limits, inputs: Inputs) -> _Due | None:
    count, wanted = inputs.replicas, service.wanted
    if count < limits.minimum:
        return _Due(goal=limits.minimum, why=f"alertscale.min is {limits.minimum}")
    if count > limits.maximum and inputs.versions <= 1:
        return _Due(goal=limits.maximum, why=f"alertscale.max is {limits.maximum}")
    if wanted is None:
        return None
    goal = min(max(wanted, limits.minimum), limits.maximum)
    return _Due(goal=goal, why=f"a person asked for {wanted}") if goal != count else None


def _to(due: _Due, direction: str, *, service: Service, limits: Limits, inputs: Inputs, times: Times) -> Way:
    up, count = due.goal > inputs.replicas, inputs.replicas
    if up != (direction == "up"):
        sentence = f"It does not go {direction}: {due.why}."
        return Way(direction=direction, target=None, conditions=(), sentence=sentence)
    target = min(due.goal, count + limits.step) if up else max(due.goal, count - limits.step)
    # What a deploy has just made would leave first; all else does not wait for its end.
    new = not up and service.states["ready"] < len(service.replicas)
    conditions = (
        *_common(service, limits, inputs, direction, deploying=new),
        Condition(met=True, text=due.why),
        *(() if up else (_another_ready(service),)),
        _over_failure(inputs.retry_at if up else inputs.retry_down_at, times),
    )
    further = "" if target == due.goal else f", on its way to {due.goal},"
    unmet = [clause(c, times) for c in conditions if not c.met]
    then = f"once {listed(unmet)}" if unmet else "at its next decision"
    sentence = f"It goes {direction} to {target}{further} {then}: {due.why}."
    return Way(direction=direction, target=target, conditions=conditions, sentence=sentence)


def _up(service: Service, limits: Limits, inputs: Inputs, times: Times) -> Way:
    firing = sentences.fires(service, "up")
    former = _set_back_from(limits, inputs)
    target = min(limits.maximum, former or inputs.replicas + limits.step)
    # What somebody else has just set back comes back in one step, without a cooldown.
    cooldown = (
        () if former else (_over("the up cooldown", limits.cooldown_up, inputs.cooldown_up_until, times),)
    )
    conditions = (
        *_common(service, limits, inputs, "up"),
        _asked_for(service, inputs, firing),
        Condition(
            met=inputs.replicas < limits.maximum, text=f"it has fewer than alertscale.max ({limits.maximum})"
        ),
        *cooldown,
        _over_failure(inputs.retry_at, times),
        *_relieved(service),
    )
    way = _way("up", target if target > inputs.replicas else None, conditions, limits, times)
    decision = service.decision
    if way.target is None and decision is not None and _relieved(service):
        held = "adding does not help" if decision.memory else "Prometheus does not answer"
        no_use = f"It does not go up: alertscale.max is {limits.maximum}, and {held}."
        return replace(way, sentence=no_use)
    return way


def _asked_for(service: Service, inputs: Inputs, firing: str) -> Condition:
    if firing and not inputs.up and service.decision and service.decision.reason == "ended":
        return Condition(met=False, text=f"its source, too, says that {firing}")
    return Condition(met=bool(firing), text=f"an alert asks for more{_in_brackets(firing)}")


def _relieved(service: Service) -> tuple[Condition, ...]:
    decision = service.decision
    if decision is None or decision.reason != "not_helped":
        return ()
    text = "memory falls or grows clearly, or all replicas are new"
    if decision.memory is None:
        text = "Prometheus answers"
    return (Condition(met=False, text=f"{text} ({sentences.not_helped(decision)})"),)


def _set_back_from(limits: Limits, inputs: Inputs) -> int | None:
    if inputs.former is None or inputs.replicas > limits.minimum or inputs.former <= inputs.replicas:
        return None
    return inputs.former


def _down(service: Service, limits: Limits, inputs: Inputs, times: Times) -> Way:
    low = {alert.resource for alert in service.alerts if alert.scale == "down"}
    if service.decision and service.decision.reason == "ended":
        low &= set(inputs.down)
    missing = [clean(name) for name in limits.resources if name not in low]
    up = sentences.fires(service, "up")
    target = max(limits.minimum, inputs.replicas - limits.step)
    text = f"an alert says for each of {listed(clean(r) for r in limits.resources)} that it is low"
    if missing:
        text += f" (none yet for {listed(missing)})"
    conditions = (
        *_common(service, limits, inputs, "down"),
        Condition(met=inputs.watched, text="alerts arrive: the Watchdog is heard of, and Prometheus lives"),
        Condition(met=not missing, text=text),
        Condition(met=not up, text=f"no alert asks for more{_in_brackets(up)}"),
        Condition(
            met=inputs.replicas > limits.minimum, text=f"it has more than alertscale.min ({limits.minimum})"
        ),
        _over("the down cooldown", limits.cooldown_down, inputs.cooldown_down_until, times),
        _another_ready(service),
        _over_failure(inputs.retry_down_at, times),
    )
    return _way("down", target if target < inputs.replicas else None, conditions, limits, times)


def _another_ready(service: Service) -> Condition:
    met = service.decision is None or service.decision.reason != "last_ready"
    return Condition(met=met, text="a replica that would stay is ready", always=False)


def _common(
    service: Service, limits: Limits, inputs: Inputs, direction: str, *, deploying: bool = True
) -> tuple[Condition, ...]:
    """What holds any step; ``deploying``: so does a deploy."""
    label = limits.pause in {direction, "all"}
    return (
        Condition(
            met=service.pause not in {direction, "all"},
            text=f"a person lets steps {direction} go (alertscale resume {clean(service.name)})",
            always=False,
        ),
        Condition(
            met=not label,
            text=f"the label alertscale.pause: {limits.pause} no longer holds steps {direction}",
            always=False,
        ),
        Condition(met=not inputs.stepping, text="the step under way has ended", always=False),
        Condition(met=inputs.replicas > 0, text="somebody has started the service again", always=False),
        Condition(
            met=inputs.versions <= 1 or not deploying,
            text=f"its deploy has ended (its replicas are of {inputs.versions} versions)",
            always=False,
        ),
        Condition(met=inputs.writable, text="the journal can be written again", always=False),
    )


def _over(name: str, length: float, end: float | None, times: Times) -> Condition:
    met = end is None or end <= times.now
    return Condition(met=met, text=f"{name} of {duration(length)} is over", when=None if met else end)


def _over_failure(retry_at: float | None, times: Times) -> Condition:
    met = retry_at is None or retry_at <= times.now
    text = "it may try again after the last failure"
    return Condition(met=met, text=text, when=None if met else retry_at, always=False)


def _way(
    direction: str, target: int | None, conditions: tuple[Condition, ...], limits: Limits, times: Times
) -> Way:
    unmet = [clause(c, times) for c in conditions if not c.met]
    then = f"once {listed(unmet)}" if unmet else "at its next decision"
    sentence = f"It goes {direction} to {target} {then}."
    if target is None and direction == "up":
        sentence = f"It does not go up: alertscale.max is {limits.maximum}; raise the label to go further."
    elif target is None:
        sentence = f"It does not go down: alertscale.min is {limits.minimum}."
    return Way(direction=direction, target=target, conditions=conditions, sentence=sentence)


def clause(condition: Condition, times: Times) -> str:
    """Return a condition's text, with the time at which it is met by itself."""
    if condition.met or condition.when is None:
        return condition.text
    return f"{condition.text}, {times.until(condition.when)}"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
