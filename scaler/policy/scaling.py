"""When to add or remove a replica. Values in, values out: no I/O, no clock.

The rules in their order; the first that has something to say wins:

1. replicas that a deploy asked to take away, while others stay: they leave, paused or not; what must wait
   for another to be ready keeps no step from being taken that is due; then
   paused both ways, a step under way, or stopped or gone: hold
2. fewer than min: up, at once; more than max, unless it is being deployed: down, at once
3. a count that a person asked for: towards it, at once, but not down while a replica of a deploy may be
   starting; then being deployed: hold
4. an ``up`` alert: at max or in the up cooldown hold, else up; up always beats down. A service that
   somebody else has set back to its minimum returns to its former count at once, in one step. For memory
   alone no step is taken where the last one did not lower it
5. without the Watchdog: hold; a ``down`` alert for every resource: at min or in the down cooldown hold,
   else down
6. otherwise hold

Alerts of a resource that the service does not name count neither way.

A step on an alert, and a hold for one that keeps a step down away, is decided on twice: in between the
source of alerts is asked, and an alert that fires there no longer asks for nothing any more.

A step that comes out of these is held all the same while its direction is paused, while the journal cannot
be written, until the backoff of its direction is over, and while it might take the last replica that is
ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, Pause
from scaler.model.records import Hold
from scaler.policy.deploy import is_under_way
from scaler.policy.relief import MEMORY, Shares, Unknown
from scaler.policy.watchdog import may_remove

_HELD: Final = {
    Pause.NONE: frozenset[Direction](),
    Pause.UP: frozenset({Direction.UP}),
    Pause.DOWN: frozenset({Direction.DOWN}),
    Pause.ALL: frozenset({Direction.UP, Direction.DOWN}),
}


_ON_ALERT: Final = frozenset({DecisionReason.ALERT_UP, DecisionReason.RESTORE, DecisionReason.ALERT_DOWN})
"""Reasons of a step that an alert leads to."""

_KEPT_BY_ALERT: Final = frozenset(
    {DecisionReason.AT_MAX, DecisionReason.UP_COOLDOWN, DecisionReason.NOT_HELPED}
)
"""Reasons to hold for an ``up`` alert, where ``down`` alerts would be heard without it."""

_LESS_THAN_ENDED: Final = frozenset({DecisionReason.BLIND, DecisionReason.NOT_ALL_LOW})
"""Reasons to hold that say less than that an alert has ended at its source."""


@dataclass(frozen=True, kw_only=True)
class Crew:
    """What the replicas of a service are like.

    Attributes:
        versions: how many different versions (config hash and image) they carry.
        unready: how many of them cannot serve, or not yet.
        retiring: how many of them a deploy asked to take away, by name.
        spare: how many may leave so that a ready one stays for certain; None for as many as the bounds allow.
    """

    versions: int = 1
    unready: int = 0
    retiring: int = 0
    spare: int | None = None


@dataclass(frozen=True, kw_only=True)
class Waits:
    """What steps are kept back by for a while. Times are seconds, all on one clock.

    Attributes:
        last_change: when the last step, either way, was done, which the cooldowns count from; None if never.
        retry_at: no step up before this, since the last ones failed or a replica has just gone; None if
            there was nothing of the kind.
        retry_down_at: the same of steps down; what a deploy asked to take away does not wait for it.
        in_vain: what the last step up for memory found and left, where it did not lower it, or whether it
            did nobody says now; else None.
    """

    last_change: float | None = None
    retry_at: float | None = None
    retry_down_at: float | None = None
    in_vain: Shares | Unknown | None = None

    def carried(self, over: Callable[[float | None], float | None]) -> Waits:
        """The same times on another clock."""
        return replace(
            self,
            last_change=over(self.last_change),
            retry_at=over(self.retry_at),
            retry_down_at=over(self.retry_down_at),
        )


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known of one service. Times are seconds on one clock, the one that ``now`` is read from.

    Attributes:
        replicas: those that run or are being started; leaving and dead ones do not count.
        crew: what these are like.
        waits: what keeps steps back for a while.
        hold: what a person holds through the API, beside what the label holds, and the count that a person
            asked for through it and that is not reached yet.
        stepping: a step is under way.
        former: the count before somebody else set it back lately; None if nobody did.
        writable: the journal can be written, so a step can be.
        gone_until: it has no container any more, and until then it is shown; None for one that is there.
    """

    replicas: int
    crew: Crew = field(default_factory=Crew)
    waits: Waits = field(default_factory=Waits)
    hold: Hold = field(default_factory=Hold)
    stepping: bool = False
    former: int | None = None
    writable: bool = True
    gone_until: float | None = None


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The alerts of one service that fire now.

    Attributes:
        up: resources for which an alert asks for more.
        down: resources for which an alert asks for fewer.
        watched: the always-firing Watchdog was heard of lately, so silence means "no alert".
        ended: resources of alerts that Alertmanager goes on sending and that fire no longer at their source.
    """

    up: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    watched: bool = True
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Count and reason together.

    Attributes:
        direction: of the step to take; None to hold.
        replicas: the count that the decision started from.
        target: the count that it aims at; equal to ``replicas`` when holding.
        reason: why.
        until: when time alone could change the decision; None when only an event can.
        resources: those whose alerts led to it, or that are missing for it, sorted.
        shares: what the last step for memory found and left, where that is known and why; else None.
    """

    direction: Direction | None
    replicas: int
    target: int
    reason: DecisionReason
    until: float | None = None
    resources: tuple[str, ...] = ()
    shares: Shares | None = None


