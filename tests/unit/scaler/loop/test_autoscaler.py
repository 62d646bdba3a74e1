"""The whole loop on an engine in memory: what alerts, people and accidents lead to."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scaler.loop.autoscaler import LOOK_AGAIN, PASS_EVERY
from scaler.model.errors import LabelError, RequestError, TargetError, UnavailableError
from scaler.model.reasons import Direction, EventKind, IgnoredReason, Outcome, Pause, Phase, ReplicaState
from tests.fakes import PATIENCE, until
from tests.unit.scaler.rig import (
    API,
    BLOG,
    HIGH,
    HIGH_ENDS,
    LOW,
    LOW_ENDS,
    QUICK,
    WEB,
    Rig,
    alert,
    labels,
    running,
    watchdog,
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A scaler that is wired and not started; whoever starts it uses ``running``."""
    made = Rig(home=tmp_path)
    yield made
    made.executor.shutdown()
    made.journal.close()


def never(condition: object, *, passes: int = 5, rig: Rig) -> None:
    """See that nothing comes of it in some more passes of the loop."""
    assert callable(condition)
    seen = rig.metric("alertscale_tick_seconds_count")
    until(lambda: rig.metric("alertscale_tick_seconds_count") >= seen + passes)
    assert not condition()


def seconds_left(rig: Rig) -> float:
    """How long the last decision holds; -1 when time alone does not change it."""
    decision = rig.service().decision
    return decision.until - rig.clock.time() if decision and decision.until else -1


class TestUp:
    def test_an_up_alert_adds_replicas_one_at_a_time_up_to_max(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2", "shop-web-3"])
            until(lambda: rig.reason() == "at_max")

        assert rig.target.calls == [
            "create shop-web-2",
            "start shop-web-2",
            "create shop-web-3",
            "start shop-web-3",
        ]

    def test_it_stops_when_the_alert_is_resolved(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: len(rig.names()) > 1)
            rig.submit(*HIGH_ENDS)
            until(lambda: rig.reason() == "steady")
            names = rig.names()
            never(lambda: rig.names() != names, rig=rig)

    def test_the_cooldown_passes_between_two_steps(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "10s"})
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.reason() == "up_cooldown")
            rig.clock.advance(10)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2", "shop-web-3"])

    def test_what_it_was_decided_on_is_shown_in_the_time_of_the_wall_clock(self, rig: Rig) -> None:
        slack = 2.0  # Two clocks are read one after the other, and on a busy machine much lies between.
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "10s", "alertscale.cooldown.down": "40s"})
        with running(rig):
            before = rig.clock.time()
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "up_cooldown")
            view, now = rig.service(), rig.clock.time()

        (signal,), inputs = view.signals, rig.inputs(view)
        assert before - slack < signal.first_heard <= signal.last_heard < now + slack
        assert inputs.last_change is not None
        assert before - slack < inputs.last_change < now + slack
        assert inputs.cooldown_up_until == pytest.approx(inputs.last_change + 10)
        assert inputs.cooldown_down_until == pytest.approx(inputs.last_change + 40)
        assert view.decision is not None
        assert view.decision.until == pytest.approx(inputs.cooldown_up_until)
        assert (inputs.replicas, inputs.up, inputs.down, inputs.signal_ttl) == (2, ("cpu",), (), 15.0)
        assert inputs.watched

    def test_a_wider_step_adds_several_at_once(self, rig: Rig) -> None:
        rig.target.add(labels=labels(step="3", max="4"))
        with running(rig):
            rig.submit(*HIGH)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3, 4)])

    def test_a_new_replica_gets_traffic_only_when_it_is_ready(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "30s"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: len(rig.names()) == 2)
            never(lambda: rig.served() != ["shop-web-1"], rig=rig)
            states = [replica.state for replica in rig.service().replicas]
            rig.target.unready = set()
            rig.settle(["shop-web-1", "shop-web-2"])

        assert states == [ReplicaState.READY, ReplicaState.STARTING]

    def test_it_is_journalled_with_the_time_of_each_phase(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            (event,) = rig.steps(1)

        assert (event.service, event.reason, event.text) == (WEB, "done", "up: replica 2 done")
        assert event.detail["phases"].keys() == {"create", "start", "ready"}
        name = "alertscale_scale_total"
        assert rig.metric(name, project="shop", service="web", direction="up", outcome="done") == 1

    def test_below_min_is_made_up_for_without_an_alert(self, rig: Rig) -> None:
        rig.target.add(labels=labels(min="3"))
        with running(rig):
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])

    def test_a_number_is_above_those_of_dead_replicas(self, rig: Rig) -> None:
        """Compose counts them, and their names are taken."""
        rig.target.add(labels=labels(max="2"))
        rig.target.add(number=5, status="exited", labels=labels(max="2"))
        with running(rig):
            until(lambda: rig.reason() == "blind")
            rig.clock.advance(3)
            rig.submit(*HIGH)
            until(lambda: "shop-web-6" in rig.names())


