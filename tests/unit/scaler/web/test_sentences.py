"""The decision in force, as a person reads it."""

from dataclasses import replace

import pytest

from scaler.model.reasons import DecisionReason, Direction
from scaler.policy.relief import Shares
from scaler.policy.scaling import Decision
from scaler.web.sentences import sentence
from tests.unit.scaler.web.site import ALERT, VIEW


def said(reason: DecisionReason, *, to: int = 2, resources: tuple[str, ...] = ("cpu",)) -> str:
    direction = None if to == 2 else Direction.UP if to > 2 else Direction.DOWN
    decision = Decision(direction=direction, replicas=2, target=to, reason=reason, resources=resources)
    return sentence(replace(VIEW, decision=decision))


@pytest.mark.parametrize(
    ("reason", "to", "text"),
    [
        (DecisionReason.ALERT_UP, 3, "Going up from 2 to 3: HighCPU fires"),
        (DecisionReason.UP_COOLDOWN, 2, "Holding at 2: HighCPU fires; the up cooldown ends"),
        (DecisionReason.AT_MAX, 2, "Holding at 2: HighCPU fires, but alertscale.max is reached"),
        (DecisionReason.ALERT_DOWN, 1, "Going down from 2 to 1: the alert for cpu fires"),
        (DecisionReason.NOT_ALL_LOW, 2, "Holding at 2: not everything is low: cpu would have to be, too"),
        (
            DecisionReason.ENDED,
            2,
            "Holding at 2: the alert for cpu fires no longer at its source, which was asked",
        ),
        (DecisionReason.STEADY, 2, "Holding at 2: no alert asks for a step"),
        (DecisionReason.BACKOFF, 2, "Holding at 2: a replica failed or was stopped lately; the next try is"),
    ],
)
def test_what_is_decided_and_why(reason: DecisionReason, to: int, text: str) -> None:
    assert said(reason, to=to) == text


HIGH_MEMORY = replace(
    VIEW.signals[0],
    resource="memory",
    alert=replace(ALERT, labels={**ALERT.labels, "alertname": "HighMemory"}),
)


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (
            DecisionReason.NOT_HELPED,
            "but adding does not help: memory was 82 % before the last step, 83 % now",
        ),
        (DecisionReason.NOT_NAMED, "but alertscale.resources does not name memory"),
    ],
)
def test_why_nothing_is_added_for_memory(reason: DecisionReason, why: str) -> None:
    shares = Shares(before=0.82, lowest=0.815, now=0.832)
    decision = Decision(
        direction=None, replicas=2, target=2, reason=reason, resources=("memory",), shares=shares
    )
    view = replace(VIEW, decision=decision, signals=(*VIEW.signals, HIGH_MEMORY))
    assert sentence(view) == f"Holding at 2: HighMemory fires, {why}"


def test_several_alerts_are_all_named() -> None:
    decision = Decision(
        direction=Direction.UP,
        replicas=1,
        target=2,
        reason=DecisionReason.ALERT_UP,
        resources=("cpu", "memory"),
    )
    view = replace(VIEW, decision=decision, signals=(*VIEW.signals, HIGH_MEMORY))
    assert sentence(view) == "Going up from 1 to 2: HighCPU and HighMemory fire"


@pytest.mark.parametrize("reason", DecisionReason)
def test_every_reason_has_a_sentence_without_places_left_open(reason: DecisionReason) -> None:
    text = said(reason)
    assert text.startswith("Holding at 2: ")
    assert "{" not in text


def test_nothing_is_said_before_anything_is_decided() -> None:
    assert sentence(replace(VIEW, decision=None)) == ""
