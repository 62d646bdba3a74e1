"""The whole loop on an engine in memory: what alerts, people and accidents lead to."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from scaler.loop.knowledge import Known
from scaler.loop.outside_changes import BACK_AFTER
from scaler.loop.rhythm import PASS_EVERY
from scaler.loop.watch import LOOK_AGAIN
from scaler.model.errors import JournalError, RequestError, TargetError
from scaler.model.hooks import HookKind
from scaler.model.reasons import (
    Direction,
    ErrorReason,
    EventKind,
    IgnoredReason,
    Outcome,
    Pause,
    Phase,
    ReplicaState,
)
from scaler.model.records import Step
from scaler.model.services import Health, Service
from scaler.model.view import Readiness
from scaler.policy.relief import Shares
from scaler.policy.scaling import Demand
from scaler.policy.signals import AtSource
from scaler.steps.runner import AGAIN_AFTER
from scaler.traffic.readiness import Check
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
    at_source,
    labels,
    never,
    running,
    seconds_left,
    watchdog,
)


def gets_requests(rig: Rig, *numbers: int) -> list[float | None]:
    """What Prometheus is told of these replicas."""
    labels = [{"project": "shop", "service": "web", "name": f"shop-web-{number}"} for number in numbers]
    return [rig.metrics.registry.get_sample_value("alertscale_replica_serving", one) for one in labels]


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

        (signal,), inputs, changed = view.signals, rig.inputs(view), rig.inputs(view).state.waits.last_change
        assert before - slack < signal.first_heard <= signal.last_heard < now + slack
        assert changed is not None
        assert before - slack < changed < now + slack
        assert (inputs.limits.cooldown.up, inputs.limits.cooldown.down) == (10, 40)
        assert view.decided is not None
        assert view.decided.decision.until == pytest.approx(changed + 10)
        assert (inputs.state.replicas, inputs.signal_ttl) == (2, 15.0)
        assert inputs.demand == Demand(up=frozenset({"cpu"}))

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

    def test_who_may_get_requests_is_told_to_prometheus(self, rig: Rig) -> None:
        """Whoever gets none says nothing of the load of those that do."""
        for number, status in ((1, "running"), (2, "paused"), (3, "running"), (4, "exited")):
            rig.target.add(number=number, status=status, labels=labels(pause="all"))
        rig.target.unready = {3}
        with running(rig):
            until(lambda: rig.served() == ["shop-web-1"])

            until(lambda: gets_requests(rig, 1, 2, 3, 4) == [1, 0, 0, 0])
            rig.target.unready = set()
            until(lambda: gets_requests(rig, 1, 2, 3, 4) == [1, 0, 1, 0])

    def test_one_that_freezes_while_nginx_still_has_it_gets_none(self, rig: Rig) -> None:
        first = rig.target.add(labels=labels(pause="all"))
        with running(rig):
            until(lambda: rig.served() == ["shop-web-1"])
            until(lambda: gets_requests(rig, 1) == [1])
            rig.target.edit(first, status="paused")
            until(lambda: gets_requests(rig, 1) == [0])

    def test_the_last_words_of_one_that_failed_are_shown_until_a_step_is_done(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        rig.target.exits, rig.target.words = {2}, {2: ("cannot reach db",)}
        with running(rig):
            assert rig.service().failure is None
            rig.submit(*HIGH)
            (event,) = rig.steps(1)
            failure = rig.service().failure
            rig.target.exits = set()
            rig.clock.advance(10)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            assert rig.service().failure is None

        assert failure is not None
        assert (failure.text, failure.log) == (event.text, ("cannot reach db",))

    def test_it_is_journalled_with_the_time_of_each_phase(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            (event,) = rig.steps(1)

        assert (event.service, event.reason, event.text) == (
            WEB,
            "done",
            "Replica 2 was added: an alert asked for more",
        )
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

    def test_one_that_is_not_ready_leaves_and_the_ready_one_stays(self, rig: Rig) -> None:
        self.add(rig, 2)
        rig.target.unready = {1}
        with running(rig):
            until(lambda: rig.served() == ["shop-web-2"])
            rig.submit(*LOW)
            rig.settle(["shop-web-2"])

        assert rig.target.calls == ["stop shop-web-1", "remove shop-web-1"]

    def test_of_workers_that_nginx_has_not_the_healthy_one_stays(self, rig: Rig) -> None:
        rig.target.set_balancer(None)
        rig.target.add(labels=labels(), health=Health.UNHEALTHY)
        rig.target.add(number=2, labels=labels(), health=Health.HEALTHY, status="paused")
        rig.target.add(number=3, labels=labels(), health=Health.HEALTHY)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "at_min")

        assert rig.names() == ["shop-web-3"]

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
            until(lambda: rig.inputs().demand.down == {"cpu", "memory"})
            assert not rig.inputs().demand.watched
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


class TestAskedAtTheSource:
    """An alert whose labels were edited lives on in Alertmanager, for minutes."""

    def test_no_step_up_on_an_alert_that_fires_no_longer_at_its_source(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.source = at_source()
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "ended")
            never(lambda: rig.target.calls, rig=rig)
            (event, *_) = rig.events(EventKind.DECISION)

        assert event.text == (
            "Holding at 1: the alert for cpu fires no longer at its source, which was asked"
        )

    def test_nor_a_step_down(self, rig: Rig) -> None:
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())
        rig.source = at_source(alert("down"), alert("up", "memory"))
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "ended")
            never(lambda: rig.target.calls, rig=rig)

    @pytest.mark.parametrize(
        "source",
        [at_source(alert("up")), at_source(rules=()), None],
        ids=["it fires there", "the rule is another's", "no answer"],
    )
    def test_a_step_up_on_any_other(self, rig: Rig, source: AtSource | None) -> None:
        rig.target.add(labels=labels(max="2"))
        rig.source = source
        with running(rig):
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_the_step_is_taken_when_it_fires_there_again(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        rig.source = at_source()
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "ended")
            rig.source = at_source(alert("up"))
            rig.clock.advance(1)
            rig.settle(["shop-web-1", "shop-web-2"])

    @pytest.mark.parametrize(
        ("limits", "holds"),
        [
            (labels(max="2"), "at_max"),
            (labels(max="3") | {"alertscale.cooldown.up": "1h"}, "up_cooldown"),
        ],
        ids=["at max", "in the cooldown"],
    )
    def test_what_fires_no_longer_there_keeps_no_step_down_away(
        self, rig: Rig, limits: dict[str, str], holds: str
    ) -> None:
        rig.target.add(labels=limits)
        low = alert("down"), alert("down", "memory")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == holds)
            rig.source = at_source(alert("up"), *low)
            rig.submit(*low)
            never(lambda: rig.reason() != holds, rig=rig)
            rig.source = at_source(*low)
            rig.clock.advance(1)
            rig.settle(["shop-web-1"])

    def test_what_fires_no_longer_there_does_not_take_a_step_back_until_it_does_again(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())
        low = alert("down"), alert("down", "memory")
        rig.source, rig.nginx.keeps_old = at_source(*low), True
        with running(rig):
            rig.submit(*HIGH, *low)
            until(lambda: rig.served() == ["shop-web-1"])
            until(lambda: any(step.phase is Phase.DRAIN for step in rig.journal.unfinished()))
            never(lambda: rig.events(EventKind.STEP), rig=rig, passes=20)
            rig.submit(alert("down", "disk"))
            never(lambda: rig.events(EventKind.STEP), rig=rig, passes=20)
            rig.source = at_source(alert("up"), *low)
            rig.clock.advance(1)
            (step,) = rig.steps(1)

        assert step.text.endswith("an alert asks for more (overtaken)")

    def test_nothing_is_removed_while_the_source_does_not_answer(self, rig: Rig) -> None:
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())
        rig.source = None
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.inputs().demand.down == {"cpu", "memory"})
            until(lambda: rig.reason() == "blind")
            never(lambda: rig.target.calls, rig=rig)


class TestMemoryThatIsNotShared:
    """A step up for memory that did not lower it is not repeated."""

    HIGH = (watchdog(), alert("up", "memory"))
    SAME = Shares(before=0.82, lowest=0.82, now=0.82)

    def test_one_replica_is_added_and_then_it_is_told_that_adding_does_not_help(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="4"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.reason() == "not_helped")
            never(lambda: len(rig.names()) != 2, rig=rig)
            (told, *_) = rig.events(EventKind.DECISION)
            decision = rig.decision()

        assert told.text == (
            "Holding at 2: the alert for memory fires, but adding does not help:"
            " memory was 82 % before the last step, 82 % now"
        )
        assert decision is not None
        assert decision.shares == self.SAME

    def test_the_step_is_held_against_what_it_did_once_it_has_settled(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="4") | {"alertscale.cooldown.up": "10s"})
        rig.shares = self.SAME
        with running(rig):
            begun = rig.clock.time()
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "up_cooldown")
            never(lambda: rig.reason() != "up_cooldown", rig=rig)
            assert rig.shares_of == []
            (step,) = rig.steps(1)
            rig.clock.advance(10)
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            asked = rig.shares_of[0]

        assert begun <= asked["before"] < step.at
        assert asked["since"] == pytest.approx(step.at + 10, abs=0.5)
        assert asked["since"] <= asked["now"]

    def test_it_still_is_after_a_restart(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="4"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
        rig.wire()
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            assert rig.names() == ["shop-web-1", "shop-web-2"]

    @pytest.mark.parametrize("away", ["it does not answer", "it has lost its records"])
    def test_it_still_is_while_nobody_can_say(self, rig: Rig, away: str) -> None:
        rig.target.add(labels=labels(max="6"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            rig.shares = None
            if away == "it does not answer":
                rig.source = None
            asked = len(rig.shares_of)
            for _ in range(4):
                rig.clock.advance(11)
                rig.submit(*self.HIGH)
                never(lambda: len(rig.names()) != 2, rig=rig)
            decision = rig.decision()

        assert away == "it does not answer" or len(rig.shares_of) > asked
        assert decision is not None
        assert decision.shares == self.SAME

    def test_one_that_hangs_is_waited_for_once_for_all_services(self, rig: Rig) -> None:
        """It answers what fires, and not what became of the memory."""
        keys = (WEB, API)
        for key in keys:
            rig.target.add(key, labels=labels(max="4"))
        high = (watchdog(), *(alert("up", "memory", service=name) for _, name in keys))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*high)
            until(lambda: all(rig.reason(key) == "not_helped" for key in keys))
            rig.hangs = True
            asked = len(rig.shares_of)
            for silent in range(1, 3):
                rig.clock.advance(11)
                rig.submit(*high)
                never(lambda: len(rig.shares_of) > asked + silent, rig=rig)  # noqa: B023
                assert len(rig.shares_of) == asked + silent
            rig.source = None
            rig.clock.advance(11)
            rig.submit(*high)
            never(lambda: len(rig.shares_of) > asked + 2, rig=rig)
            assert [len(rig.names(key)) for key in keys] == [2, 2]

    def test_after_a_restart_it_holds_until_somebody_can_say(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="6"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
        rig.wire()
        rig.source = None
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            rig.clock.advance(11)
            rig.submit(*self.HIGH)
            never(lambda: len(rig.names()) != 2, rig=rig)
            told = rig.events(EventKind.DECISION)[0].text
            rig.source = AtSource()
            rig.shares = Shares(before=0.95, lowest=0.5, now=0.5)
            rig.clock.advance(11)
            rig.submit(*self.HIGH)
            until(lambda: len(rig.names()) > 2)

        assert told == (
            "Holding at 2: the alert for memory fires, but Prometheus does not answer"
            " whether the last step for it helped"
        )

    def test_cpu_adds_another_all_the_same(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2", "shop-web-3"])

    @pytest.mark.parametrize(
        "shares",
        [Shares(before=0.95, lowest=0.85, now=0.85), Shares(before=0.82, lowest=0.82, now=0.95), None],
        ids=["it has fallen", "it has grown much", "nobody ever knows"],
    )
    def test_where_it_may_help_it_goes_on(self, rig: Rig, shares: Shares | None) -> None:
        rig.target.add(labels=labels(max="3"))
        rig.shares = shares
        with running(rig):
            rig.submit(*self.HIGH)
            rig.settle(["shop-web-1", "shop-web-2", "shop-web-3"])

    @pytest.mark.parametrize("event", ["memory has fallen in between", "all replicas are new"])
    def test_it_is_tried_again_when(self, rig: Rig, event: str) -> None:
        rig.target.add(labels=labels(max="3"))
        rig.shares = self.SAME
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_helped")
            if event == "all replicas are new":
                for replica in list(rig.target.replicas):
                    rig.target.edit(replica, created_at=rig.clock.time())
            else:
                rig.shares = Shares(before=0.82, lowest=0.5, now=0.82)
            rig.clock.advance(6)
            rig.submit(*self.HIGH)
            rig.settle(["shop-web-1", "shop-web-2", "shop-web-3"])

    def test_where_the_label_does_not_name_memory_it_adds_nothing(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3", resources="cpu"))
        with running(rig):
            rig.submit(*self.HIGH)
            until(lambda: rig.reason() == "not_named")
            never(lambda: rig.target.calls, rig=rig)


class TestFailures:
    def test_a_replica_that_does_not_become_ready_is_removed_and_why_is_told(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "300ms"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)
            until(lambda: rig.names() == ["shop-web-1"])

        assert rig.target.calls == ["create shop-web-2", "start shop-web-2", "discard shop-web-2"]
        assert event.reason == "failed"
        assert "Replica 2 could not be added: not ready within 0.3 s: 172.18.0." in event.text
        assert event.text.endswith("answers 503, not 2xx (not_ready)")
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
            until(lambda: rig.reason() != "last_ready")
            rig.target.unready = set()
            rig.clock.advance(10)
            rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.target.calls[-2:] == ["create shop-web-2", "start shop-web-2"]

    def test_after_a_failed_step_down_the_next_try_waits_as_after_one_up(self, rig: Rig) -> None:
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())
        rig.target.broken["stop"] = TargetError("the engine refused to stop it")
        with running(rig):
            for failures, wait in enumerate((10, 20), start=1):
                rig.submit(*LOW)
                rig.steps(failures)
                until(lambda: rig.reason() == "backoff")
                assert seconds_left(rig) == pytest.approx(wait, abs=2)
                rig.clock.advance(wait)
            rig.submit(*LOW_ENDS, *HIGH)  # which keeps no step up waiting
            until(lambda: len(rig.names()) == 3)

    def test_a_replica_that_exits_is_removed_at_once(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "1h"})
        rig.target.exits = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)

        assert rig.names() == ["shop-web-1"]
        assert event.text.endswith("it exited before it was ready (replica_exited)")

    def test_what_the_engine_refuses_is_told(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.broken["create"] = TargetError("cannot make another replica: container_name")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            (event,) = rig.steps(1)

        assert "cannot make another replica: container_name" in event.text

    def test_a_replica_that_the_engine_failed_to_stop_gets_requests_again(self, rig: Rig) -> None:
        """The signal that the engine has told of is our own."""
        for number in (1, 2):
            rig.target.add(number=number, labels=labels())

        def before(method: str, replica: str) -> None:
            if method == "stop":
                rig.target.ask_to_stop(replica)
                until(lambda: replica in rig.world.view.stopping, what="its event is there")
                raise TargetError("the engine failed to stop it: no exit event")

        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.before = before
            rig.submit(*LOW)
            (event,) = rig.steps(1)
            assert event.text.startswith("Replica 2 could not be removed: the engine failed to stop it")
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_a_failed_replica_that_could_not_be_removed_is_not_forgotten(self, rig: Rig) -> None:
        """It is removed later, or serves and counts; never a container that nobody knows of."""
        rig.target.add(labels=labels() | {"alertscale.ready-timeout": "50ms"})
        rig.target.unready = {2}
        rig.target.broken["discard"] = TargetError("the engine refused to remove it: device is busy")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")  # and none is made beside it, again and again
            never(lambda: len(rig.names()) > 2, rig=rig)
            (left,) = rig.journal.unfinished()
            assert (left.number, rig.events(EventKind.STEP)) == (2, ())
            del rig.target.broken["discard"]
            rig.target.unready = set()
            rig.clock.advance(AGAIN_AFTER)
            rig.settle(["shop-web-1", "shop-web-2"])
            (event,) = rig.steps(1)
            assert event.text == "Replica 2 was added: an alert asked for more"

    def test_nor_is_another_made_beside_it_at_once_when_the_step_took_longer_than_the_pause(
        self, rig: Rig
    ) -> None:
        rig.target.add(labels=labels(max="9") | {"alertscale.ready-timeout": "300ms"})
        rig.target.unready = set(range(2, 10))
        rig.target.broken["discard"] = TargetError("the engine refused to remove it: device is busy")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: any(step.phase is Phase.READY for step in rig.journal.unfinished()))
            rig.clock.advance(60)  # as if it were the minute that a replica has by default
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            never(lambda: len(rig.names()) > 2, rig=rig)

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

    def test_while_it_is_deployed_no_alert_changes_anything(self, rig: Rig) -> None:
        for number in (1, 2, 3):
            rig.target.add(number=number, version=f"v{number}", labels=labels(min="3"))
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "deploying")
            never(lambda: rig.target.calls, rig=rig)
            assert rig.metric("alertscale_versions", project="shop", service="web") == 3

    def test_a_deploy_that_broke_off_holds_neither_the_minimum_nor_what_a_person_asks_for(
        self, rig: Rig
    ) -> None:
        rig.target.add(labels=labels(min="3", max="5"))
        rig.target.add(number=2, version="v2", labels=labels(min="3", max="5"))
        with running(rig):
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            until(lambda: rig.reason() == "deploying")
            rig.orders.scale("web", 4)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3, 4)])

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
            rig.orders.retire("web", (old[0], "shop-web-2"))
            rig.settle(["shop-web-3", "shop-web-4"])
            assert {event.detail["why"] for event in rig.steps(2)} == {"retire"}

    def test_what_a_deploy_names_leaves_only_while_another_is_ready(self, rig: Rig) -> None:
        old = rig.target.add(labels=labels())
        rig.target.unready = {2}
        rig.target.add(number=2, version="v2", labels=labels())
        with running(rig):
            until(lambda: rig.served() == ["shop-web-1"])
            with pytest.raises(RequestError, match="no other replica of web is ready"):
                rig.orders.retire("web", (old,))
            with pytest.raises(RequestError, match="no replica of web is called 'shop-web-9'; known: shop"):
                rig.orders.retire("web", ("shop-web-9",))
            rig.orders.retire("web", ("shop-web-2",))
            rig.settle(["shop-web-1"])

    def test_a_retirement_that_would_take_the_last_ready_one_is_over_until_it_is_asked_for_again(
        self, rig: Rig
    ) -> None:
        old = rig.target.add(labels=labels(max="5"))
        rig.target.add(number=2, version="v2", labels=labels(max="5"))
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.unready = {3}
            rig.orders.scale("web", 3)
            until(lambda: any(step.phase is Phase.READY for step in rig.journal.unfinished()))
            rig.orders.retire("web", (old,))
            rig.target.unready = {2, 3}

            def serve(*names: str) -> bool:
                rig.clock.advance(0.5)
                return rig.served() == list(names)

            until(lambda: serve("shop-web-1"))
            rig.target.kill(next(i for i, (_, r) in rig.target.replicas.items() if r.number == 3))
            until(lambda: any(e.reason == "last_ready" for e in rig.events(EventKind.DECISION)))
            until(lambda: rig.reason() == "backoff")
            rig.target.unready = set()
            rig.orders.scale("web", 2)
            until(lambda: serve("shop-web-1", "shop-web-2"))
            never(lambda: len(rig.events(EventKind.STEP)) > 1, rig=rig)
            rig.orders.retire("web", (old,))
            rig.settle(["shop-web-2"])

    def test_a_retirement_that_fails_is_not_begun_again_by_itself(self, rig: Rig) -> None:
        old = rig.target.add(labels=labels())
        rig.target.add(number=2, version="v2", labels=labels())
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.target.broken["stop"] = TargetError("the engine refused")
            rig.orders.retire("web", (old,))
            (event,) = rig.steps(1)
            assert event.reason == "failed"
            never(lambda: len(rig.events(EventKind.STEP)) > 1, rig=rig)
            del rig.target.broken["stop"]
            rig.orders.retire("web", (old,))
            rig.settle(["shop-web-2"])

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
            assert "disk full" in rig.reading.health().journal_error
            never(lambda: rig.target.calls, rig=rig)
            rig.journal._db.execute("PRAGMA query_only = OFF")
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.target.calls == ["create shop-web-2", "start shop-web-2"]
        assert rig.reading.health().journal_error == ""

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

    def test_a_fault_of_its_own_does_not_end_the_loop(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        faults = iter([ZeroDivisionError("a bug")])

        def once(method: str, _replica: str) -> None:
            if method == "observe":
                for fault in faults:
                    raise fault

        rig.target.before = once
        with running(rig):
            until(rig.reading.services, seconds=5)
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

    def test_an_nginx_that_takes_long_does_not_hold_up_the_loop(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        over = threading.Event()
        with running(rig):
            rig.settle(["shop-web-1"])
            rig.nginx.before = lambda method: over.wait(30) if method == "reload" else None
            rig.submit(*HIGH)
            until(lambda: rig.names() == ["shop-web-1", "shop-web-2"])
            never(lambda: len(rig.world.view.serving) > 1, passes=10, rig=rig)
            assert rig.served() == ["shop-web-1"]
            over.set()
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_labels_that_cannot_be_read_stop_their_own_service_only(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="many", drain="soon"))
        rig.target.add(API, labels=labels(max="2"))
        with running(rig):
            (bad,) = rig.orders.submit([alert("up")])
            rig.submit(alert("up", service="api"))
            rig.settle(["shop-api-1", "shop-api-2"], API)
            web = rig.service()
            faults = [event.text for event in rig.events(EventKind.FAULT)]

        assert bad.ignored is IgnoredReason.LABEL_FAULT
        assert rig.names() == ["shop-web-1"]
        assert (web.limits, web.decided) == (None, None)
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
            rig.orders.pause("web", Pause.NONE)
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
            rig.clock.advance(BACK_AFTER)
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
            rig.orders.scale("web", 3)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            rig.orders.scale("web", 1)
            rig.settle(["shop-web-1"])
            until(lambda: rig.service().hold.wanted is None)
            rig.submit(*HIGH)
            until(lambda: len(rig.events(EventKind.STEP)) >= 5)
            assert "restore" not in {event.detail["why"] for event in rig.events(EventKind.STEP)}


class TestExaminedAgain:
    """While a step waits, the world goes on."""

    def draining(self, rig: Rig) -> list[str]:
        """Two replicas, of which the second is to go and has requests."""
        ids = [rig.target.add(number=n, labels=labels()) for n in (1, 2)]
        rig.nginx.keeps_old = True
        return ids

    def test_when_the_other_is_stopped_the_one_that_was_to_go_stays(self, rig: Rig) -> None:
        first, _ = self.draining(rig)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            rig.target.ask_to_stop(first)
            until(lambda: rig.served() == ["shop-web-2"], what="it is back")
            rig.target.kill(first)
            (step,) = rig.steps(1)
            never(lambda: rig.served() != ["shop-web-2"], rig=rig)

        assert step.reason == "undone"
        # Asked in the moment in which the other is known to be stopped and is counted still, it names that.
        stopped, fewer = (
            "another replica has just died or been asked to stop",
            "fewer than alertscale.min (1)",
        )
        assert stopped in step.text or fewer in step.text
        assert rig.target.calls == []

    def test_nor_does_it_go_when_its_pre_stop_runs_already(self, rig: Rig) -> None:
        first, _ = [rig.target.add(number=n, labels=labels()) for n in (1, 2)]
        rig.target.hooks, rig.target.hook_takes = frozenset({HookKind.PRE_STOP}), 2 * PATIENCE
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.target.calls == ["pre_stop shop-web-2"])
            rig.target.ask_to_stop(first)
            until(lambda: rig.served() == ["shop-web-2"], what="it is back")
            assert [step.reason for step in rig.steps(1)] == ["undone"]

    def test_when_the_other_is_removed_it_stays_too(self, rig: Rig) -> None:
        first, _ = self.draining(rig)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            rig.target.kill(first)
            rig.target.take(first)
            rig.settle(["shop-web-2"])
            assert [step.reason for step in rig.steps(1)] == ["undone"]

    def test_when_the_other_is_not_ready_any_more_it_stays_too(self, rig: Rig) -> None:
        self.draining(rig)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            rig.target.unready = {1}

            def back() -> bool:
                rig.clock.advance(1)
                return rig.served() == ["shop-web-2"]

            until(back, what="it is back")
            (step,) = rig.steps(1)

        assert step.text.endswith("no other replica is ready (overtaken)")

    def test_a_scaler_that_was_killed_asks_the_same(self, rig: Rig) -> None:
        first, _ = self.draining(rig)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.served() == ["shop-web-1"])
            until(lambda: any(s.phase is Phase.DRAIN for s in rig.journal.unfinished()))
        rig.target.kill(first)
        rig.wire()
        with running(rig):
            until(lambda: rig.served() == ["shop-web-2"], what="it is back")
            assert [step.reason for step in rig.steps(1)] == ["undone"]

    def test_one_that_may_have_been_asked_to_stop_goes_while_another_serves(self, rig: Rig) -> None:
        """Below its minimum, too: it may end at any moment, and takes requests with it."""
        ids = [rig.target.add(number=n, labels=labels(min="2")) for n in (1, 2)]
        rig.journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=2,
            why="alert_down",
            phase=Phase.STOP,
            now=rig.clock.time(),
            replica=ids[1],
        )
        with running(rig):
            until(lambda: rig.events(EventKind.STEP), what="a step has ended")
            # Another may be there already: one is missing at the minimum.
            assert rig.events(EventKind.STEP)[-1].text == "Replica 2 was removed: everything was low"

    def test_several_that_leave_at_once_do_not_hold_one_another(self, rig: Rig) -> None:
        for number in range(1, 6):
            rig.target.add(
                number=number, labels=labels(min="2", step="3") | {"alertscale.cooldown.down": "1h"}
            )
        with running(rig):
            rig.submit(*LOW)
            rig.settle(["shop-web-1", "shop-web-2"])
            assert [step.reason for step in rig.steps(3)] == ["done"] * 3

    def test_nor_does_one_that_ends_while_another_is_being_examined(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was so before its end must not be held against what is so after it."""
        knowledge, outside = rig.orders.knowledge, rig.autoscaler.watch.outside
        ids = [rig.target.add(number=n, labels=labels(min="1")) for n in (1, 2, 3)]
        rig.autoscaler.run_once()
        ready = {replica: Readiness(ready=True) for replica in ids}
        rig.world.update(readiness=ready)
        for replica in ids[1:]:
            rig.world.mark_draining(replica)
        outside.asked_to_stop(ids[2], now=rig.clock.monotonic())

        def end_the_other(_key: object) -> bool:
            rig.target.take(ids[2])
            rig.world.update(observation=rig.target.observe())
            rig.world.unmark_draining(ids[2])
            return True

        monkeypatch.setattr(knowledge, "stepping", end_the_other)
        step = Step(
            id=1,
            service=WEB,
            direction=Direction.DOWN,
            number=2,
            why="alert_down",
            replica=ids[1],
            phase=Phase.DRAIN,
            phases={},
        )
        service = rig.world.view.service(WEB)
        assert service is not None
        limits = rig.world.view.limits[WEB]
        assert knowledge.unwanted(step, limits, now=rig.clock.monotonic()) == ""

    def test_nor_does_the_failure_of_one_undo_the_others(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        ids = [rig.target.add(number=n, labels=labels(step="2")) for n in (1, 2, 3)]
        rig.nginx.keeps_old = True

        def refuse(method: str, replica: str) -> None:
            if (method, replica) == ("check_hooks", ids[1]):
                raise TargetError("the engine refused")

        rig.target.before = refuse
        with running(rig):
            rig.submit(*LOW)
            assert [step.reason for step in rig.steps(1)] == ["failed"]
            never(lambda: len(rig.events(EventKind.STEP)) > 1, rig=rig, passes=20)
            rig.nginx.retire()
            assert [step.reason for step in rig.steps(2)] == ["done", "failed"]

    def test_a_new_one_is_taken_away_when_others_have_reached_max_meanwhile(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "1h"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: any(s.phase is Phase.READY for s in rig.journal.unfinished()))
            rig.target.add(number=3, labels=labels(max="2") | {"alertscale.ready-timeout": "1h"})
            rig.settle(["shop-web-1", "shop-web-3"])
            assert [step.reason for step in rig.steps(1)] == ["undone"]

    def test_a_new_one_that_nginx_may_send_requests_to_already_is_not(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While nginx is reloaded with it, its new workers do, and nobody knows yet."""
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.settle(["shop-web-1"])
            reloading, reloaded = threading.Event(), threading.Event()

            def reload(method: str) -> None:
                if method == "reload":
                    reloading.set()
                    reloaded.wait(30)

            rig.nginx.before = reload
            rig.submit(*HIGH)
            until(reloading.is_set)
            rig.target.add(number=3, labels=labels(max="2"))
            until(lambda: len(rig.service().replicas) == 3)
            never(lambda: rig.world.view.draining, rig=rig)
            reloaded.set()
            until(lambda: rig.events(EventKind.STEP))
            assert rig.events(EventKind.STEP)[-1].reason == "done"
        assert "discard shop-web-2" not in rig.target.calls

    def test_a_new_one_stays_while_nobody_else_is_ready(self, rig: Rig) -> None:
        first = rig.target.add(labels=labels(max="2") | {"alertscale.ready-timeout": "1h"})
        rig.target.unready = {2}
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: any(s.phase is Phase.READY for s in rig.journal.unfinished()))
            rig.target.kill(first)
            never(lambda: "shop-web-2" not in rig.names(), rig=rig)
            rig.target.unready = set()
            until(lambda: rig.served() == ["shop-web-2"])


class TestGone:
    def test_a_service_without_a_container_is_told_and_shown_and_forgotten_after_a_while(
        self, rig: Rig
    ) -> None:
        web = rig.target.add(labels=labels(max="3"))
        rig.target.add(API, labels=labels())
        with running(rig):
            until(lambda: rig.reason() == "blind")
            rig.target.take(web)
            until(lambda: rig.reason() == "gone")
            view = rig.service()
            assert [v.key for v in rig.reading.services()] == [API, WEB]
            assert (view.replicas, view.limits and view.limits.maximum) == ((), 3)
            assert seconds_left(rig) == pytest.approx(900, abs=5)
            gone = "Holding at 0: every container of it was removed, not by alertscale"
            until(lambda: rig.events(EventKind.DECISION)[0].text == gone, what="it is told")
            gauge = rig.metrics.registry.get_sample_value
            ready = {"project": "shop", "service": "web", "state": "ready"}
            assert gauge("alertscale_replicas", ready) == 0
            assert gauge("alertscale_versions", {"project": "shop", "service": "web"}) == 0

            rig.clock.advance(901)
            until(lambda: [v.key for v in rig.reading.services()] == [API], what="it is forgotten")
            until(lambda: gauge("alertscale_replicas", ready) is None)

    @pytest.mark.parametrize("goes", ["before", "after"])
    def test_a_scaler_that_was_restarted_tells_it_still_and_forgets_it_when_it_would_have(
        self, rig: Rig, goes: str
    ) -> None:
        """Whether the last container went while the one before ran, or after it."""
        web = rig.target.add(labels=labels(max="3"))
        with running(rig):
            until(lambda: rig.reason() == "blind")
            if goes == "before":
                rig.target.take(web)
                until(lambda: rig.reason() == "gone")
        if goes == "after":
            rig.target.take(web)
        rig.clock.advance(300)
        rig.wire()
        with running(rig):
            until(rig.reading.services)
            until(lambda: rig.reason() == "gone")
            view = rig.service()
            assert (view.replicas, view.limits and view.limits.maximum) == ((), 3)
            assert seconds_left(rig) == pytest.approx(600, abs=5)
            gauge = rig.metrics.registry.get_sample_value
            ready = {"project": "shop", "service": "web", "state": "ready"}
            assert gauge("alertscale_replicas", ready) == 0
        rig.clock.advance(601)
        rig.wire()
        with running(rig):
            never(rig.reading.services, rig=rig)

    def test_it_is_there_again_as_soon_as_it_has_a_container(self, rig: Rig) -> None:
        web = rig.target.add(labels=labels())
        with running(rig):
            until(lambda: rig.reason() == "blind")
            rig.target.take(web)
            until(lambda: rig.reason() == "gone")
            rig.target.add(number=1, labels=labels())
            until(lambda: rig.reason() == "blind")
            assert len(rig.reading.services()) == 1

    def test_one_that_is_not_to_be_scaled_any_more_is_not_gone(self, rig: Rig) -> None:
        web = rig.target.add(labels=labels())
        with running(rig):
            until(lambda: rig.reason() == "blind")
            rig.target.others = frozenset({WEB})
            rig.target.take(web)
            until(lambda: rig.reading.services() == ())


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

    def test_an_engine_that_does_not_answer_once_does_not_put_that_off(self, rig: Rig) -> None:
        """What is out of nginx is not to wait as long as after a try that came to nothing."""
        _, leaves = (rig.target.add(number=number, labels=labels()) for number in (1, 2))
        rig.journal.begin(
            service=WEB, direction=Direction.DOWN, number=2, why="alert_down", phase=Phase.DRAIN,
            now=rig.clock.time(), replica=leaves,
        )  # fmt: skip
        silences = iter([TargetError("no answer", reason=ErrorReason.ENGINE_UNAVAILABLE)])

        def before(method: str, _replica: str) -> None:
            if method == "find":
                for silence in silences:
                    raise silence

        rig.target.before = before
        with running(rig):
            rig.submit(*LOW)
            until(lambda: not rig.journal.unfinished(), what="the step is over", seconds=AGAIN_AFTER / 2)
            assert rig.names() == ["shop-web-1"]
            assert rig.metric("alertscale_errors_total", reason="engine_unavailable") == 1

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


class TestOwnTrouble:
    """What one service or the journal breaks costs no other anything."""

    def test_a_fault_while_one_service_is_decided_on_leaves_the_others(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = rig.autoscaler.knowledge.of

        def fails(service: Service, *args: Any, **kwargs: Any) -> Known:  # noqa: ANN401 - handed on
            if service.key == API:
                raise ValueError("a bug")
            return of(service, *args, **kwargs)

        monkeypatch.setattr(rig.autoscaler.knowledge, "of", fails)
        rig.target.add(API, labels=labels())
        rig.target.add(WEB, labels=labels(min="2"))
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])

        assert rig.metric("alertscale_errors_total", reason="internal")

    def test_a_replica_that_cannot_be_asked_is_not_ready_and_the_others_are(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = rig.target.ask

        def fails(check: Check) -> Readiness:
            if check.port == 1:
                raise UnicodeEncodeError("ascii", "ä", 0, 1, "ordinal not in range")
            return ask(check)

        monkeypatch.setattr(rig.target, "ask", fails)
        rig.wire()
        rig.target.add(API, ports=(1,), labels=labels())
        rig.target.add(WEB, labels=labels())
        with running(rig):
            rig.settle(["shop-web-1"])
            until(lambda: "it could not be asked: UnicodeEncodeError" in rig.service(API).replicas[0].detail)

    def test_nginx_follows_the_replicas_though_the_journal_cannot_be_read(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails() -> None:
            raise JournalError("damaged")

        monkeypatch.setattr(rig.journal, "unfinished", fails)
        rig.target.add(labels=labels())
        with running(rig):
            until(lambda: rig.served() == ["shop-web-1"])

    @pytest.mark.parametrize("change", ["sighting SET labels", "event SET detail", "standing SET replicas"])
    def test_a_row_of_the_journal_that_cannot_be_read_keeps_nobody_from_the_traffic(
        self, rig: Rig, change: str
    ) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.settle(["shop-web-1"])
        with contextlib.closing(sqlite3.connect(rig.home / "journal.sqlite", isolation_level=None)) as db:
            assert db.execute(f"UPDATE {change} = '{{'").rowcount
        rig.wire()
        with running(rig):
            until(lambda: rig.world.view.serving, what="the replica is asked and served")

    def test_one_while_a_failed_step_is_cleared_away_leaves_it_for_a_next_try_and_for_no_traffic(
        self, rig: Rig
    ) -> None:
        """Ended, it would get requests unprepared; begun anew at once, there would be hundreds a second."""
        rig.target.add(labels=labels())
        rig.target.broken["run_hooks"] = TargetError("it ended with 1", reason=ErrorReason.HOOK_FAILED)
        rig.target.broken["discard"] = ZeroDivisionError("a bug")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "backoff")
            never(lambda: len(rig.names()) > 2 or len(rig.served()) > 1, rig=rig)
            (left,) = rig.journal.unfinished()
            assert (left.number, left.phase) == (2, Phase.START)
            assert rig.metric("alertscale_errors_total", reason="internal")
        rig.wire()
        with running(rig):
            until(lambda: rig.metric("alertscale_errors_total", reason="internal"), what="it is tried again")
            until(lambda: not rig.autoscaler.runner.busy, what="and is over")
            assert rig.served() == ["shop-web-1"]
            del rig.target.broken["discard"]
            rig.clock.advance(AGAIN_AFTER)
            (event,) = rig.steps(1)
            assert event.text == "Replica 2 could not be added: it ended with 1 (hook_failed)"
            rig.settle(["shop-web-1"])


class TestLaterVersion:
    """A scaler of before finds what a later one has left in the journal."""

    def left(self, rig: Rig, **words: str) -> Step:
        step = rig.journal.begin(
            service=WEB,
            direction=Direction.UP,
            number=2,
            why="manual",
            phase=Phase.START,
            now=1,
            replica=None,
        )
        for column, word in words.items():
            rig.journal._db.execute(f"UPDATE step SET {column} = ? WHERE id = ?", (word, step.id))  # noqa: S608
        return step

    def test_a_step_in_an_unknown_phase_is_done_over_and_told(self, rig: Rig) -> None:
        rig.target.add(number=1, labels=labels())
        rig.target.add(number=2, status="created", labels=labels())
        self.left(rig, phase="warm", phases='{"warm": 1}')
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            (told,) = rig.events(EventKind.FAULT)

        assert "began it and left it in the phase warm" in told.text

    def test_a_step_of_an_unknown_kind_is_over_and_touches_nothing(self, rig: Rig) -> None:
        rig.target.add(number=1, labels=labels())
        rig.target.add(number=2, labels=labels())
        self.left(rig, direction="sideways", phase="warm")
        with running(rig):
            (event,) = rig.steps(1)
            never(lambda: rig.target.calls, rig=rig)

        assert (
            "The step sideways of replica 2 ended undone: a later version of alertscale began it"
            in event.text
        )


def test_the_loop_ends_when_it_is_told_to(rig: Rig) -> None:
    before = set(threading.enumerate())
    with running(rig):
        pass

    left = [t.name for t in set(threading.enumerate()) - before if not t.name.startswith("ThreadPool")]
    assert left == []


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
