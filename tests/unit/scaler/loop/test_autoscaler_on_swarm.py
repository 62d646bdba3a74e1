"""The whole loop on a Swarm in memory: the engine keeps the count, and others change it too."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scaler.__main__ import _take_over
from scaler.model.errors import LabelError, RequestError
from scaler.model.reasons import Direction, EventKind, Outcome, Pause, ReplicaState
from scaler.state.journal import read_holds, write_holds
from tests.fake_swarm import NO_NODE
from tests.fakes import until
from tests.unit.scaler.rig import API, HIGH, HIGH_ENDS, LOW, WEB, SwarmRig, alert, labels, running, watchdog


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SwarmRig]:
    """A scaler that is wired and not started; whoever starts it uses ``running``."""
    made = SwarmRig(home=tmp_path)
    yield made
    made.executor.shutdown()
    made.journal.close()


def another(rig: SwarmRig, path: Path) -> SwarmRig:
    """Wire a second scaler on the same Swarm, with a journal of its own, as on another manager."""
    path.mkdir()
    return SwarmRig(home=path, swarm=rig.swarm, clock=rig.clock)


def never(condition: Callable[[], object], *, rig: SwarmRig, passes: int = 5) -> None:
    """See that nothing comes of it in some more passes of the loop."""
    seen = rig.metric("alertscale_tick_seconds_count")
    until(lambda: rig.metric("alertscale_tick_seconds_count") >= seen + passes)
    assert not condition()


def settle(rig: SwarmRig, count: int) -> None:
    until(
        lambda: rig.swarm.count() == count and not rig.journal.unfinished(),
        what=f"{count} replicas: there are {rig.swarm.count()}",
    )


class TestSteps:
    def test_an_up_alert_raises_the_count_step_by_step_up_to_max(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels(max="3"))
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "at_max")

        assert rig.swarm.calls == ["web 2", "web 3"]
        assert rig.swarm.slots() == [1, 2, 3]

    def test_a_down_alert_lowers_it_down_to_min(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=4, labels=labels(min="2"))
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "at_min")

        assert rig.swarm.calls == ["web 3", "web 2"]

    def test_a_step_of_several_is_one_change(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels(step="3", max="4"))
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "at_max")

        assert rig.swarm.calls == ["web 4"]

    def test_a_count_ordered_by_hand_is_gone_to(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels())
        with running(rig):
            rig.orders.scale("web", 3)
            settle(rig, 3)
            until(lambda: rig.journal.hold(WEB).wanted is None)

    def test_the_next_step_waits_until_the_leaving_ones_are_gone(self, rig: SwarmRig) -> None:
        rig.swarm.lingers = True
        rig.swarm.add(count=4, labels=labels())
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "stepping")
            never(lambda: rig.swarm.count() < 3, rig=rig)
            leaving = [r for r in rig.service().replicas if r.state is ReplicaState.DRAINING]
            assert [r.number for r in leaving] == [4]
            rig.swarm.vanish()
            until(lambda: rig.swarm.count() == 2)


class TestCount:
    def test_what_was_asked_for_counts_not_the_tasks_that_run(self, rig: SwarmRig) -> None:
        """A replica whose node died is Swarm's to replace, not ours to add a second time."""
        rig.swarm.add(count=3, labels=labels(min="3"))
        rig.swarm.edit(2, status="exited")
        with running(rig):
            rig.submit(watchdog())
            until(lambda: rig.reason() == "steady")
            never(lambda: rig.swarm.calls, rig=rig)
            assert rig.inputs().state.replicas == 3

    def test_tasks_beyond_it_do_not_count_either(self, rig: SwarmRig) -> None:
        """While an update starts new ones first, or those of a node that is lost are still listed."""
        rig.swarm.add(count=2, labels=labels(max="2"))
        rig.swarm.hesitates = True
        rig.swarm.scale(1)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "at_min")
            assert (rig.inputs().state.replicas, rig.swarm.calls) == (1, [])

    def test_fewer_than_min_are_made_up_for(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=1, labels=labels(min="2"))
        with running(rig):
            settle(rig, 2)

    def test_a_service_set_to_none_is_stopped_and_left_so(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=0, labels=labels())
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "stopped")

        assert rig.swarm.calls == []

    def test_a_count_that_others_set_back_is_theirs(self, rig: SwarmRig) -> None:
        """The count before it is not returned to in one leap, as on Compose, where nobody meant it."""
        rig.swarm.add(count=5, labels=labels())
        with running(rig):
            until(lambda: rig.reason() in {"steady", "blind"})
            rig.swarm.scale(1)
            until(lambda: rig.inputs().state.replicas == 1)
            rig.submit(*HIGH)
            until(lambda: rig.swarm.calls)

        assert rig.swarm.calls[0] == "web 2"

    def test_a_dead_task_is_swarms_to_clear_away(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=2, labels=labels())
        rig.swarm.edit(2, status="exited", leaving=True)
        with running(rig):
            until(lambda: rig.reason() in {"steady", "blind"})
            rig.clock.advance(11)
            never(lambda: ReplicaState.FAILED in {e.reason for e in rig.events(EventKind.REPLICA)}, rig=rig)