class TestDown:
    def add(self, rig: Rig, count: int = 3, **values: str) -> list[str]:
        return [rig.target.add(number=n + 1, labels=labels(**values)) for n in range(count)]

    def test_down_alerts_for_all_resources_remove_the_highest_down_to_min(self, rig: Rig) -> None:
        self.add(rig)
        with running(rig):
            rig.submit(*LOW)
            rig.settle(["shop-web-1"])
            until(lambda: rig.reason() == "at_min")
            never(lambda: rig.names() != ["shop-web-1"], rig=rig)

        assert rig.target.calls == [
            "stop shop-web-3",
            "remove shop-web-3",
            "stop shop-web-2",
            "remove shop-web-2",
        ]

    def test_nginx_lets_go_of_it_before_it_is_stopped(self, rig: Rig) -> None:
        self.add(rig, 2)
        served: list[list[str]] = []
        rig.target.before = lambda method, _: served.append(rig.served()) if method == "stop" else None
        with running(rig):
            rig.submit(*LOW)
            rig.settle(["shop-web-1"])

        assert served == [["shop-web-1"]]

    def test_it_is_stopped_only_when_the_old_workers_are_gone(self, rig: Rig) -> None:
        """They carry the requests in flight."""
        self.add(rig, 2)
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.nginx.keeps_old = True
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            never(lambda: rig.target.calls, rig=rig)
            states = [replica.state for replica in rig.service().replicas]
            rig.nginx.retire()
            rig.settle(["shop-web-1"])

        assert states == [ReplicaState.READY, ReplicaState.DRAINING]

    def test_but_not_longer_than_its_drain_time(self, rig: Rig) -> None:
        self.add(rig, 2, drain="50ms")
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.nginx.keeps_old = True
            rig.submit(*LOW)
            rig.settle(["shop-web-1"])

    def test_one_low_resource_is_not_enough(self, rig: Rig) -> None:
        self.add(rig, 2)
        with running(rig):
            rig.submit(watchdog(), alert("down"))
            until(lambda: rig.reason() == "not_all_low")
            never(lambda: rig.target.calls, rig=rig)

    def test_without_the_watchdog_nothing_is_removed(self, rig: Rig) -> None:
        self.add(rig, 2)
        with running(rig):
            rig.submit(*LOW[1:])
            until(lambda: rig.inputs().down == ("cpu", "memory"))
            assert not rig.inputs().watched
            until(lambda: rig.reason() == "blind")
            never(lambda: rig.target.calls, rig=rig)

    def test_alerts_that_are_not_heard_of_any_more_are_forgotten(self, rig: Rig) -> None:
        self.add(rig, 2, pause="down")
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "paused")
            rig.clock.advance(15.1)
            until(lambda: rig.service().signals == ())
            until(lambda: rig.reason() == "blind")

    def test_up_beats_down(self, rig: Rig) -> None:
        self.add(rig, 2, max="3")
        with running(rig):
            rig.submit(*HIGH, *LOW)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            until(lambda: rig.reason() == "at_max")
            never(lambda: len(rig.names()) != 3, rig=rig)

    def test_above_max_is_put_right_without_an_alert(self, rig: Rig) -> None:
        self.add(rig, 4, max="2")
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])