def held_directions(*pauses: Pause) -> frozenset[Direction]:
    """Which steps are held when several places (the label, the API) may hold some."""
    return frozenset().union(*(_HELD[pause] for pause in pauses))


def rests_on_alerts(decision: Decision, demand: Demand, limits: Limits) -> bool:
    """Whether another decision might be taken without an alert that does not fire any more at its source.

    Args:
        decision: as it was taken.
        demand: the alerts that it was taken on.
        limits: what the service's labels say.
    """
    low = demand.down >= set(limits.resources)
    return decision.reason in _ON_ALERT or (low and decision.reason in _KEPT_BY_ALERT)


def is_for_memory(decision: Decision) -> bool:
    """Whether an ``up`` alert for memory led to it, so that it matters what the last such step did."""
    up = decision.reason in _KEPT_BY_ALERT | {DecisionReason.ALERT_UP, DecisionReason.RESTORE}
    return up and MEMORY in decision.resources


def decide(*, state: State, demand: Demand, limits: Limits, now: float) -> Decision:
    """Decide on the next step of one service.

    Args:
        state: what is known of it.
        demand: the alerts that fire for it.
        limits: what its labels say.
        now: seconds, on the clock of ``state``.

    Returns:
        A step of at most ``limits.step`` replicas, or back to the former count, that never leaves the
        bounds once inside; all that are retiring at once; or a hold.
    """
    leave = _retirement(state, now)
    if leave is not None and leave.direction is not None:
        return leave
    decision = _by_the_rules(state, demand, limits, now)
    # What keeps them may take long, and what is needed meanwhile does not wait for it.
    return leave if leave is not None and decision.direction is None else decision


def _retirement(state: State, now: float) -> Decision | None:
    if not 0 < state.crew.retiring < state.replicas or state.stepping:
        return None
    # Whoever deploys has put as many others beside them: the count is not what this changes.
    leave = _step(state, state.replicas - state.crew.retiring, DecisionReason.RETIRE)
    return _postponed(state, leave, now) or leave


def _by_the_rules(state: State, demand: Demand, limits: Limits, now: float) -> Decision:
    held = held_directions(state.hold.pause, limits.pause)
    if held == _HELD[Pause.ALL]:
        return _hold(state, DecisionReason.PAUSED)
    if state.stepping:
        return _hold(state, DecisionReason.STEPPING)
    if state.replicas == 0:
        gone = state.gone_until is not None
        return _hold(state, DecisionReason.GONE if gone else DecisionReason.STOPPED, until=state.gone_until)
    # A deploy may never end: what is needed or asked for waits for none. It may go past max meanwhile.
    deploying = is_under_way(versions=state.crew.versions)
    wish = _below_min(state, limits) or (None if deploying else _above_max(state, limits))
    wish = wish or _manual(state, limits)
    # What is being started would leave first, and it is the new version.
    if deploying and (wish is None or (wish.direction is Direction.DOWN and state.crew.unready)):
        return _hold(state, DecisionReason.DEPLOYING)
    wish = wish or _on_alerts(state, demand, limits, now)
    if wish is None:
        return _hold(state, DecisionReason.STEADY)
    if wish.direction in held:
        return _hold(state, DecisionReason.PAUSED, resources=wish.resources)
    return _postponed(state, wish, now) or wish


def _postponed(state: State, wish: Decision, now: float) -> Decision | None:
    if wish.direction is not None and not state.writable:
        return _hold(state, DecisionReason.JOURNAL, resources=wish.resources)
    if wish.direction is None:
        return None
    leave = state.replicas - wish.target
    if state.crew.spare is not None and leave > state.crew.spare:
        return _hold(state, DecisionReason.LAST_READY, resources=wish.resources)
    retry_at = state.waits.retry_at if wish.direction is Direction.UP else state.waits.retry_down_at
    if retry_at is not None and now < retry_at and wish.reason is not DecisionReason.RETIRE:
        return _hold(state, DecisionReason.BACKOFF, until=retry_at, resources=wish.resources)
    return None


