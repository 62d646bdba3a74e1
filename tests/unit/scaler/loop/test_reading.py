"""What the API and the status page read."""

import pytest

from scaler.model.errors import TargetError
from tests.fakes import until
from tests.unit.scaler.rig import (
    HIGH,
    Rig,
    labels,
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
        first = rig.reading.events(limit=3)
        second = rig.reading.events(limit=3, before=first[-1].id)

    ids = [event.id for event in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6