class TestCooldown:
    def test_a_change_by_another_scaler_counts(self, rig: SwarmRig, tmp_path: Path) -> None:
        """It took a step and died; its journal stays behind on its node."""
        rig.swarm.add(labels=labels() | {"alertscale.cooldown.up": "30s"})
        rig.clock.advance(31)
        with running(rig):
            rig.submit(*HIGH)
            settle(rig, 2)
        after = another(rig, tmp_path / "after")
        with running(after):
            after.submit(*HIGH)
            until(lambda: after.reason() == "up_cooldown")
            never(lambda: after.swarm.count() > 2, rig=after)
            after.clock.advance(31)
            after.submit(*HIGH)
            settle(after, 3)
        after.journal.close()
        after.executor.shutdown()

    def test_so_does_one_by_hand(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=4, labels=labels() | {"alertscale.cooldown.down": "60s"})
        rig.clock.advance(61)
        rig.swarm.scale(3)
        with running(rig):
            rig.submit(*LOW)
            until(lambda: rig.reason() == "down_cooldown")
            decision = rig.decision()
            assert decision is not None
            assert decision.until == pytest.approx(rig.swarm.services[WEB].kept.changed_at + 60, abs=1)

        assert rig.swarm.calls == []

    def test_one_that_took_over_in_the_middle_of_a_step_takes_no_second_one(
        self, rig: SwarmRig, tmp_path: Path
    ) -> None:
        rig.swarm.add(labels=labels() | {"alertscale.cooldown.up": "30s"})
        rig.clock.advance(31)
        rig.swarm.sick = "starting"
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.swarm.calls)
        after = another(rig, tmp_path / "after")
        with running(after):
            after.submit(*HIGH)
            until(lambda: after.reason() == "up_cooldown")
        after.journal.close()
        after.executor.shutdown()

        assert after.swarm.calls == ["web 2"]


