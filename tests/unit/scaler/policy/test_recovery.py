"""What becomes of a step in the middle: one that a killed scaler left, and one that waits."""

from dataclasses import replace

import pytest

from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, Outcome, Pause, Phase
from scaler.model.records import Hold, Step
from scaler.policy.recovery import outcome, unwanted
from scaler.policy.scaling import Crew, Demand, State, Waits


def left(direction: Direction, replica: str | None) -> Step:
    return Step(
        id=1,
        service=("shop", "web"),
        direction=direction,
        number=2,
        why="alert",
        replica=replica,
        phase=Phase.START,
        phases={},
    )


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("known", [None, "a"])
def test_it_goes_on_while_its_replica_is_there(direction: Direction, known: str | None) -> None:
    assert outcome(left(direction, known), found="a") is None


def test_a_removal_whose_replica_is_gone_is_done() -> None:
    assert outcome(left(Direction.DOWN, "a"), found=None) is Outcome.DONE


@pytest.mark.parametrize("known", [None, "a"])
def test_an_addition_whose_replica_was_never_made_is_undone(known: str | None) -> None:
    assert outcome(left(Direction.UP, known), found=None) is Outcome.UNDONE


def test_a_number_that_somebody_else_has_taken_is_left_alone() -> None:
    assert outcome(left(Direction.UP, "a"), found="b") is Outcome.UNDONE
    assert outcome(left(Direction.DOWN, "a"), found="b") is Outcome.DONE


NOW = 1000.0
LIMITS = Limits(minimum=2, maximum=4)
UP, DOWN = Direction.UP, Direction.DOWN
HIGH = Demand(up=frozenset({"cpu"}))
THREE = State(replicas=3)
"""A service of three, with the one that leaves, or without the one that comes."""


def asked(
    direction: Direction,
    state: State = THREE,
    *,
    why: str = "",
    demand: Demand = Demand(watched=False),  # noqa: B008 - a value
    limits: Limits = LIMITS,
) -> str:
    """Why a step would not be taken any more."""
    step = replace(left(direction, "a"), why=why or f"alert_{direction}")
    return unwanted(step, state=state, demand=demand, limits=limits, now=NOW)


class TestDownUnderWay:
    def test_it_goes_on_though_its_alert_has_ended_and_whatever_the_cooldown(self) -> None:
        """The load of the one that leaves is on the others now: they are not as idle as before."""
        assert asked(DOWN) == ""
        assert asked(DOWN, replace(THREE, waits=Waits(last_change=NOW), stepping=True)) == ""

    @pytest.mark.parametrize("replicas", [1, 2])
    def test_others_have_left_meanwhile(self, replicas: int) -> None:
        assert asked(DOWN, State(replicas=replicas)) == "fewer than alertscale.min (2) would be left"

    def test_no_other_is_ready_any_more(self) -> None:
        assert asked(DOWN, replace(THREE, crew=Crew(spare=0))) == "no other replica is ready"

    def test_another_has_just_gone(self) -> None:
        state = replace(THREE, waits=Waits(retry_down_at=NOW + 2))
        assert asked(DOWN, state) == "another replica has just died or been asked to stop"

    @pytest.mark.parametrize(
        "state", [THREE, State(replicas=4), replace(THREE, waits=Waits(last_change=NOW))]
    )
    def test_the_load_is_there_again(self, state: State) -> None:
        assert asked(DOWN, state, demand=HIGH) == "an alert asks for more"

    def test_a_load_that_the_label_does_not_name_is_none(self) -> None:
        assert asked(DOWN, demand=HIGH, limits=replace(LIMITS, resources=("memory",))) == ""

    def test_a_person_or_a_deploy_came_between(self) -> None:
        assert asked(DOWN, replace(THREE, hold=Hold(pause=Pause.DOWN))) == "steps are paused"
        assert asked(DOWN, replace(THREE, crew=Crew(versions=2))) == "a new version is being deployed"
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=4))) == "a person has asked for another count"

    def test_a_person_wants_the_count_of_before(self) -> None:
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=3))) == "a person has asked for another count"
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=2))) == ""
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=4)), limits=replace(LIMITS, maximum=3)) != ""
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=3)), why=DecisionReason.RETIRE) == ""

    def test_what_a_person_asked_for_is_so_without_it(self) -> None:
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=2)), why=DecisionReason.MANUAL) == ""
        assert asked(DOWN, replace(THREE, hold=Hold(wanted=3)), why=DecisionReason.MANUAL) == (
            "what it was for is so without it"
        )

    def test_max_was_raised(self) -> None:
        five = State(replicas=5)
        assert asked(DOWN, five, why=DecisionReason.ABOVE_MAX) == ""
        raised = replace(LIMITS, maximum=5)
        assert asked(DOWN, five, why=DecisionReason.ABOVE_MAX, limits=raised) != ""

    def test_what_a_deploy_took_away_goes_while_another_is_ready(self) -> None:
        two = State(replicas=2, crew=Crew(versions=2), hold=Hold(pause=Pause.ALL))
        assert asked(DOWN, two, why=DecisionReason.RETIRE) == ""
        assert (
            asked(DOWN, replace(two, crew=Crew(versions=2, spare=0)), why=DecisionReason.RETIRE)
            == "no other replica is ready"
        )
        assert asked(DOWN, replace(two, replicas=1), why=DecisionReason.RETIRE) != ""


@pytest.mark.parametrize("direction", Direction)
def test_a_journal_that_cannot_be_written_takes_nothing_back(direction: Direction) -> None:
    """It keeps new steps from being begun; this one stands in it already."""
    assert asked(direction, replace(THREE, writable=False)) == ""


class TestUpUnderWay:
    def test_it_goes_on_though_its_alert_has_ended_and_others_have_gone(self) -> None:
        assert asked(UP) == ""
        assert (
            asked(UP, State(replicas=1, waits=Waits(retry_at=NOW + 9, last_change=NOW)), why="restore") == ""
        )
        assert asked(UP, demand=Demand(up=frozenset({"not-named"}))) == ""

    def test_as_many_are_there_without_it(self) -> None:
        assert asked(UP, State(replicas=4)) == "alertscale.max (4) is reached without it"
        assert asked(UP, State(replicas=5)) == "alertscale.max (4) is passed without it"
        assert asked(UP, why=DecisionReason.BELOW_MIN) == "what it was for is so without it"
        assert asked(UP, State(replicas=1), why=DecisionReason.BELOW_MIN) == ""

    def test_a_person_or_a_deploy_came_between(self) -> None:
        assert asked(UP, replace(THREE, hold=Hold(pause=Pause.UP))) == "steps are paused"
        assert asked(UP, replace(THREE, crew=Crew(versions=2))) == "a new version is being deployed"
        assert asked(UP, replace(THREE, hold=Hold(wanted=2))) == "a person has asked for another count"
        assert asked(UP, replace(THREE, hold=Hold(wanted=3))) == "a person has asked for another count"
        assert asked(UP, replace(THREE, hold=Hold(wanted=4))) == ""
