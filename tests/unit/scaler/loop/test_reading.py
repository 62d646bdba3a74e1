"""What the API and the status page read."""

import pytest

from scaler.model.errors import TargetError
from scaler.model.records import EventQuery
from tests.fakes import until
from tests.unit.scaler.rig import (
    HIGH,
    Rig,
    labels,
    never,
    running,
    watchdog,
)


def test_health_is_measured(rig: Rig) -> None:
    rig.target.add(labels=labels())
    with running(rig):
        rig.submit(watchdog())
        rig.clock.advance(7)
        until(lambda: rig.reading.health().passes_age < 1)
        health = rig.reading.health()

    assert health.engine
    assert health.watchdog_age == pytest.approx(7, abs=1)
    assert health.balancer_error == ""


def test_a_pass_that_fails_by_a_fault_of_our_own_is_no_sign_of_life(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    rig.target.add(labels=labels())
    with running(rig):
        monkeypatch.setattr(rig.autoscaler.traffic, "sync", fails)
        until(lambda: rig.metric("alertscale_errors_total", reason="internal"), what="a pass has failed")
        rig.clock.advance(70)
        never(lambda: rig.reading.health().passes_age < 70, rig=rig)
        monkeypatch.undo()
        until(lambda: rig.reading.health().passes_age < 1)


def test_that_the_engine_is_away_is_told_as_that(rig: Rig) -> None:
    rig.target.add(labels=labels())
    with running(rig):
        rig.target.down = True
        rig.target.cut()
        until(lambda: not rig.reading.health().engine)
        rig.clock.advance(70)
        until(lambda: rig.reading.health().passes_age < 1)


def test_what_nginx_refuses_is_told_by_health_and_goes_on(rig: Rig) -> None:
    rig.target.add(labels=labels(max="2"))
    with running(rig):
        rig.settle(["shop-web-1"])
        rig.nginx.refuses = TargetError("nginx is paused")
        rig.submit(*HIGH)
        until(lambda: rig.reading.health().balancer_error == "nginx is paused")
        rig.nginx.refuses = None
        rig.clock.advance(2)
        rig.submit(*HIGH)
        rig.settle(["shop-web-1", "shop-web-2"])
        assert rig.reading.health().balancer_error == ""


def test_history_pages(rig: Rig) -> None:
    rig.target.add(labels=labels(max="3"))
    with running(rig):
        rig.submit(*HIGH)
        rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
        first = rig.reading.events(EventQuery(limit=3))
        second = rig.reading.events(EventQuery(limit=3, before=first[-1].id))

    ids = [event.id for event in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6
