"""The decision in force, as a person reads it, and which rule an entry of the history goes back to."""

from dataclasses import replace
from typing import Any

import pytest

from scaler.loop.views import Decided, ServiceView
from scaler.model.reasons import DecisionReason, Direction, EventKind
from scaler.model.records import Event
from scaler.policy.relief import Shares
from scaler.policy.scaling import Decision
from scaler.web.explanation import rule_links, sentence
from tests.unit.scaler.web.site import ALERT, VIEW

UP = "http://localhost:10090/graph?g0.expr=up"
DOWN = "http://localhost:10090/graph?g0.expr=down"


def decided(decision: Decision) -> ServiceView:
    return replace(VIEW, decided=Decided(decision=decision, at=0.0, inputs=None))


def said(reason: DecisionReason, *, to: int = 2, resources: tuple[str, ...] = ("cpu",)) -> str:
    direction = None if to == 2 else Direction.UP if to > 2 else Direction.DOWN
    decision = Decision(direction=direction, replicas=2, target=to, reason=reason, resources=resources)
    return sentence(decided(decision))


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
    view = replace(decided(decision), signals=(*VIEW.signals, HIGH_MEMORY))
    assert sentence(view) == f"Holding at 2: HighMemory fires, {why}"


def test_several_alerts_are_all_named() -> None:
    decision = Decision(
        direction=Direction.UP,
        replicas=1,
        target=2,
        reason=DecisionReason.ALERT_UP,
        resources=("cpu", "memory"),
    )
    view = replace(decided(decision), signals=(*VIEW.signals, HIGH_MEMORY))
    assert sentence(view) == "Going up from 1 to 2: HighCPU and HighMemory fire"


@pytest.mark.parametrize("reason", DecisionReason)
def test_every_reason_has_a_sentence_without_places_left_open(reason: DecisionReason) -> None:
    text = said(reason)
    begin = "A step is under way at 2 replicas" if reason is DecisionReason.STEPPING else "Holding at 2: "
    assert text.startswith(begin)
    assert "{" not in text


def test_while_a_step_is_under_way_nothing_is_held_and_an_order_is_named() -> None:
    assert said(DecisionReason.STEPPING) == "A step is under way at 2 replicas; a person asked for 3"


def test_nothing_is_said_before_anything_is_decided() -> None:
    assert sentence(replace(VIEW, decided=None)) == ""


def event(number: int, kind: EventKind, reason: str = "", *, service: str = "web", **detail: Any) -> Event:  # noqa: ANN401 - JSON
    return Event(id=number, at=0, kind=kind, reason=reason, text="", service=("shop", service), detail=detail)


def fired(number: int, scale: str, url: str, *, service: str = "web") -> Event:
    return event(number, EventKind.ALERT, labels={"scale": scale}, url=url, service=service)


def test_an_alert_has_its_own_and_what_follows_has_that_of_the_last_that_asked_the_same() -> None:
    events = [
        event(6, EventKind.STEP, why="alert_up"),
        event(5, EventKind.DECISION, "down_cooldown"),
        event(4, EventKind.DECISION, "alert_up"),
        fired(3, "down", DOWN),
        fired(2, "up", UP),
        fired(1, "up", "http://localhost:10090/older"),
    ]
    assert rule_links(events) == {
        1: "http://localhost:10090/older",
        2: UP,
        3: DOWN,
        4: UP,
        5: DOWN,
        6: UP,
    }


def test_another_service_and_what_no_alert_asked_for_have_none() -> None:
    events = [
        event(4, EventKind.STEP, why="manual"),
        event(3, EventKind.STEP, why="alert_up"),
        event(2, EventKind.REPLICA, "ready"),
        fired(1, "up", UP, service="api"),
    ]
    assert rule_links(events) == {1: UP}


def test_a_notification_links_to_its_own_rule_only() -> None:
    events = [event(2, EventKind.RELOAD, "reloaded"), event(1, EventKind.ALERT, url=UP, labels={"a": "b"})]
    assert rule_links(events) == {1: UP}
