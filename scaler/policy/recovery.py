"""What becomes of a step that a killed scaler left in the middle? Where Compose makes replicas one by one.

The journal tells the step (``state/journal.py``), ``steps/runner.py`` takes it up at the next start, and
``steps/compose.py`` goes on with it. On Swarm what was asked for comes true without us (``steps/swarm.py``).
"""

from scaler.model.reasons import Direction, Outcome
from scaler.model.records import Step


def outcome(step: Step, *, found: str | None) -> Outcome | None:
    """How a step that was left has ended.

    Args:
        step: as the journal knows it.
        found: the engine's id of the replica with the step's number; None when there is none.

    Returns:
        ``done`` for a removal whose replica is gone, ``undone`` for an addition whose replica was never made
        or is somebody else's; None when the replica is there, and the step goes on with it.
    """
    if found is not None and step.replica in {None, found}:
        return None
    return Outcome.DONE if step.direction is Direction.DOWN else Outcome.UNDONE
