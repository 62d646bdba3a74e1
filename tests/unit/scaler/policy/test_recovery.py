"""What becomes of a step that a killed scaler left in the middle."""

import pytest

from scaler.model.reasons import Direction, Outcome, Phase
from scaler.model.records import Step
from scaler.policy.recovery import outcome


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
        started=0.0,
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