def _hold(
    state: State,
    reason: DecisionReason,
    *,
    until: float | None = None,
    resources: tuple[str, ...] = (),
    shares: Shares | None = None,
) -> Decision:
    return Decision(
        direction=None,
        replicas=state.replicas,
        target=state.replicas,
        reason=reason,
        until=until,
        resources=resources,
        shares=shares,
    )


def _step(state: State, target: int, reason: DecisionReason, resources: tuple[str, ...] = ()) -> Decision:
    direction = Direction.UP if target > state.replicas else Direction.DOWN
    return Decision(
        direction=direction,
        replicas=state.replicas,
        target=target,
        reason=reason,
        resources=resources,
    )


def _below_min(state: State, limits: Limits) -> Decision | None:
    if state.replicas >= limits.minimum:
        return None
    return _step(state, min(limits.minimum, state.replicas + limits.step), DecisionReason.BELOW_MIN)


def _above_max(state: State, limits: Limits) -> Decision | None:
    if state.replicas <= limits.maximum:
        return None
    return _step(state, max(limits.maximum, state.replicas - limits.step), DecisionReason.ABOVE_MAX)


def _manual(state: State, limits: Limits) -> Decision | None:
    if state.hold.wanted is None:
        return None
    wanted = limits.clamp(state.hold.wanted)
    if wanted == state.replicas:
        return None
    lowest = state.replicas - limits.step
    if state.replicas > limits.maximum:
        lowest = max(lowest, limits.maximum)  # to the bound first, like any step from outside of them
    return _step(state, max(min(wanted, state.replicas + limits.step), lowest), DecisionReason.MANUAL)


def _on_alerts(state: State, demand: Demand, limits: Limits, now: float) -> Decision | None:
    named = frozenset(limits.resources)
    mine = replace(demand, up=demand.up & named, down=demand.down & named, ended=demand.ended & named)
    wish = _up(state, mine, limits, now) or _down(state, mine, limits, now)
    if mine.ended and (wish is None or wish.reason in _LESS_THAN_ENDED):
        return _hold(state, DecisionReason.ENDED, resources=tuple(sorted(mine.ended)))
    if wish is None and demand.up:
        return _hold(state, DecisionReason.NOT_NAMED, resources=tuple(sorted(demand.up)))
    return wish


def _up(state: State, demand: Demand, limits: Limits, now: float) -> Decision | None:
    if not demand.up:
        return None
    resources = tuple(sorted(demand.up - ({MEMORY} if state.waits.in_vain else frozenset())))
    if not resources:
        shares = state.waits.in_vain if isinstance(state.waits.in_vain, Shares) else None
        return _hold(state, DecisionReason.NOT_HELPED, resources=(MEMORY,), shares=shares)
    if state.replicas >= limits.maximum:
        return _hold(state, DecisionReason.AT_MAX, resources=resources)
    if state.former is not None and state.replicas <= limits.minimum and state.former > state.replicas:
        # Not a step on the way to what is needed: the load had it, and lost it.
        return _step(state, min(limits.maximum, state.former), DecisionReason.RESTORE, resources)
    until = _cooldown_end(state, limits.cooldown.up)
    if now < until:
        return _hold(state, DecisionReason.UP_COOLDOWN, until=until, resources=resources)
    target = min(limits.maximum, state.replicas + limits.step)
    return _step(state, target, DecisionReason.ALERT_UP, resources)


def _down(state: State, demand: Demand, limits: Limits, now: float) -> Decision | None:
    resources = tuple(sorted(demand.down))
    if not may_remove(watched=demand.watched):
        return _hold(state, DecisionReason.BLIND, resources=resources)
    if not demand.down:
        return None
    missing = tuple(sorted(set(limits.resources) - demand.down))
    if missing:
        return _hold(state, DecisionReason.NOT_ALL_LOW, resources=missing)
    if state.replicas <= limits.minimum:
        return _hold(state, DecisionReason.AT_MIN, resources=resources)
    until = _cooldown_end(state, limits.cooldown.down)
    if now < until:
        return _hold(state, DecisionReason.DOWN_COOLDOWN, until=until, resources=resources)
    target = max(limits.minimum, state.replicas - limits.step)
    return _step(state, target, DecisionReason.ALERT_DOWN, resources)


def _cooldown_end(state: State, cooldown: float) -> float:
    return float("-inf") if state.waits.last_change is None else state.waits.last_change + cooldown