class TestOthers:
    def test_while_it_is_updated_a_service_is_left_alone(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels())
        rig.swarm.update(updating=True)
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "deploying")
            never(lambda: rig.swarm.calls, rig=rig)
            rig.swarm.update(updating=False, definition="v2")
            until(lambda: rig.swarm.calls)

    def test_also_while_its_tasks_are_of_two_definitions(self, rig: SwarmRig) -> None:
        """An update that failed and was paused: the old ones and the new ones stay."""
        rig.swarm.add(count=2, labels=labels())
        rig.swarm.edit(2, version="v2")
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "deploying")

        assert rig.swarm.calls == []

    def test_a_change_by_hand_at_the_moment_of_a_step_is_seen_and_decided_anew(self, rig: SwarmRig) -> None:
        """Neither is lost: the step is for the count that a person has set."""
        rig.swarm.add(count=2, labels=labels(max="8"))

        def by_hand(method: str) -> None:
            if method == "set_count":
                rig.swarm.before = lambda _method: None
                rig.swarm.scale(6)

        with running(rig):
            rig.swarm.before = by_hand
            rig.submit(*HIGH)
            (first,) = rig.steps(1)
            rig.clock.advance(3)
            rig.submit(*HIGH)
            until(lambda: rig.swarm.calls)
            rig.submit(*HIGH_ENDS)

        assert first.reason == Outcome.UNDONE
        assert "overtaken" in first.text
        assert rig.swarm.calls[0] == "web 7"

    def test_a_change_by_hand_beyond_the_bounds_is_brought_back_within_them(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=2, labels=labels(max="3"))
        with running(rig):
            rig.swarm.scale(5)
            settle(rig, 3)

        assert rig.swarm.calls == ["web 4", "web 3"]


class TestLastReady:
    def test_where_swarm_might_take_the_only_ready_one_no_step_down_is_taken(self, rig: SwarmRig) -> None:
        """It knows nothing of the path that the scaler asks."""
        rig.swarm.add(count=2, labels=labels(ready="/ready", port="5000"))
        first, second = (next(iter(t.addresses.values())) for t in rig.swarm.services[WEB].tasks.values())
        rig.swarm.answering = {first}
        with running(rig):
            until(lambda: [r.state for r in rig.service().replicas].count(ReplicaState.READY) == 1)
            rig.submit(*LOW)
            until(lambda: rig.reason() == "last_ready")
            never(lambda: rig.swarm.calls, rig=rig)
            rig.swarm.answering |= {second}
            settle(rig, 1)


class TestUnplaceable:
    def test_it_is_taken_back_reported_and_not_asked_for_again_at_once(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels(max="2"))
        rig.swarm.unplaceable = NO_NODE
        with running(rig):
            rig.submit(*HIGH)
            (step,) = rig.steps(1)
            until(lambda: rig.reason() == "backoff")
            never(lambda: len(rig.swarm.calls) > 2, rig=rig)
            assert step.text == f"Replica 2 could not be added: no node can take it: {NO_NODE} (cannot_place)"
            assert rig.swarm.calls == ["web 2", "web 1"]

            rig.swarm.recover()
            rig.clock.advance(11)
            rig.submit(*HIGH)
            until(lambda: rig.swarm.count() == 2, what="it is tried again")

    def test_each_failure_doubles_the_wait(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels())
        rig.swarm.unplaceable = NO_NODE
        with running(rig):
            for failures, wait in enumerate((10, 20, 40), start=1):
                rig.submit(*HIGH)
                rig.steps(failures)
                until(lambda: rig.reason() == "backoff")
                decision = rig.decision()
                assert decision is not None
                assert decision.until is not None
                assert decision.until - rig.clock.time() == pytest.approx(wait, abs=2)
                rig.clock.advance(wait + 1)


class TestRefused:
    GLOBAL = "it is a global service, of which Swarm runs one on each node, and has no count to change"

    def test_a_global_service_is_a_fault_by_name_while_others_go_on(self, rig: SwarmRig) -> None:
        rig.swarm.add(API, labels=labels(), refusal=self.GLOBAL)
        rig.swarm.add(WEB, labels=labels(max="2"))
        with running(rig):
            rig.submit(*HIGH, alert("up", service="api"))
            until(lambda: rig.reason() == "at_max")
            (fault,) = [e for e in rig.events(EventKind.FAULT) if e.service == API]
            assert fault.text == f"service api: {self.GLOBAL}"
            assert rig.service(API).faults == (f"service api: {self.GLOBAL}",)
            with pytest.raises(LabelError, match="service api: it is a global service"):
                rig.orders.scale("api", 3)

        assert rig.swarm.calls == ["web 2"]

    def test_which_replicas_leave_cannot_be_chosen(self, rig: SwarmRig) -> None:
        rig.swarm.add(count=2, labels=labels())
        with running(rig), pytest.raises(RequestError) as told:
            rig.orders.retire("web", ("web.1",))

        assert str(told.value) == (
            "which replicas of web leave is chosen by Swarm; change its count instead:"
            " alertscale scale, or docker service scale"
        )
        assert rig.swarm.calls == []

    def test_labels_that_cannot_be_read_are_told_with_the_stack_file(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels(max="many"))
        with running(rig):
            (fault,) = rig.service().faults

        assert fault.startswith("its stack file: service web: alertscale.max: 'many'")


