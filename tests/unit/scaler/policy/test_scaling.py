"""The rules of decide() as a table, then its invariants over all inputs and over whole runs."""

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.labels import Cooldown, Limits
from scaler.model.reasons import DecisionReason, Direction, Pause
from scaler.model.records import Hold
from scaler.policy.relief import Shares, Unknown
from scaler.policy.scaling import Crew, Decision, Demand, State, Waits, decide, held_directions

NOW = 1000.0
UP, DOWN = Direction.UP, Direction.DOWN
LIMITS = Limits(minimum=2, maximum=5, cooldown=Cooldown(up=10, down=60))

NOTHING = Demand()
HIGH_CPU = Demand(up=frozenset({"cpu"}))
HIGH_MEMORY = Demand(up=frozenset({"memory"}))
HIGH_BOTH = Demand(up=frozenset({"memory", "cpu"}))
LOW_CPU = Demand(down=frozenset({"cpu"}))
LOW_BOTH = Demand(down=frozenset({"cpu", "memory"}))
HIGH_CPU_LOW_BOTH = Demand(up=frozenset({"cpu"}), down=frozenset({"cpu", "memory"}))
BLIND = Demand(watched=False)
BLIND_HIGH = Demand(up=frozenset({"cpu"}), watched=False)
BLIND_LOW = Demand(down=frozenset({"cpu", "memory"}), watched=False)
ENDED = Demand(ended=frozenset({"cpu"}))
SAME = Shares(before=0.82, lowest=0.82, now=0.82)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what is given on the left, what is decided on the right."""

    n: int = 3
    demand: Demand = NOTHING
    versions: int = 1
    last_change: float | None = None
    retry_at: float | None = None
    pause: Pause = Pause.NONE
    wanted: int | None = None
    stepping: bool = False
    former: int | None = None
    writable: bool = True
    retiring: int = 0
    unready: int = 0
    retry_down_at: float | None = None
    spare: int | None = None
    gone_until: float | None = None
    in_vain: Shares | Unknown | None = None
    limits: Limits = LIMITS
    target: int
    reason: DecisionReason
    until: float | None = None
    resources: tuple[str, ...] = ()
    shares: Shares | None = None

    def decide(self) -> Decision:
        state = State(
            replicas=self.n,
            crew=Crew(versions=self.versions, unready=self.unready, retiring=self.retiring, spare=self.spare),
            waits=Waits(
                last_change=self.last_change,
                retry_at=self.retry_at,
                retry_down_at=self.retry_down_at,
                in_vain=self.in_vain,
            ),
            hold=Hold(pause=self.pause, wanted=self.wanted),
            stepping=self.stepping,
            former=self.former,
            writable=self.writable,
            gone_until=self.gone_until,
        )
        return decide(state=state, demand=self.demand, limits=self.limits, now=NOW)


R = DecisionReason
CPU, MEMORY, BOTH = ("cpu",), ("memory",), ("cpu", "memory")
STEP_3 = replace(LIMITS, step=3)
CPU_ALONE = replace(LIMITS, resources=CPU)

RULE_1 = {
    "paused by the API: hold": Row(demand=HIGH_CPU, pause=Pause.ALL, target=3, reason=R.PAUSED),
    "paused by the label: hold": Row(
        demand=HIGH_CPU, limits=replace(LIMITS, pause=Pause.ALL), target=3, reason=R.PAUSED
    ),
    "up held: no step up": Row(demand=HIGH_CPU, pause=Pause.UP, target=3, reason=R.PAUSED, resources=CPU),
    "up held: a step down still": Row(
        demand=LOW_BOTH, pause=Pause.UP, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "down held: no step down": Row(
        demand=LOW_BOTH, pause=Pause.DOWN, target=3, reason=R.PAUSED, resources=BOTH
    ),
    "down held: a step up still": Row(
        demand=HIGH_CPU, pause=Pause.DOWN, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "up held by the label, down by the API: nothing": Row(
        demand=HIGH_CPU,
        pause=Pause.DOWN,
        limits=replace(LIMITS, pause=Pause.UP),
        target=3,
        reason=R.PAUSED,
    ),
    "pause beats the bounds": Row(n=1, pause=Pause.ALL, target=1, reason=R.PAUSED),
    "up held beats the lower bound": Row(n=1, pause=Pause.UP, target=1, reason=R.PAUSED),
    "pause beats an order by hand": Row(wanted=5, pause=Pause.ALL, target=3, reason=R.PAUSED),
    "a step under way: hold": Row(demand=HIGH_CPU, stepping=True, target=3, reason=R.STEPPING),
    "a step under way beats the bounds": Row(n=1, stepping=True, target=1, reason=R.STEPPING),
    "nothing up that cannot be journalled": Row(
        demand=HIGH_CPU, writable=False, target=3, reason=R.JOURNAL, resources=CPU
    ),
    "nothing down that cannot be journalled": Row(n=6, writable=False, target=6, reason=R.JOURNAL),
    "nothing to journal": Row(writable=False, target=3, reason=R.STEADY),
    "stopped by hand: nothing is started": Row(n=0, demand=HIGH_CPU, target=0, reason=R.STOPPED),
    "retiring while others stay: all of them at once": Row(
        n=8, versions=2, retiring=4, target=4, reason=R.RETIRE
    ),
    "retiring: past max, whatever the step is": Row(n=6, retiring=3, target=3, reason=R.RETIRE),
    "retiring beats a pause": Row(n=4, versions=2, retiring=2, pause=Pause.ALL, target=2, reason=R.RETIRE),
    "retiring waits for a step under way": Row(n=4, retiring=2, stepping=True, target=4, reason=R.STEPPING),
    "retiring cannot be journalled": Row(n=4, retiring=2, writable=False, target=4, reason=R.JOURNAL),
    "retiring all that is ready: wait until another is": Row(
        n=4, versions=2, retiring=2, spare=0, target=4, reason=R.LAST_READY
    ),
    "retiring all that is ready: the minimum does not wait": Row(
        n=2, retiring=1, spare=0, limits=replace(LIMITS, minimum=4), target=3, reason=R.BELOW_MIN
    ),
    "retiring all that is ready: an alert does not wait": Row(
        retiring=1, spare=0, demand=HIGH_CPU, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "retiring all that is ready: an order up does not wait": Row(
        retiring=1, versions=2, spare=0, wanted=5, target=4, reason=R.MANUAL
    ),
    "retiring does not wait for a failed step down, since a deploy asked for it now": Row(
        n=4, retiring=2, retry_down_at=NOW + 20, target=2, reason=R.RETIRE
    ),
    "gone: nothing is started, and it is shown for a while": Row(
        n=0, demand=HIGH_CPU, gone_until=NOW + 900, target=0, reason=R.GONE, until=NOW + 900
    ),
    "retiring never takes the last": Row(n=2, versions=2, retiring=2, target=2, reason=R.DEPLOYING),
    "being deployed: hold": Row(demand=HIGH_CPU, versions=2, target=3, reason=R.DEPLOYING),
    "being deployed: past max for as long as it takes": Row(n=6, versions=2, target=6, reason=R.DEPLOYING),
    "being deployed: the minimum does not wait": Row(n=1, versions=2, target=2, reason=R.BELOW_MIN),
    "being deployed: an order up does not wait": Row(versions=2, wanted=5, target=4, reason=R.MANUAL),
    "being deployed: an order down would take what is being started": Row(
        versions=2, unready=1, wanted=2, target=3, reason=R.DEPLOYING
    ),
    "being deployed: an order up does not wait for what is being started": Row(
        versions=2, unready=1, wanted=5, target=4, reason=R.MANUAL
    ),
    "an order down where nothing is deployed does not wait": Row(
        unready=1, wanted=2, target=2, reason=R.MANUAL
    ),
    "being deployed, and all are ready: an order down does not wait": Row(
        versions=2, wanted=2, target=2, reason=R.MANUAL
    ),
    "being deployed: an order down from past max, to max first": Row(
        n=6, versions=2, wanted=2, limits=STEP_3, target=5, reason=R.MANUAL
    ),
    "being deployed: an order that is reached": Row(versions=2, wanted=3, target=3, reason=R.DEPLOYING),
    "being deployed: paused all the same": Row(n=1, versions=2, pause=Pause.ALL, target=1, reason=R.PAUSED),
}

RULE_2 = {
    "below min: up at once": Row(n=1, target=2, reason=R.BELOW_MIN),
    "below min: whatever the cooldown": Row(n=1, last_change=NOW - 1, target=2, reason=R.BELOW_MIN),
    "below min: whatever asks for fewer": Row(n=1, demand=LOW_BOTH, target=2, reason=R.BELOW_MIN),
    "below min: one step at a time": Row(
        n=1, limits=replace(LIMITS, minimum=4), target=2, reason=R.BELOW_MIN
    ),
    "below min: never past it": Row(n=1, limits=STEP_3, target=2, reason=R.BELOW_MIN),
    "below min: but not while the last ones failed": Row(
        n=1, retry_at=NOW + 7, target=1, reason=R.BACKOFF, until=NOW + 7
    ),
    "above max: down at once": Row(n=6, last_change=NOW - 1, target=5, reason=R.ABOVE_MAX),
    "above max: whatever asks for more": Row(n=6, demand=HIGH_CPU, target=5, reason=R.ABOVE_MAX),
    "above max: even when blind": Row(n=6, demand=BLIND, target=5, reason=R.ABOVE_MAX),
    "above max: one step at a time": Row(n=9, target=8, reason=R.ABOVE_MAX),
    "above max: never past it": Row(n=6, limits=STEP_3, target=5, reason=R.ABOVE_MAX),
}

BY_HAND = {
    "ordered up: at once": Row(n=3, wanted=5, last_change=NOW, target=4, reason=R.MANUAL),
    "ordered down: at once": Row(n=5, wanted=3, last_change=NOW, target=4, reason=R.MANUAL),
    "ordered: alerts wait": Row(n=5, wanted=3, demand=HIGH_CPU, target=4, reason=R.MANUAL),
    "ordered beyond max: to max": Row(n=4, wanted=50, target=5, reason=R.MANUAL),
    "ordered below min: to min": Row(n=3, wanted=1, target=2, reason=R.MANUAL),
    "ordered and reached: alerts again": Row(
        n=3, wanted=3, demand=HIGH_CPU, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "ordered up while the last ones failed: wait": Row(
        wanted=5, retry_at=NOW + 1, target=3, reason=R.BACKOFF, until=NOW + 1
    ),
    "ordered down while the last ones failed: at once": Row(
        wanted=2, retry_at=NOW + 1, target=2, reason=R.MANUAL
    ),
}

RULE_3 = {
    "an up alert: one step": Row(demand=HIGH_CPU, target=4, reason=R.ALERT_UP, resources=CPU),
    "two up alerts: one step": Row(demand=HIGH_BOTH, target=4, reason=R.ALERT_UP, resources=BOTH),
    "a wider step": Row(n=2, demand=HIGH_CPU, limits=STEP_3, target=5, reason=R.ALERT_UP, resources=CPU),
    "a wider step: never past max": Row(
        n=4, demand=HIGH_CPU, limits=STEP_3, target=5, reason=R.ALERT_UP, resources=CPU
    ),
    "at max: hold": Row(n=5, demand=HIGH_CPU, target=5, reason=R.AT_MAX, resources=CPU),
    "at max beats the cooldown": Row(
        n=5, demand=HIGH_CPU, last_change=NOW, target=5, reason=R.AT_MAX, resources=CPU
    ),
    "in the up cooldown: hold until its end": Row(
        demand=HIGH_CPU, last_change=NOW - 9, target=3, reason=R.UP_COOLDOWN, until=NOW + 1, resources=CPU
    ),
    "at the end of the up cooldown: step": Row(
        demand=HIGH_CPU, last_change=NOW - 10, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "up beats down": Row(demand=HIGH_CPU_LOW_BOTH, target=4, reason=R.ALERT_UP, resources=CPU),
    "up beats down at max": Row(n=5, demand=HIGH_CPU_LOW_BOTH, target=5, reason=R.AT_MAX, resources=CPU),
    "up beats down in the cooldown": Row(
        demand=HIGH_CPU_LOW_BOTH,
        last_change=NOW,
        target=3,
        reason=R.UP_COOLDOWN,
        until=NOW + 10,
        resources=CPU,
    ),
    "set back to min by others: back to the former count at once, whatever step and cooldown": Row(
        n=2, demand=HIGH_CPU, former=4, last_change=NOW, target=4, reason=R.RESTORE, resources=CPU
    ),
    "set back from above max: to max": Row(
        n=2, demand=HIGH_CPU, former=9, target=5, reason=R.RESTORE, resources=CPU
    ),
    "set back, but the load does not need it: hold": Row(n=2, former=4, target=2, reason=R.STEADY),
    "set back to a count above min, which a person chose: one step": Row(
        demand=HIGH_CPU, former=5, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "set back while others are still being stopped: wait": Row(
        n=2,
        demand=HIGH_CPU,
        former=4,
        retry_at=NOW + 3,
        target=2,
        reason=R.BACKOFF,
        until=NOW + 3,
        resources=CPU,
    ),
    "up needs no Watchdog": Row(demand=BLIND_HIGH, target=4, reason=R.ALERT_UP, resources=CPU),
    "up while the last ones failed: wait": Row(
        demand=HIGH_CPU, retry_at=NOW + 20, target=3, reason=R.BACKOFF, until=NOW + 20, resources=CPU
    ),
    "up when that wait is over": Row(
        demand=HIGH_CPU, retry_at=NOW, target=4, reason=R.ALERT_UP, resources=CPU
    ),
}

RULE_4 = {
    "a down alert for every resource: one step": Row(
        demand=LOW_BOTH, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "for one of two resources: hold, naming the other": Row(
        demand=LOW_CPU, target=3, reason=R.NOT_ALL_LOW, resources=MEMORY
    ),
    "for the only resource that the label names": Row(
        demand=LOW_CPU,
        limits=CPU_ALONE,
        target=2,
        reason=R.ALERT_DOWN,
        resources=CPU,
    ),
    "a wider step: never past min": Row(
        demand=LOW_BOTH, limits=STEP_3, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "at min: hold": Row(n=2, demand=LOW_BOTH, target=2, reason=R.AT_MIN, resources=BOTH),
    "the last replica is never removed": Row(
        n=1,
        demand=LOW_BOTH,
        limits=replace(LIMITS, minimum=1),
        target=1,
        reason=R.AT_MIN,
        resources=BOTH,
    ),
    "in the down cooldown: hold until its end": Row(
        demand=LOW_BOTH,
        last_change=NOW - 20,
        target=3,
        reason=R.DOWN_COOLDOWN,
        until=NOW + 40,
        resources=BOTH,
    ),
    "at the end of the down cooldown: step": Row(
        demand=LOW_BOTH, last_change=NOW - 60, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "down although steps up failed": Row(
        demand=LOW_BOTH, retry_at=NOW + 20, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "down while steps down failed: wait": Row(
        demand=LOW_BOTH, retry_down_at=NOW + 20, target=3, reason=R.BACKOFF, until=NOW + 20, resources=BOTH
    ),
    "up although steps down failed": Row(
        demand=HIGH_CPU, retry_down_at=NOW + 20, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "down, and the last ready one might be taken: hold": Row(
        demand=LOW_BOTH, spare=0, target=3, reason=R.LAST_READY, resources=BOTH
    ),
    "down by hand or to max: the same": Row(n=6, spare=0, target=6, reason=R.LAST_READY),
    "down, and one that is ready stays for certain: one step": Row(
        demand=LOW_BOTH, spare=1, target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
    "up, whatever is ready": Row(demand=HIGH_CPU, spare=0, target=4, reason=R.ALERT_UP, resources=CPU),
    "without the Watchdog: hold": Row(demand=BLIND_LOW, target=3, reason=R.BLIND, resources=BOTH),
}

ENDED_AT_ITS_SOURCE = {
    "an alert that fires no longer at its source: hold": Row(
        demand=ENDED, target=3, reason=R.ENDED, resources=CPU
    ),
    "also without the Watchdog": Row(
        demand=replace(ENDED, watched=False), target=3, reason=R.ENDED, resources=CPU
    ),
    "one of those that a step down needs: hold": Row(
        demand=replace(ENDED, down=frozenset({"memory"})), target=3, reason=R.ENDED, resources=CPU
    ),
    "another one still fires: step": Row(
        demand=replace(HIGH_CPU, ended=frozenset({"memory"})), target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "an up alert has ended, and all is low: down": Row(
        demand=replace(LOW_BOTH, ended=frozenset({"cpu"})), target=2, reason=R.ALERT_DOWN, resources=BOTH
    ),
}

MEMORY_IN_VAIN = {
    "for memory alone, and the last step did not lower it: hold, with what it was and is": Row(
        demand=HIGH_MEMORY, in_vain=SAME, target=3, reason=R.NOT_HELPED, resources=MEMORY, shares=SAME
    ),
    "nobody says now whether the last step lowered it: hold": Row(
        demand=HIGH_MEMORY, in_vain=Unknown(), target=3, reason=R.NOT_HELPED, resources=MEMORY
    ),
    "at max, and in the cooldown: it says so rather": Row(
        n=5, demand=HIGH_MEMORY, in_vain=SAME, last_change=NOW,
        target=5, reason=R.NOT_HELPED, resources=MEMORY, shares=SAME,
    ),
    "set back by others: not to a count that did not help": Row(
        n=2, demand=HIGH_MEMORY, in_vain=SAME, former=4,
        target=2, reason=R.NOT_HELPED, resources=MEMORY, shares=SAME,
    ),
    "CPU is high as well: one step, for that": Row(
        demand=HIGH_BOTH, in_vain=SAME, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "another resource is low: nothing is removed": Row(
        demand=replace(HIGH_MEMORY, down=frozenset({"cpu"})), in_vain=SAME,
        target=3, reason=R.NOT_HELPED, resources=MEMORY, shares=SAME,
    ),
    "the last step lowered it: one more": Row(
        demand=HIGH_MEMORY, target=4, reason=R.ALERT_UP, resources=MEMORY
    ),
    "whatever memory does, the minimum holds": Row(n=1, in_vain=SAME, target=2, reason=R.BELOW_MIN),
}  # fmt: skip

NOT_NAMED = {
    "an up alert of what the label does not name: hold": Row(
        demand=HIGH_MEMORY, limits=CPU_ALONE, target=3, reason=R.NOT_NAMED, resources=MEMORY
    ),
    "it does not keep a step down away": Row(
        demand=replace(HIGH_MEMORY, down=frozenset({"cpu"})),
        limits=CPU_ALONE, target=2, reason=R.ALERT_DOWN, resources=CPU,
    ),
    "what the label names is high as well: one step, for that": Row(
        demand=HIGH_BOTH, limits=CPU_ALONE, target=4, reason=R.ALERT_UP, resources=CPU
    ),
    "a down alert of what it does not name: as if there was none": Row(
        demand=Demand(down=frozenset({"memory"})), limits=CPU_ALONE, target=3, reason=R.STEADY
    ),
    "one that has ended at its source: as if there was none": Row(
        demand=Demand(ended=frozenset({"memory"})), limits=CPU_ALONE, target=3, reason=R.STEADY
    ),
    "without the Watchdog: that nothing is known says more": Row(
        demand=replace(HIGH_MEMORY, watched=False), limits=CPU_ALONE, target=3, reason=R.BLIND
    ),
    "a signal of one's own counts when it is named": Row(
        demand=Demand(up=frozenset({"queue"})), limits=replace(LIMITS, resources=("queue",)),
        target=4, reason=R.ALERT_UP, resources=("queue",),
    ),
}  # fmt: skip

RULE_5 = {
    "no alert: hold": Row(target=3, reason=R.STEADY),
    "no alert and no Watchdog: hold, and say that nothing is known": Row(
        demand=BLIND, target=3, reason=R.BLIND
    ),
}

TABLE = (
    RULE_1 | RULE_2 | BY_HAND | RULE_3 | RULE_4 | ENDED_AT_ITS_SOURCE | MEMORY_IN_VAIN | NOT_NAMED | RULE_5
)


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_rule(row: Row) -> None:
    decision = row.decide()

    direction = None if row.target == row.n else UP if row.target > row.n else DOWN
    assert decision == Decision(
        direction=direction,
        replicas=row.n,
        target=row.target,
        reason=row.reason,
        until=row.until,
        resources=row.resources,
        shares=row.shares,
    )


def test_the_table_shows_every_reason() -> None:
    assert {row.reason for row in TABLE.values()} == set(DecisionReason)


@pytest.mark.parametrize(
    ("pauses", "held"),
    [
        ((Pause.NONE, Pause.NONE), set()),
        ((Pause.UP, Pause.NONE), {UP}),
        ((Pause.NONE, Pause.DOWN), {DOWN}),
        ((Pause.UP, Pause.DOWN), {UP, DOWN}),
        ((Pause.ALL, Pause.NONE), {UP, DOWN}),
    ],
)
def test_the_label_and_the_api_hold_together(pauses: tuple[Pause, ...], held: set[Direction]) -> None:
    assert held_directions(*pauses) == held


# Invariants.

RESOURCES = st.frozensets(st.sampled_from(["cpu", "memory", "queue"]))
TIMES = st.none() | st.floats(0, 2000)


@st.composite
def limits_of(draw: st.DrawFn) -> Limits:
    minimum = draw(st.integers(1, 8))
    return Limits(
        minimum=minimum,
        maximum=draw(st.integers(minimum, 12)),
        step=draw(st.integers(1, 4)),
        resources=tuple(sorted(draw(RESOURCES.filter(bool)))),
        cooldown=Cooldown(up=draw(st.floats(0, 100)), down=draw(st.floats(0, 100))),
        pause=draw(st.sampled_from(Pause)),
    )


demands = st.builds(Demand, up=RESOURCES, down=RESOURCES, watched=st.booleans(), ended=RESOURCES)
states = st.builds(
    State,
    replicas=st.integers(0, 16),
    crew=st.builds(
        Crew,
        versions=st.integers(1, 2),
        unready=st.integers(0, 2),
        retiring=st.just(0) | st.integers(0, 16),
        spare=st.none() | st.integers(0, 16),
    ),
    waits=st.builds(
        Waits,
        last_change=TIMES,
        retry_at=TIMES,
        retry_down_at=TIMES,
        in_vain=st.none() | st.just(SAME) | st.just(Unknown()),
    ),
    hold=st.builds(Hold, pause=st.sampled_from(Pause), wanted=st.none() | st.integers(0, 20)),
    stepping=st.booleans(),
    former=st.none() | st.integers(1, 20),
)


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_a_count_within_the_bounds_stays_within(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    target = decide(state=state, demand=demand, limits=limits, now=now).target

    if limits.minimum <= state.replicas <= limits.maximum and not state.crew.retiring:
        assert limits.minimum <= target <= limits.maximum


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_a_count_outside_the_bounds_goes_toward_them_or_stays(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    target = decide(
        state=replace(state, crew=replace(state.crew, retiring=0)), demand=demand, limits=limits, now=now
    ).target

    if state.replicas < limits.minimum:
        assert state.replicas <= target <= limits.minimum
    if state.replicas > limits.maximum:
        assert limits.maximum <= target <= state.replicas


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_a_step_is_at_most_as_wide_as_the_label_says(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    decision = decide(state=state, demand=demand, limits=limits, now=now)

    assert decision.replicas == state.replicas
    if decision.reason is DecisionReason.RESTORE:
        assert state.former is not None
        assert state.replicas < decision.target <= state.former
    elif decision.reason is DecisionReason.RETIRE:
        assert 1 <= decision.target == state.replicas - state.crew.retiring
    else:
        assert abs(decision.target - state.replicas) <= limits.step


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_direction_and_target_agree_and_a_hold_changes_nothing(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    decision = decide(state=state, demand=demand, limits=limits, now=now)

    assert (decision.direction is UP) == (decision.target > state.replicas)
    assert (decision.direction is DOWN) == (decision.target < state.replicas)


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_no_step_without_a_live_signal_the_bounds_or_a_person(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    decision = decide(state=state, demand=demand, limits=limits, now=now)

    named = set(limits.resources)
    high = demand.up & named
    worth = high - ({"memory"} if state.waits.in_vain else set())
    grounds = {
        DecisionReason.ALERT_UP: bool(worth),
        DecisionReason.ALERT_DOWN: demand.watched and not high and named <= demand.down,
        DecisionReason.RESTORE: bool(worth) and state.former is not None,
        DecisionReason.BELOW_MIN: state.replicas < limits.minimum,
        DecisionReason.ABOVE_MAX: state.replicas > limits.maximum,
        DecisionReason.MANUAL: state.hold.wanted is not None,
        DecisionReason.RETIRE: state.crew.retiring > 0,
    }
    if decision.direction is not None:
        assert grounds[decision.reason]


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_a_held_direction_is_never_taken(state: State, demand: Demand, limits: Limits, now: float) -> None:
    decision = decide(state=state, demand=demand, limits=limits, now=now)

    if decision.reason is not DecisionReason.RETIRE:
        assert decision.direction not in held_directions(state.hold.pause, limits.pause)


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_while_an_up_alert_fires_no_down_alert_removes_anything(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    if demand.up & set(limits.resources):
        reason = decide(state=state, demand=demand, limits=limits, now=now).reason
        assert reason is not DecisionReason.ALERT_DOWN


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_what_the_label_does_not_name_makes_no_difference_to_what_is_done(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    named = frozenset(limits.resources)
    without = replace(demand, up=demand.up & named, down=demand.down & named, ended=demand.ended & named)

    decision = decide(state=state, demand=demand, limits=limits, now=now)
    other = decide(state=state, demand=without, limits=limits, now=now)

    assert (decision.direction, decision.target) == (other.direction, other.target)


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_the_time_at_which_it_could_change_lies_ahead(
    state: State, demand: Demand, limits: Limits, now: float
) -> None:
    decision = decide(state=state, demand=demand, limits=limits, now=now)

    if decision.until is not None:
        assert decision.direction is None
        assert decision.until > now


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_equal_inputs_are_decided_equally(state: State, demand: Demand, limits: Limits, now: float) -> None:
    first = decide(state=state, demand=demand, limits=limits, now=now)

    assert decide(state=state, demand=demand, limits=limits, now=now) == first


@given(states, demands, limits_of(), st.floats(0, 2000))
def test_more_replicas_never_aim_at_fewer(state: State, demand: Demand, limits: Limits, now: float) -> None:
    """Monotone in n, all else equal; a count ordered by hand stands only until it is reached.

    A former count counts only at min, where nobody can have chosen it; replicas that were named leave only
    while others stay.
    """
    state = replace(state, former=None, crew=replace(state.crew, retiring=0))
    asked = state.hold.wanted
    wanted = None if asked is None else min(max(asked, limits.minimum), limits.maximum)
    more = replace(state, replicas=state.replicas + 1)
    if wanted in {state.replicas, more.replicas}:
        hold = replace(state.hold, wanted=None)
        state, more = replace(state, hold=hold), replace(more, hold=hold)

    few = decide(state=state, demand=demand, limits=limits, now=now)
    many = decide(state=more, demand=demand, limits=limits, now=now)

    assert few.target <= many.target


@dataclass(frozen=True)
class Taken:
    """A step of a simulated run."""

    at: float
    decision: Decision


def run(replicas: int, limits: Limits, ticks: list[tuple[float, Demand]]) -> list[Taken]:
    """Take every step that is decided, at once; return them."""
    now, last_change, taken = 0.0, None, []
    for wait, demand in ticks:
        now += wait
        state = State(replicas=replicas, waits=Waits(last_change=last_change))
        decision = decide(state=state, demand=demand, limits=limits, now=now)
        if decision.direction is not None:
            replicas, last_change = decision.target, now
            taken.append(Taken(now, decision))
    return taken


runs = st.lists(st.tuples(st.floats(0, 40), demands), max_size=40)


@given(st.integers(1, 16), limits_of(), runs)
def test_a_run_never_leaves_the_bounds_once_inside(
    replicas: int, limits: Limits, ticks: list[tuple[float, Demand]]
) -> None:
    inside = limits.minimum <= replicas <= limits.maximum
    for taken in run(replicas, limits, ticks):
        now_inside = limits.minimum <= taken.decision.target <= limits.maximum
        assert now_inside or not inside
        inside = now_inside


@given(st.integers(1, 16), limits_of(), runs)
def test_a_run_never_goes_up_and_down_without_a_cooldown_between(
    replicas: int, limits: Limits, ticks: list[tuple[float, Demand]]
) -> None:
    steps = run(replicas, limits, ticks)
    for before, after in itertools.pairwise(steps):
        if after.decision.direction is not before.decision.direction:
            cooldown = limits.cooldown.up if after.decision.direction is UP else limits.cooldown.down
            assert after.at >= before.at + cooldown


@given(st.integers(1, 16), limits_of(), runs)
def test_a_run_steps_on_alerts_only_a_cooldown_after_any_change(
    replicas: int, limits: Limits, ticks: list[tuple[float, Demand]]
) -> None:
    steps = run(replicas, limits, ticks)
    for before, after in itertools.pairwise(steps):
        if after.decision.reason is DecisionReason.ALERT_UP:
            assert after.at >= before.at + limits.cooldown.up
        if after.decision.reason is DecisionReason.ALERT_DOWN:
            assert after.at >= before.at + limits.cooldown.down


@given(st.integers(1, 16), limits_of(), st.integers(20, 60))
def test_a_run_under_lasting_load_ends_at_max_and_idleness_at_min(
    replicas: int, limits: Limits, ticks: int
) -> None:
    limits = replace(limits, pause=Pause.NONE)
    high, low = Demand(up=frozenset(limits.resources)), Demand(down=frozenset(limits.resources))
    ends = []
    for demand in (high, low):
        steps = run(replicas, limits, [(100.0, demand)] * ticks)
        ends.append(steps[-1].decision.target if steps else replicas)

    assert ends == [limits.maximum, limits.minimum]


def test_waits_are_the_same_on_another_clock() -> None:
    later = Waits(last_change=50.0, retry_at=70.0).carried(lambda at: None if at is None else at + 1000)

    assert later == Waits(last_change=1050.0, retry_at=1070.0, retry_down_at=None)
