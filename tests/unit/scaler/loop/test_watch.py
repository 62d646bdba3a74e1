"""The engine is followed, and its silence noticed."""

import threading
from dataclasses import replace

import pytest

from scaler.model.errors import UnavailableError
from scaler.model.records import EventQuery
from scaler.model.view import Readiness
from scaler.traffic.readiness import Check
from tests.fakes import until
from tests.unit.scaler.rig import (
    HIGH,
    Rig,
    labels,
    never,
    running,
)


class TestEngine:
    def test_an_engine_that_is_away_is_waited_for(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        rig.target.down = True
        with running(rig):
            with pytest.raises(UnavailableError):
                rig.submit(*HIGH)
            until(lambda: rig.metric("alertscale_errors_total", reason="engine_unavailable") > 1)
            assert not rig.reading.health().engine
            assert rig.metric("alertscale_engine_up") == 0
            rig.target.down = False
            # It answers a moment before all that it has is known.
            until(lambda: rig.reading.health().engine and rig.orders.watch.listed)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_an_engine_that_hangs_while_nothing_happens_is_noticed_and_its_return_too(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It accepts connections, keeps the stream of events open and tells of nothing."""
        monkeypatch.setattr("scaler.loop.watch.PING_EVERY", 0.01)
        rig.target.add(labels=labels())
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.target.down = True
            until(lambda: not rig.reading.health().engine)
            assert rig.metric("alertscale_engine_up") == 0
            rig.target.down = False
            until(lambda: rig.reading.health().engine)
            told = [
                e.text for e in rig.reading.events(EventQuery(limit=10)) if e.reason == "engine_unavailable"
            ]
            assert told == ["The engine answers again", told[1]]
            assert told[1].startswith("no answer from the engine to ")

    def test_events_that_were_lost_are_made_up_for_by_a_new_list(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.target.edit_unheard(next(iter(rig.target.replicas)), name="shop-web-renamed")
            never(lambda: rig.service().replicas[0].name != "shop-web-1", rig=rig)
            rig.clock.advance(31)
            until(lambda: rig.service().replicas[0].name == "shop-web-renamed")

    def test_a_broken_stream_of_events_is_followed_again(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.target.cut()
            until(lambda: not rig.target.listening)
            rig.target.add(number=2, labels=labels())
            rig.settle(["shop-web-1", "shop-web-2"])


def test_a_change_that_the_list_shows_late_is_seen_all_the_same(rig: Rig) -> None:
    """Engine 20.10 tells of the death of a replica before its list shows it."""
    rig.target.add(labels=labels())
    second = rig.target.add(number=2, labels=labels())
    with running(rig):
        rig.settle(["shop-web-1", "shop-web-2"])
        key, replica = rig.target.replicas[second]
        # Past the fake's own ways, which would tell of it: the event came and went before.
        rig.target.replicas[second] = (key, replace(replica, status="exited"))
        rig.clock.advance(1)
        until(lambda: rig.served() == ["shop-web-1"])


def test_a_replica_that_is_being_prepared_is_not_asked_and_gets_no_requests(rig: Rig) -> None:
    """Its program may listen, and answer 2xx, long before its ``post_start`` is over."""
    rig.target.add(labels=labels(max="2"))
    prepared = threading.Event()
    rig.target.before = lambda method, _: method != "run_hooks" or prepared.wait(10)
    with running(rig):
        rig.submit(*HIGH)
        until(lambda: len(rig.service().replicas) == 2)
        until(lambda: rig.service().replicas[1].detail == "its post_start is not over")
        never(lambda: len(rig.served()) == 2, rig=rig)
        prepared.set()
        rig.settle(["shop-web-1", "shop-web-2"])
        until(lambda: len(rig.served()) == 2)


def test_what_holds_without_a_label_for_the_time_to_be_ready_is_shown(rig: Rig) -> None:
    rig.target.add(labels={"alertscale.port": "5000"})
    rig.target.healthy = 89.0
    with running(rig):
        rig.settle(["shop-web-1"])
        limits = rig.service().limits

    assert limits is not None
    assert limits.probe.timeout == 89


class TestRoutes:
    """What labels say of the traffic, each replica's own, whatever else they say."""

    @pytest.mark.parametrize("bounds", [{"max": "ten"}, {"min": "5", "max": "2"}, {"maxx": "3"}])
    def test_a_label_that_cannot_be_read_costs_a_redeployed_service_no_request(
        self, rig: Rig, bounds: dict[str, str]
    ) -> None:
        first = rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.target.add(number=2, labels=labels(**bounds))
            rig.target.take(first)
            rig.settle(["shop-web-2"])
            assert rig.service().faults
            assert rig.service().limits is None
            rig.target.unready = {3}
            rig.target.add(number=3, labels=labels(**bounds))
            never(lambda: rig.served() != ["shop-web-2"], rig=rig)

    @pytest.mark.parametrize(("before", "port"), [({"port": "5000"}, 5000), ({}, 80)])
    def test_one_about_the_traffic_says_what_it_said_before_or_nothing(
        self, rig: Rig, before: dict[str, str], port: int
    ) -> None:
        first = rig.target.add(labels=labels(**before), ports=(80,))
        with running(rig):
            until(lambda: rig.nginx.servers("web") != [])
            new = rig.target.add(number=2, labels=labels(port="five", ready="no path"), ports=(80,))
            rig.target.take(first)
            (address,) = rig.target.replicas[new][1].addresses.values()
            until(lambda: rig.nginx.servers("web") == [f"{address}:{port}"])
            assert [fault.partition("alertscale.")[2] for fault in rig.service().faults] == [
                "ready: 'no path' is not an HTTP path that begins with a slash, such as /ready",
                "port: 'five' is not a whole number from 1 to 65535",
            ]

    def test_each_replica_is_asked_and_served_by_its_own(self, rig: Rig) -> None:
        """``up --no-recreate --scale`` leaves the older ones as they are."""
        asked: set[tuple[str, int, str]] = set()
        answer = rig.target.ask

        def ask(check: Check) -> Readiness:
            asked.add((check.address, check.port, check.path))
            return answer(check)

        rig.autoscaler.watch.prober.asker = ask
        old = rig.target.add(labels=labels(port="5000", ready="/old"))
        new = rig.target.add(number=2, labels=labels(port="7000", ready="/new"))
        at = {i: next(iter(rig.target.replicas[i][1].addresses.values())) for i in (old, new)}
        with running(rig):
            until(lambda: rig.nginx.servers("web") == sorted([f"{at[old]}:5000", f"{at[new]}:7000"]))
        assert asked == {(at[old], 5000, "/old"), (at[new], 7000, "/new")}


def test_one_that_was_started_anew_is_new_until_it_is_ready(rig: Rig) -> None:
    """Of one life it says nothing that another one served: its requests were 502."""
    replica = rig.target.add(labels=labels())
    with running(rig):
        rig.settle(["shop-web-1"])
        rig.target.unready = {1}
        rig.target.restart(replica)
        until(lambda: rig.served() == [], what="it is out of nginx")
        rig.target.unready = set()
        rig.settle(["shop-web-1"])
        assert not rig.world.view.readiness[replica].anew
