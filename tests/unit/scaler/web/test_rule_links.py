"""Which rule an entry of the history goes back to."""

from typing import Any

from scaler.model.reasons import EventKind
from scaler.model.records import Event
from scaler.web.rule_links import rule_links

UP = "http://localhost:10090/graph?g0.expr=up"
DOWN = "http://localhost:10090/graph?g0.expr=down"


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
