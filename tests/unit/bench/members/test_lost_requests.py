"""From what the drill counted to figures: what was lost, next to what a script lost."""

from __future__ import annotations

import pytest

from bench.members import lost_requests
from bench.model import Verdict
from tests.unit.bench.builders import a_result
from tests.unit.bench.measured import LENGTH, drill, drilled, named


def test_a_drill_without_loss_stands_next_to_what_the_script_lost() -> None:
    outcome = drill(drilled(lost=0), drilled(lost=4, sent=9_000))
    lost = named(outcome)["lost requests"]
    assert (lost.value, lost.verdict) == (0, Verdict.OK)
    assert lost.compared is not None
    assert (lost.compared.what, lost.compared.value) == ("scale, then reload, in 9,000 requests", 40)
    assert named(outcome)["lost a step down"].compared.value == 4  # type: ignore[union-attr]
    assert not a_result(*outcome.figures).failed_gates


def test_one_lost_request_fails_the_run() -> None:
    outcome = drill(drilled(lost=1), drilled(lost=4))
    assert [f.name for f in a_result(*outcome.figures).failed_gates] == [
        "lost requests",
        "lost requests, service deaf to SIGTERM",
    ]
    assert outcome.notes[0] == "alertscale lost: 10 times POST /work?ms=1: 502"


def test_a_script_that_lost_nothing_is_said_to_prove_nothing() -> None:
    assert "does not show that the drill can fail" in drill(drilled(lost=0), drilled(lost=0)).notes[-1]


@pytest.mark.parametrize(
    ("steps", "downs", "sent", "reached"),
    [(20, 5, 50_000, True), (19, 5, 50_000, False), (20, 4, 50_000, False), (20, 5, 49_999, False)],
)
def test_a_drill_goes_on_until_steps_downs_and_requests_are_reached(
    steps: int, downs: int, sent: int, reached: bool
) -> None:
    done = [lost_requests.Step(at=0, to=1, down=number < downs, seconds=1, lost=0) for number in range(steps)]
    assert LENGTH.reached(done, sent) is reached
