"""What the loop knows, and how a step waits for it to change."""

import threading
from dataclasses import replace

import pytest

from scaler.model.reasons import ReplicaState
from scaler.model.services import Observation, Replica, Service
from scaler.model.view import Readiness, View
from scaler.state.world import World
from tests.fakes import until

KEY = ("shop", "web")
YES, NO = Readiness(ready=True), Readiness(ready=False, detail="answers 503")


def replica(name: str, status: str = "running", number: int = 1) -> Replica:
    return Replica(id=name, name=name, number=number, status=status)


def view(*replicas: Replica, ready: str = "", draining: str = "") -> View:
    return View(
        observation=Observation(services=(Service(key=KEY, replicas=replicas),)),
        readiness=dict.fromkeys(ready, YES) | {r.id: NO for r in replicas if r.id not in ready},
        draining=frozenset(draining),
    )


class TestView:
    def test_services_and_replicas_are_found_by_their_names(self) -> None:
        a = replica("a")
        seen = view(a)

        assert seen.service(KEY) is seen.observation.services[0]
        assert seen.replica("a") is a
        assert (seen.service(("blog", "web")), seen.replica("b")) == (None, None)

    @pytest.mark.parametrize(
        ("status", "ready", "draining", "state"),
        [
            ("running", "a", "", ReplicaState.READY),
            ("running", "", "", ReplicaState.STARTING),
            ("created", "a", "", ReplicaState.STARTING),
            ("restarting", "a", "", ReplicaState.STARTING),
            ("paused", "a", "", ReplicaState.STARTING),
            ("exited", "a", "", ReplicaState.FAILED),
            ("dead", "", "", ReplicaState.FAILED),
            ("running", "a", "a", ReplicaState.DRAINING),
            ("exited", "", "a", ReplicaState.DRAINING),
        ],
    )
    def test_state(self, status: str, ready: str, draining: str, state: ReplicaState) -> None:
        a = replica("a", status)
        seen = view(a, ready=ready, draining=draining)

        assert seen.state(a) is state
        assert seen.is_ready(a) is (state is ReplicaState.READY)

    def test_nobody_is_ready_who_was_not_asked(self) -> None:
        assert not View().is_ready(replica("a"))

    def test_those_that_live_and_stay_are_counted(self) -> None:
        seen = view(
            replica("a"), replica("b", "exited"), replica("c", "restarting"), replica("d"), draining="d"
        )

        assert [r.id for r in seen.counted(seen.observation.services[0])] == ["a", "c"]

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("running", ReplicaState.DRAINING),
            ("created", ReplicaState.DRAINING),
            ("exited", ReplicaState.FAILED),
        ],
    )
    def test_one_that_the_engine_takes_away_is_on_its_way_out(self, status: str, state: ReplicaState) -> None:
        a = replace(replica("a", status), leaving=True)
        seen = view(a, ready="a")

        assert seen.leaves(a)
        assert (seen.is_ready(a), seen.counted(seen.observation.services[0])) == (False, ())
        assert seen.state(a) is state


class TestWorld:
    def test_an_update_replaces_what_it_names(self) -> None:
        world = World()
        world.update(serving=frozenset("a"))
        after = world.update(readiness={"a": YES})

        assert world.view is after
        assert (after.serving, after.readiness) == (frozenset("a"), {"a": YES})

    def test_a_view_taken_before_stays_as_it_was(self) -> None:
        world = World()
        before = world.view
        world.update(serving=frozenset("a"))

        assert before.serving == frozenset()

    def test_draining_is_marked_and_unmarked(self) -> None:
        world = World()
        world.mark_draining("a")
        world.mark_draining("b")
        world.unmark_draining("a")
        world.unmark_draining("never marked")

        assert world.view.draining == {"b"}

    def test_what_holds_already_is_not_waited_for(self) -> None:
        assert World().wait_for(lambda _view: True, timeout=0)

    def test_waiting_ends_in_time(self) -> None:
        assert not World().wait_for(lambda _view: False, timeout=0.01)

    @pytest.mark.parametrize("way", ["update", "mark", "unmark"])
    def test_whatever_changes_wakes_whoever_waits(self, way: str) -> None:
        world, held = World(), []
        world.mark_draining("x")
        looked = threading.Event()

        def changed(view: View) -> bool:
            looked.set()
            return bool(view.serving) or view.draining != {"x"}

        waiter = threading.Thread(target=lambda: held.append(world.wait_for(changed, timeout=10)))
        waiter.start()
        until(looked.is_set)
        if way == "update":
            world.update(serving=frozenset("a"))
        elif way == "mark":
            world.mark_draining("a")
        else:
            world.unmark_draining("x")
        waiter.join(5)

        assert held == [True]

    def test_updates_from_several_threads_all_count(self) -> None:
        world = World()

        def mark(name: str) -> None:
            for number in range(100):
                world.mark_draining(f"{name}{number}")

        threads = [threading.Thread(target=mark, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(world.view.draining) == 400
