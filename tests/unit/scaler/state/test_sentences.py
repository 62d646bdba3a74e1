"""What was decided and what happened, as a person reads it."""

from dataclasses import replace

import pytest

from scaler.model.reasons import DecisionReason, Direction, IgnoredReason, Outcome
from scaler.model.records import End, Step
from scaler.policy.relief import Shares
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, Verdict
from scaler.state.sentences import decided, ended, told

UP = Step(
    id=1,
    service=("shop", "web"),
    direction=Direction.UP,
    number=2,
    why=DecisionReason.ALERT_UP,
    replica=None,
    phase="ready",
    phases={},
)
DOWN = replace(UP, direction=Direction.DOWN, why=DecisionReason.ALERT_DOWN)
FIRES = Alert(firing=True, labels={"alertname": "HighCPU"}, annotations={"summary": "CPU at 83 %"})


class TestSteps:
    @pytest.mark.parametrize(
        ("step", "end", "text"),
        [
            (UP, End(outcome=Outcome.DONE), "Replica 2 was added: an alert asked for more"),
            (DOWN, End(outcome=Outcome.DONE), "Replica 2 was removed: everything was low"),
            (
                replace(DOWN, why=DecisionReason.RETIRE),
                End(outcome=Outcome.DONE, detail="it is not there any more"),
                "Replica 2 was removed: a deploy took its place; it is not there any more",
            ),
            (replace(UP, why="a_new_one"), End(outcome=Outcome.DONE), "Replica 2 was added"),
            (UP, End(outcome=Outcome.FAILED, detail="it sleeps"), "Replica 2 could not be added: it sleeps"),
            (
                DOWN,
                End(outcome=Outcome.UNDONE, detail="it is needed"),
                "Replica 2 was not removed after all: it is needed",
            ),
            (
                replace(UP, direction="sideways"),
                End(outcome=Outcome.UNDONE, detail="nobody knows how"),
                "The step sideways of replica 2 ended undone: nobody knows how",
            ),
        ],
    )
    def test_how_it_ended_and_why_it_was_taken_or_not_done(self, step: Step, end: End, text: str) -> None:
        assert ended(step, end) == text

    @pytest.mark.parametrize("outcome", Outcome)
    @pytest.mark.parametrize("direction", Direction)
    def test_every_end_has_words(self, direction: Direction, outcome: Outcome) -> None:
        assert ended(replace(UP, direction=direction), End(outcome=outcome)).startswith("Replica 2 ")


class TestDecisions:
    @pytest.mark.parametrize("reason", DecisionReason)
    def test_every_reason_has_a_sentence_without_its_word(self, reason: DecisionReason) -> None:
        shares = Shares(before=0.82, lowest=0.81, now=0.83)
        text = decided(
            Decision(direction=None, replicas=1, target=1, reason=reason, resources=("cpu",), shares=shares)
        )

        assert text.startswith(("Holding at 1: ", "A step is under way at 1 replica"))
        assert "{" not in text
        assert "_" not in text

    def test_one_that_waits_says_so_unless_a_time_is_put_behind(self) -> None:
        waits = Decision(
            direction=None, replicas=1, target=1, reason=DecisionReason.UP_COOLDOWN, resources=("cpu",)
        )

        assert decided(waits).endswith("the alert for cpu fires, but the up cooldown is not over")
        assert decided(waits, until=True).endswith("the alert for cpu fires; the up cooldown ends")

    def test_the_alerts_behind_it_may_be_named(self) -> None:
        step = Decision(
            direction=Direction.UP, replicas=1, target=2, reason=DecisionReason.ALERT_UP, resources=("cpu",)
        )

        assert decided(step) == "Going up from 1 to 2: the alert for cpu fires"
        assert decided(step, alerts="HighCPU fires") == "Going up from 1 to 2: HighCPU fires"


class TestAlerts:
    def test_one_that_ends_does_not_say_its_last_figures_as_if_they_were_of_now(self) -> None:
        ends = replace(FIRES, firing=False)

        assert told(Verdict(alert=FIRES), longest=500) == "HighCPU fires: CPU at 83 %"
        assert told(Verdict(alert=ends), longest=500) == "HighCPU fires no more; it had said: CPU at 83 %"

    def test_one_that_does_not_count_says_why(self) -> None:
        ignored = Verdict(alert=FIRES, ignored=IgnoredReason.UNKNOWN_SERVICE, detail="there is no 'web'")

        assert told(ignored, longest=3) == "Hig fires: CPU; ignored (unknown_service): there is no 'web'"