class TestTakeover:
    def test_what_a_person_asked_for_is_handed_over(self, rig: SwarmRig, tmp_path: Path) -> None:
        rig.swarm.add(API, labels=labels())
        rig.swarm.add(WEB, count=2, labels=labels())
        with running(rig):
            rig.orders.pause("web", Pause.UP)
            note = write_holds(rig.journal.holds())
        after = another(rig, tmp_path / "after")
        after.journal.replace_holds(read_holds(note))
        with running(after):
            after.submit(*HIGH)
            until(lambda: after.reason() == "paused")
            assert after.service(API).hold.pause is Pause.NONE
        after.journal.close()
        after.executor.shutdown()

        assert rig.swarm.calls == []

    def test_a_step_that_was_cut_short_is_finished_by_the_same_scaler_anew(self, rig: SwarmRig) -> None:
        rig.swarm.add(labels=labels())
        rig.swarm.sick = "starting"
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.swarm.calls)
        rig.wire()
        (left,) = rig.journal.unfinished()
        rig.swarm.recover()
        with running(rig):
            (step,) = rig.steps(1)

        assert (left.direction, step.reason) == (Direction.UP, Outcome.DONE)
        assert rig.swarm.calls == ["web 2"]

    def test_but_not_when_another_has_acted_since(self, rig: SwarmRig) -> None:
        """It may be of hours ago, and the count that it asked for somebody else's by now."""
        rig.swarm.add(labels=labels(**{"ready-timeout": "50ms"}))
        rig.swarm.sick = "starting"
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.swarm.calls)
        rig.wire()
        _take_over(rig.journal, rig.recorder, "", is_ours_again=False)
        with running(rig):
            never(lambda: len(rig.swarm.calls) > 1, rig=rig)
            assert rig.journal.unfinished() == ()

        assert rig.swarm.count() == 2


def test_an_engine_that_comes_back_is_followed_again(rig: SwarmRig) -> None:
    rig.swarm.add(labels=labels(max="2"))
    with running(rig):
        until(lambda: rig.reason() in {"steady", "blind"})
        rig.swarm.down = True
        rig.swarm.cut()
        until(lambda: not rig.reading.health().engine, what="it is noticed")
        rig.swarm.down = False
        until(lambda: rig.reading.health().engine)
        rig.submit(watchdog(), *HIGH)
        settle(rig, 2)


def test_a_change_that_hangs_holds_up_its_own_service_alone(rig: SwarmRig) -> None:
    rig.swarm.add(API, labels=labels(max="2"))
    rig.swarm.add(WEB, labels=labels(max="2"))
    waits, go = threading.Event(), threading.Event()

    def hang(method: str) -> None:
        if method == "set_count" and not waits.is_set():
            waits.set()
            assert go.wait(10)

    with running(rig):
        rig.swarm.before = hang
        rig.submit(watchdog(), alert("up", service="api"))
        until(waits.is_set)
        rig.submit(*HIGH)
        until(lambda: rig.swarm.count(WEB) == 2, what="the other goes on")
        go.set()
        until(lambda: rig.swarm.count(API) == 2)