class TestFailures:
    def test_a_replica_that_does_not_become_ready_is_removed_and_why_is_told(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "50ms"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)
            until(lambda: rig.names() == ["shop-web-1"])

        assert rig.target.calls == ["create shop-web-2", "start shop-web-2", "discard shop-web-2"]
        assert event.reason == "failed"
        assert "not_ready: not ready within 0.05 s: 172.18.0." in event.text
        assert event.text.endswith("answers 503, not 2xx")
        assert rig.metric("alertscale_errors_total", reason="not_ready") == 1

    def test_after_failures_the_next_try_waits_twice_as_long_each_time(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "10ms"})
        rig.target.unready = set(range(2, 9))
        with running(rig):
            for wait in (10, 20, 40):
                rig.submit(*HIGH)
                until(lambda: seconds_left(rig) == pytest.approx(wait, abs=2))  # noqa: B023
                rig.clock.advance(wait)

    def test_a_success_ends_the_waiting(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "50ms"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            rig.target.unready = set()
            rig.clock.advance(10)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.target.calls[-2:] == ["create shop-web-2", "start shop-web-2"]

    def test_a_replica_that_exits_is_removed_at_once(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "1h"})
        rig.target.exits = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)

        assert rig.names() == ["shop-web-1"]
        assert "replica_exited: it exited before it was ready" in event.text

    def test_what_the_engine_refuses_is_told(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.broken["create"] = TargetError("cannot make another replica: container_name")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)

        assert "cannot make another replica: container_name" in event.text

    def test_a_failed_replica_that_could_not_be_removed_is_not_forgotten(self, rig: Rig) -> None:
        """It is removed later, or serves and counts; never a container that nobody knows of."""
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "50ms"})
        rig.target.unready = {2}
        rig.target.broken["discard"] = TargetError("the engine refused to remove it: device is busy")
        with running(rig):
            rig.submit(*HIGH)
            rig.steps(1)
            del rig.target.broken["discard"]
            rig.target.unready = set()
            rig.clock.advance(31)
            until(
                lambda: all(r.state is not ReplicaState.DRAINING for r in rig.service().replicas),
                seconds=3,
                what="no replica is draining for ever",
            )

    def test_a_dead_replica_is_reaped_while_others_live(self, rig: Rig) -> None:
        first = rig.target.add(labels=labels())
        rig.target.add(number=2, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.kill(first)
            until(lambda: rig.served() == ["shop-web-2"])
            never(lambda: rig.target.calls, rig=rig)
            rig.clock.advance(10)
            rig.settle(["shop-web-2"])

        assert rig.target.calls == ["remove shop-web-1"]

    def test_a_service_that_is_stopped_is_left_alone(self, rig: Rig) -> None:
        """Whoever stops a service by hand wants it stopped."""
        ids = [rig.target.add(number=n, labels=labels()) for n in (1, 2)]
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            for replica in ids:
                rig.target.kill(replica)
            until(lambda: rig.reason() == "stopped")
            rig.clock.advance(60)
            rig.submit(*HIGH)
            never(lambda: rig.target.calls, rig=rig)
            assert rig.nginx.servers("web") != []

    def test_a_lost_replica_is_made_up_for_after_a_moment(self, rig: Rig) -> None:
        ids = [rig.target.add(number=n, labels=labels(min="2")) for n in (1, 2)]
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.kill(ids[1])
            until(lambda: rig.reason() == "backoff")
            rig.clock.advance(3)
            until(lambda: "shop-web-3" in rig.names())

    def test_while_it_is_deployed_nothing_is_done(self, rig: Rig) -> None:
        rig.target.add(labels=labels(min="3"))
        rig.target.add(number=2, version="v2", labels=labels(min="3"))
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "deploying")
            never(lambda: rig.target.calls, rig=rig)

    def test_what_a_deploy_names_leaves_at_once_beyond_max_and_pause_and_the_new_ones_stay(
        self, rig: Rig
    ) -> None:
        """The old ones carry the lower numbers: a step down would take the new ones."""
        limits = labels(max="2") | {"alertscale.pause": "all"}
        old = [rig.target.add(number=n, labels=limits) for n in (1, 2)]
        for number in (3, 4):
            rig.target.add(number=number, version="v2", labels=limits)
        with running(rig):
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3, 4)])
            rig.autoscaler.retire("web", (old[0], "shop-web-2"))
            rig.settle(["shop-web-3", "shop-web-4"])
            assert {event.detail["why"] for event in rig.steps(2)} == {"retire"}

    def test_what_a_deploy_names_leaves_only_while_another_is_ready(self, rig: Rig) -> None:
        old = rig.target.add(labels=labels())
        rig.target.unready = {2}
        rig.target.add(number=2, version="v2", labels=labels())
        with running(rig):
            until(lambda: rig.served() == ["shop-web-1"])
            with pytest.raises(RequestError, match="no other replica of web is ready"):
                rig.autoscaler.retire("web", (old,))
            with pytest.raises(RequestError, match="no replica of web is called 'shop-web-9'; known: shop"):
                rig.autoscaler.retire("web", ("shop-web-9",))
            rig.autoscaler.retire("web", ("shop-web-2",))
            rig.settle(["shop-web-1"])

    def test_a_retirement_that_fails_is_not_begun_again_by_itself(self, rig: Rig) -> None:
        old = rig.target.add(labels=labels())
        rig.target.add(number=2, version="v2", labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.broken["stop"] = TargetError("the engine refused")
            rig.autoscaler.retire("web", (old,))
            (event,) = rig.steps(1)
            assert event.reason == "failed"
            never(lambda: len(rig.events(EventKind.STEP)) > 1, rig=rig)
            del rig.target.broken["stop"]
            rig.autoscaler.retire("web", (old,))
            rig.settle(["shop-web-2"])

    def test_an_engine_that_is_away_is_waited_for(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        rig.target.down = True
        with running(rig):
            with pytest.raises(UnavailableError):
                rig.submit(*HIGH)
            until(lambda: rig.metric("alertscale_errors_total", reason="engine_unavailable") > 1)
            assert not rig.autoscaler.health().engine
            assert rig.metric("alertscale_engine_up") == 0
            rig.target.down = False
            until(lambda: rig.autoscaler.health().engine)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_on_a_full_disk_nothing_is_scaled_and_with_space_again_one_step_is_taken(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.state.recorder._HEAL_EVERY", 0.05)
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.journal._db.execute("PRAGMA query_only = ON")
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "journal")
            assert "disk full" in rig.autoscaler.health().journal_error
            never(lambda: rig.target.calls, rig=rig)
            rig.journal._db.execute("PRAGMA query_only = OFF")
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.target.calls == ["create shop-web-2", "start shop-web-2"]
        assert rig.autoscaler.health().journal_error == ""

    def test_a_step_that_a_full_disk_cut_short_goes_on_before_another_begins(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.state.recorder._HEAL_EVERY", 0.05)
        rig.target.add(labels=labels(max="3"))
        disk = rig.journal._db

        def fill(method: str, _replica: str) -> None:
            if method == "create":
                disk.execute("PRAGMA query_only = ON")

        with running(rig):
            rig.settle(["shop-web-1"])
            rig.target.before = fill
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "journal")
            assert rig.target.calls == ["create shop-web-2"]
            rig.submit(*HIGH_ENDS)
            disk.execute("PRAGMA query_only = OFF")
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.target.calls == ["create shop-web-2", "start shop-web-2"]

    def test_an_engine_that_hangs_while_nothing_happens_is_noticed_and_its_return_too(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It accepts connections, keeps the stream of events open and tells of nothing."""
        monkeypatch.setattr("scaler.loop.autoscaler.PING_EVERY", 0.01)
        rig.target.add(labels=labels())
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.target.down = True
            until(lambda: not rig.autoscaler.health().engine)
            assert rig.metric("alertscale_engine_up") == 0
            rig.target.down = False
            until(lambda: rig.autoscaler.health().engine)
            told = [e.text for e in rig.autoscaler.events(limit=10) if e.reason == "engine_unavailable"]
            assert told == ["the engine answers again", told[1]]
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

    def test_a_fault_of_its_own_does_not_end_the_loop(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        faults = iter([ZeroDivisionError("a bug")])

        def once(method: str, _replica: str) -> None:
            if method == "observe":
                for fault in faults:
                    raise fault

        rig.target.before = once
        with running(rig):
            until(rig.autoscaler.services, seconds=5)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.metric("alertscale_errors_total", reason="internal") == 1


class TestIndependence:
    def test_a_slow_replica_of_one_service_does_not_hold_up_another(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "1h"})
        rig.target.add(API, labels=labels(max="3"))
        rig.target.before = lambda method, replica: (
            rig.target.unready.add(2) if method == "start" and "web" in replica else None
        )
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "stepping")
            rig.target.unready.clear()
            rig.target.before = lambda _method, _replica: None
            rig.submit(alert("up", service="api"))
            rig.settle([f"shop-api-{n}" for n in (1, 2, 3)], API)

    def test_labels_that_cannot_be_read_stop_their_own_service_only(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="many", drain="soon"))
        rig.target.add(API, labels=labels(max="2"))
        with running(rig):
            (bad,) = rig.autoscaler.submit([alert("up")])
            rig.submit(alert("up", service="api"))
            rig.settle(["shop-api-1", "shop-api-2"], API)
            web = rig.service()
            faults = [event.text for event in rig.events(EventKind.FAULT)]

        assert bad.ignored is IgnoredReason.LABEL_FAULT
        assert rig.names() == ["shop-web-1"]
        assert (web.limits, web.decision) == (None, None)
        assert web.faults == (
            "/srv/compose.yml: service web: alertscale.max: 'many' is not a whole number from 1 to 1000",
            (
                "/srv/compose.yml: service web: alertscale.drain: 'soon' is not a duration such as"
                " 500ms, 10s or 1m30s, at most 720h"
            ),
        )
        assert sorted(faults) == sorted(web.faults)

    def test_a_replica_that_cannot_be_reaped_stops_nobody_else(self, rig: Rig) -> None:
        """Services are decided on in the order of their names."""
        rig.target.add(API, labels=labels())
        rig.target.add(API, number=2, status="exited", labels=labels())
        rig.target.add(labels=labels(max="2"))
        rig.journal.set_pause(WEB, Pause.ALL)
        rig.target.broken["remove"] = TargetError("the engine refused to remove shop-api-2: device is busy")
        with running(rig):
            until(lambda: rig.reason() == "paused")
            rig.clock.advance(11)
            until(lambda: rig.metric("alertscale_errors_total", reason="engine_refused"))
            rig.autoscaler.pause("web", Pause.NONE)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_a_replica_that_cannot_be_reaped_does_not_fill_the_history(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.add(number=2, status="exited", labels=labels())
        rig.target.broken["remove"] = TargetError("the engine refused to remove shop-web-2: device is busy")
        with running(rig):
            until(lambda: rig.reason() == "blind")
            rig.clock.advance(11)
            until(lambda: rig.metric("alertscale_errors_total", reason="engine_refused") > 3)
            told = [event.text for event in rig.events(EventKind.REPLICA)]

        assert told.count("shop-web-2 had exited and is removed") <= 1

    def test_a_foreign_project_is_scaled_under_its_own_name(self, rig: Rig) -> None:
        rig.target.add(BLOG, labels=labels(max="2"))
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["blog-web-1", "blog-web-2"], BLOG)


class TestByHand:
    def test_a_count_is_reached_step_by_step_whatever_the_cooldown(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "1h", "alertscale.cooldown.down": "1h"})
        with running(rig):
            assert rig.autoscaler.scale("web", 3).wanted == 3
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            until(lambda: rig.service().wanted is None)
            rig.autoscaler.scale("shop/web", 2)
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.service().wanted is None)
            rig.autoscaler.scale("web", 1)
            rig.settle(["shop-web-1"])
            manual = [event.text for event in rig.events(EventKind.MANUAL)]

        assert manual == ["asked for 1 replica", "asked for 2 replicas", "asked for 3 replicas"]

    def test_once_reached_alerts_count_again(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            rig.autoscaler.scale("web", 2)
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.submit(*HIGH)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])

    @pytest.mark.parametrize("count", [0, -1, 4])
    def test_a_count_out_of_bounds_is_refused(self, rig: Rig, count: int) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            with pytest.raises(
                RequestError, match=f"replicas: {count} is not within.*min 1.*max 3"
            ) as caught:
                rig.autoscaler.scale("web", count)
            assert rig.service().wanted is None
        assert caught.value.status == 409

    def test_an_order_beyond_a_max_that_was_lowered_since_is_given_up(self, rig: Rig) -> None:
        """Or it would pull the service up to max again after each step down, for ever."""
        rig.journal.set_wanted(WEB, 9)
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.service().wanted is None)

    def test_pausing_holds_and_letting_go_goes_on(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            assert rig.autoscaler.pause("web", Pause.ALL).pause is Pause.ALL
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "paused")
            never(lambda: rig.target.calls, rig=rig)
            rig.autoscaler.pause("web", Pause.NONE)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_a_pause_outlives_the_process(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.autoscaler.pause("web", Pause.UP)
        rig.wire()
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "paused")
            assert rig.service().pause is Pause.UP

    def test_names_are_looked_up(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.add(BLOG, labels=labels())
        rig.target.add(("blog", "api"), labels=labels())
        rig.target.add(("wiki", "api"), labels=labels())
        rig.target.add(("wiki", "bad"), labels=labels(max="x"))
        with running(rig):
            assert rig.autoscaler.pause("web", Pause.NONE).key == WEB
            assert rig.autoscaler.pause("blog/web", Pause.NONE).key == BLOG
            for name, said in (("nope", "no service is called 'nope'"), ("api", "several services are")):
                with pytest.raises(RequestError, match=f"{said}.*known: blog/api, blog/web") as caught:
                    rig.autoscaler.pause(name, Pause.NONE)
                assert caught.value.status == 404
            with pytest.raises(LabelError, match=r"alertscale\.max: 'x'"):
                rig.autoscaler.scale("bad", 2)

    def test_replicas_made_or_killed_by_others_are_taken_up(self, rig: Rig) -> None:
        """``docker compose up --scale`` and ``docker kill``."""
        rig.target.add(labels=labels())
        with running(rig):
            others = [rig.target.add(number=n, labels=labels()) for n in (2, 3)]
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            rig.target.kill(others[0])
            until(lambda: rig.served() == ["shop-web-1", "shop-web-3"])


class TestOthers:
    """``docker compose up``, ``docker stop``: what people do beside the scaler."""

    def test_a_replica_that_is_asked_to_stop_gets_no_new_requests_though_it_runs(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        second = rig.target.add(number=2, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.ask_to_stop(second)
            until(lambda: rig.served() == ["shop-web-1"])
            assert [r.state for r in rig.service().replicas] == [ReplicaState.READY, ReplicaState.DRAINING]
            told = [event.text for event in rig.events(EventKind.REPLICA)]

        assert "shop-web-2 was asked to stop, not by alertscale; it gets no new requests" in told

    def test_one_that_did_not_stop_is_let_back_in(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        second = rig.target.add(number=2, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.ask_to_stop(second)
            until(lambda: rig.served() == ["shop-web-1"])
            rig.clock.advance(61)
            until(lambda: rig.served() == ["shop-web-1", "shop-web-2"])

    def test_what_a_plain_up_took_is_there_again_when_the_load_needs_it(self, rig: Rig) -> None:
        """Three at once, though a step is one and the cooldown an hour."""
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "1h"})
        taken = [rig.target.add(number=n, labels=labels()) for n in (2, 3, 4)]
        with running(rig):
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3, 4)])
            for replica in taken:
                rig.target.ask_to_stop(replica)
                rig.target.kill(replica)
                rig.target.take(replica)
            rig.settle(["shop-web-1"])
            until(lambda: len(rig.service().replicas) == 1, what="the engine's new list read")
            rig.submit(*HIGH)
            rig.clock.advance(4)  # it settles first: whoever stops a service stops all of it
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3, 4)])
            assert {event.detail["why"] for event in rig.steps(3)} == {"restore"}

    def test_an_alert_at_the_moment_of_a_plain_up_fails_nothing_and_the_rest_follows(self, rig: Rig) -> None:
        """The replica to copy goes between the decision and the copying."""
        rig.target.add(labels=labels())
        second = rig.target.add(number=2, labels=labels())

        def take_model(method: str, replica: str) -> None:
            if method == "create" and replica == second:
                rig.target.take(second)

        rig.target.before = take_model
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.submit(*HIGH)
            until(lambda: rig.events(EventKind.STEP), what="the step that finds no model")
            until(lambda: len(rig.service().replicas) == 1, what="the engine's new list read")
            rig.clock.advance(4)
            until(lambda: len(rig.events(EventKind.STEP)) > 1, what="the next step")
            assert [event.reason for event in reversed(rig.events(EventKind.STEP))][:2] == ["undone", "done"]

    def test_what_was_taken_long_ago_comes_back_one_at_a_time(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        taken = rig.target.add(number=2, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.take(taken)
            until(lambda: len(rig.service().replicas) == 1)
            never(lambda: rig.target.calls, rig=rig)
            rig.clock.advance(61)
            rig.submit(*HIGH)
            until(lambda: rig.events(EventKind.STEP))
            assert "restore" not in {event.detail["why"] for event in rig.events(EventKind.STEP)}

    def test_it_is_known_to_a_scaler_that_was_replaced_together_with_the_service(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        taken = [rig.target.add(number=n, labels=labels()) for n in (2, 3)]
        with running(rig):
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
        for replica in taken:
            rig.target.take(replica)
        rig.wire()
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.submit(*HIGH)
            assert {event.detail["why"] for event in rig.steps(2)} == {"restore"}

    def test_our_own_steps_down_are_not_undone(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            rig.autoscaler.scale("web", 3)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            rig.autoscaler.scale("web", 1)
            rig.settle(["shop-web-1"])
            until(lambda: rig.service().wanted is None)
            rig.submit(*HIGH)
            until(lambda: len(rig.events(EventKind.STEP)) >= 5)
            assert "restore" not in {event.detail["why"] for event in rig.events(EventKind.STEP)}


class TestSubmit:
    def test_before_the_engine_was_listed_nothing_can_be_judged(self, rig: Rig) -> None:
        with pytest.raises(UnavailableError, match="try again") as caught:
            rig.submit(*HIGH)
        assert caught.value.status == 503

    def test_each_alert_gets_its_answer_in_order(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.others = frozenset({("shop", "db")})
        with running(rig):
            verdicts = rig.autoscaler.submit(
                [watchdog(), alert("up"), alert("up", service="db"), alert("up", service="nope")]
            )

        assert [v.ignored for v in verdicts] == [
            None,
            None,
            IgnoredReason.NOT_ENABLED,
            IgnoredReason.UNKNOWN_SERVICE,
        ]

    def test_a_notification_of_many_alerts_is_one_commit(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.autoscaler.run_once()
        statements: list[str] = []
        rig.journal._db.set_trace_callback(statements.append)
        rig.submit(*HIGH, *(alert("up", service=f"nobody-{n}") for n in range(100)))
        rig.journal._db.set_trace_callback(None)

        assert statements.count("COMMIT") == 1
        assert (statements[0], statements[-1]) == ("BEGIN IMMEDIATE", "COMMIT")
        assert len(rig.events(EventKind.ALERT)) == 101

    def test_repeated_notifications_are_one_event_and_one_step(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "1h"})
        with running(rig):
            for _ in range(5):
                rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.submit(*HIGH)
            rig.submit(*HIGH_ENDS)
            told = [event.text for event in rig.events(EventKind.ALERT)]

        assert told == ["up-cpu resolved: cpu of web", "up-cpu firing: cpu of web"]

    def test_a_notification_is_shown_and_never_acted_on(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        disk = alert("up")
        notification = type(disk)(
            firing=True, labels={"alertname": "Disk", "service": "web"}, annotations={"summary": "full"}
        )
        with running(rig):
            rig.submit(watchdog(), notification)
            (event,) = rig.events(EventKind.ALERT)
            never(lambda: rig.target.calls, rig=rig)

        assert event.text == "Disk firing: full"

    def test_signals_are_shown_with_their_service(self, rig: Rig) -> None:
        rig.target.add(labels=labels(pause="all"))
        with running(rig):
            rig.submit(*LOW)
            signals = rig.service().signals
            rig.submit(*LOW_ENDS)
            after = rig.service().signals

        assert {(s.direction, s.resource) for s in signals} == {
            (Direction.DOWN, "cpu"),
            (Direction.DOWN, "memory"),
        }
        assert after == ()

    def test_a_signal_tells_when_it_was_last_heard_of(self, rig: Rig) -> None:
        rig.target.add(labels=labels(pause="all"))
        with running(rig):
            rig.submit(*HIGH)
            rig.clock.advance(10)
            before = rig.service().signals[0].last_heard
            rig.submit(*HIGH)
            after = rig.service().signals[0].last_heard

        assert 10 <= after - before < 10 + PATIENCE
        assert rig.clock.time() - after < PATIENCE


class TestRestart:
    def test_the_cooldown_of_the_journal_holds_after_a_restart(self, rig: Rig) -> None:
        for number in (1, 2):
            rig.target.add(number=number, labels=QUICK | {"alertscale.cooldown.up": "1h"})
        step = rig.journal.begin(
            service=WEB,
            direction=Direction.UP,
            number=2,
            why="alert_up",
            phase=Phase.CREATE,
            now=rig.clock.time() - 70,
        )
        rig.journal.finish(step.id, outcome=Outcome.DONE, now=rig.clock.time() - 60)
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "up_cooldown")
            assert seconds_left(rig) == pytest.approx(3540, abs=5)

    def test_a_scaler_that_stops_leaves_its_step_to_the_next(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "1h"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: len(rig.names()) == 2)
            until(lambda: any(s.phase is Phase.READY for s in rig.journal.unfinished()))
            until(lambda: rig.reason() == "stepping")
        assert rig.names() == ["shop-web-1", "shop-web-2"]
        assert rig.served() == ["shop-web-1"]

        rig.target.unready = set()
        rig.wire()
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            outcomes = [event.reason for event in rig.steps(1)]
        assert outcomes == ["done"]

    def test_a_drain_that_was_cut_short_is_gone_on_with_and_gets_no_traffic(self, rig: Rig) -> None:
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.nginx.keeps_old = True
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            until(lambda: any(s.phase is Phase.DRAIN for s in rig.journal.unfinished()))
        assert rig.names() == ["shop-web-1", "shop-web-2"]

        back: list[str] = []
        rig.nginx.before = lambda method: back.extend(rig.served()) if method == "reload" else None
        rig.wire()
        with running(rig):
            until(lambda: rig.nginx.reloads > 2)
            rig.nginx.retire()
            rig.settle(["shop-web-1"])
        assert "shop-web-2" not in back

    def test_a_resumed_step_keeps_to_the_labels_of_its_service(self, rig: Rig) -> None:
        """The default would wait for the old workers for 30 s."""
        ids = [rig.target.add(number=n, labels=labels(drain="50ms")) for n in (1, 2)]
        rig.nginx.keeps_old = True
        rig.journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=2,
            why="alert_down",
            phase=Phase.DRAIN,
            now=rig.clock.time(),
            replica=ids[1],
        )
        begun = time.monotonic()
        with running(rig):
            rig.settle(["shop-web-1"])

        assert time.monotonic() - begun < 5

    def test_an_engine_that_is_away_at_the_start_is_waited_for_with_unfinished_steps(self, rig: Rig) -> None:
        ids = [rig.target.add(number=n, labels=labels()) for n in (1, 2)]
        rig.journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=2,
            why="alert_down",
            phase=Phase.STOP,
            now=rig.clock.time(),
            replica=ids[1],
        )
        rig.target.down = True
        with running(rig):
            until(lambda: rig.metric("alertscale_errors_total", reason="engine_unavailable") > 1)
            rig.target.down = False
            rig.settle(["shop-web-1"])


def test_the_loop_ends_when_it_is_told_to(rig: Rig) -> None:
    before = set(threading.enumerate())
    with running(rig):
        pass

    left = [t.name for t in set(threading.enumerate()) - before if not t.name.startswith("ThreadPool")]
    assert left == []


def test_health_is_measured(rig: Rig) -> None:
    rig.target.add(labels=labels())
    with running(rig):
        rig.submit(watchdog())
        rig.clock.advance(7)
        until(lambda: rig.autoscaler.health().passes_age < 1)
        health = rig.autoscaler.health()

    assert health.engine
    assert health.watchdog_age == pytest.approx(7, abs=1)
    assert health.balancer_error == ""


def test_there_is_a_pass_every_few_seconds_however_long_the_tick(tmp_path: Path) -> None:
    """Else the page's lamp would go out while all is well."""
    rig = Rig(home=tmp_path, tick=60)
    try:
        rig.autoscaler.run_once()
        rig.clock.advance(LOOK_AGAIN)
        rig.autoscaler.run_once()

        assert rig.autoscaler.run_once() == pytest.approx(PASS_EVERY, abs=0.1)
    finally:
        rig.executor.shutdown()
        rig.journal.close()


def test_what_nginx_refuses_is_told_by_health_and_goes_on(rig: Rig) -> None:
    rig.target.add(labels=labels(max="2"))
    with running(rig):
        rig.settle(["shop-web-1"])
        rig.nginx.refuses = TargetError("nginx is paused")
        rig.submit(*HIGH)
        until(lambda: rig.autoscaler.health().balancer_error == "nginx is paused")
        rig.nginx.refuses = None
        rig.clock.advance(2)
        rig.submit(*HIGH)
        rig.settle(["shop-web-1", "shop-web-2"])
        assert rig.autoscaler.health().balancer_error == ""


def test_history_pages(rig: Rig) -> None:
    rig.target.add(labels=labels(max="3"))
    with running(rig):
        rig.submit(*HIGH)
        rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
        first = rig.autoscaler.events(limit=3)
        second = rig.autoscaler.events(limit=3, before=first[-1].id)

    ids = [event.id for event in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6


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
