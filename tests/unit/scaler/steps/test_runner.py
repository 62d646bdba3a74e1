"""Which replicas a decision is about, and what becomes of a step whose thread fails."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from scaler.model.errors import JournalError, StepError, TargetError
from scaler.model.labels import Limits, Requests
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, Phase
from scaler.model.records import Order, Step
from scaler.model.services import Kept, Observation, Replica, Service
from scaler.model.view import View
from scaler.policy.scaling import Decision
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.runner import AGAIN_AFTER, Runner
from tests.fakes import until

WEB, API = ("shop", "web"), ("shop", "api")
LIMITS = Limits(requests=Requests(drain=7.0))


@dataclass
class Steps:
    """Stands for the stepper: notes what it is given, and waits or fails as told."""

    orders: list[Order] = field(default_factory=list)
    resumed: list[tuple[Step, Limits]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None

    def take(self, order: Order, _unwanted: object) -> None:
        self.orders.append(order)
        assert self.go.wait(10)
        if self.fault is not None:
            raise self.fault

    def resume(self, step: Step, limits: Limits, _unwanted: object) -> None:
        self.resumed.append((step, limits))
        if self.fault is not None:
            raise self.fault


class Made:
    """A runner, with what it works on."""

    def __init__(self, path: Path) -> None:
        self.steps, self.world, self.ended = Steps(), World(), 0
        self.metrics = Metrics(CollectorRegistry())
        self.journal = Journal(path=path)
        recorder = Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 1.0)
        stepper: Any = self.steps
        self.learned: list[str] = []
        self.runner = Runner(
            steps=stepper,
            world=self.world,
            recorder=recorder,
            learn=lambda *, model: self.learned.append(model),
            done=self._done,
            unwanted=lambda _step, _limits: "",
            unfinished=self.journal.unfinished,
        )

    def _done(self) -> None:
        self.ended += 1

    def act(self, *replicas: Replica, target: int, key: tuple[str, str] = WEB) -> list[tuple[int, str]]:
        """Let it act on a decision; return number and replica of each order, the lowest number first."""
        counted = tuple(r for r in replicas if r.live)
        decision = Decision(
            direction=Direction.UP if target > len(counted) else Direction.DOWN,
            replicas=len(counted),
            target=target,
            reason=DecisionReason.MANUAL,
        )
        self.runner.act(Service(key=key, replicas=replicas), counted, decision, LIMITS)
        expected = abs(target - len(counted))
        until(lambda: len([o for o in self.steps.orders if o.service == key]) == expected)
        return sorted((o.number, o.replica) for o in self.steps.orders if o.service == key)

    def finish(self) -> None:
        self.steps.go.set()
        until(lambda: self.ended == len(self.steps.orders) + len(self.steps.resumed))
        self.journal.close()


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "journal.sqlite")


def replica(number: int, status: str = "running") -> Replica:
    return Replica(id=f"id{number}", name=f"shop-web-{number}", number=number, status=status)


def test_up_takes_the_numbers_after_the_highest_and_the_newest_running_one_as_model(made: Made) -> None:
    orders = made.act(replica(1), replica(2), replica(3, "restarting"), replica(7, "exited"), target=5)
    made.finish()

    assert orders == [(8, "id2"), (9, "id2")]
    assert {(o.direction, o.why, o.limits) for o in made.steps.orders} == {(Direction.UP, "manual", LIMITS)}


def test_up_takes_one_that_restarts_as_model_when_none_runs(made: Made) -> None:
    orders = made.act(replica(1, "restarting"), target=2)
    made.finish()

    assert orders == [(2, "id1")]


def test_down_takes_the_highest_numbers(made: Made) -> None:
    orders = made.act(replica(1), replica(2), replica(5), replica(9, "exited"), target=1)
    made.finish()

    assert orders == [(2, "id2"), (5, "id5")]
    assert {o.direction for o in made.steps.orders} == {Direction.DOWN}


def test_a_retirement_takes_the_replicas_that_were_named(made: Made) -> None:
    replicas = tuple(replica(n) for n in (1, 2, 3, 4))
    decision = Decision(direction=Direction.DOWN, replicas=4, target=2, reason=DecisionReason.RETIRE)
    made.runner.act(Service(key=WEB, replicas=replicas), replicas, decision, LIMITS, retiring=replicas[:2])
    until(lambda: len(made.steps.orders) == 2)
    made.finish()

    assert sorted((o.number, o.replica, o.why) for o in made.steps.orders) == [
        (1, "id1", "retire"),
        (2, "id2", "retire"),
    ]


@pytest.mark.parametrize(
    ("target", "direction", "number"), [(7, Direction.UP, 7), (5, Direction.UP, 5), (2, Direction.DOWN, 4)]
)
def test_where_the_engine_keeps_the_count_a_step_is_one_order_on_what_it_kept(
    made: Made, target: int, direction: Direction, number: int
) -> None:
    """However many replicas it is about, and whichever of them run."""
    kept = Kept(id="s", count=4, version=9, changed_at=1.0, updating=False, labels={})
    service = Service(key=WEB, replicas=(replica(1), replica(2, "created")), kept=kept)
    decision = Decision(direction=direction, replicas=4, target=target, reason=DecisionReason.MANUAL)
    made.runner.act(service, service.replicas[:1], decision, LIMITS)
    until(lambda: made.steps.orders)
    made.finish()
    (order,) = made.steps.orders

    assert (order.direction, order.number, order.count) == (direction, number, target)
    assert (order.kept, order.replica, order.limits) == (kept, "", LIMITS)


def test_a_service_is_stepping_until_the_last_of_its_steps_has_ended(made: Made) -> None:
    made.act(replica(1), target=3)

    assert made.runner.stepping(WEB)
    assert made.runner.busy
    assert not made.runner.stepping(API)
    made.finish()
    assert not made.runner.stepping(WEB)


@pytest.mark.parametrize(
    ("fault", "reason"), [(JournalError("disk full"), "journal"), (ZeroDivisionError("a bug"), "internal")]
)
def test_a_step_that_fails_is_counted_and_ends(made: Made, fault: Exception, reason: str) -> None:
    made.steps.fault = fault
    made.act(replica(1), target=2)
    made.steps.go.set()
    until(lambda: not made.runner.stepping(WEB))

    assert made.metrics.registry.get_sample_value("alertscale_errors_total", {"reason": reason}) == 1


class TestFault:
    """A fault of our own that a step did not end by itself."""

    def begun(self, made: Made, number: int) -> Step:
        return made.journal.begin(
            service=WEB, direction=Direction.UP, number=number, why="manual", phase=Phase.START, now=0.0
        )

    @pytest.mark.parametrize(
        "fault",
        # The second has a reason of its own, as those of TLS have.
        [ZeroDivisionError("a bug"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")],
        ids=lambda fault: type(fault).__name__,
    )
    def test_the_step_that_it_left_open_has_failed_and_no_other(self, made: Made, fault: Exception) -> None:
        self.begun(made, 2)
        other = self.begun(made, 3)
        made.steps.fault = fault
        made.act(replica(1), target=2)
        made.steps.go.set()
        until(lambda: made.ended)

        assert made.journal.unfinished() == (other,)
        (event,) = made.journal.events()
        assert (
            event.text == f"Replica 2 could not be added: a fault of the scaler's own: {fault!r} (internal)"
        )

    def test_one_whose_replica_may_not_be_prepared_is_left_and_counts_from_now(self, made: Made) -> None:
        """Ended, its replica would get requests from the next start on."""
        step = self.begun(made, 2)
        made.journal.enter(step.id, phase=Phase.START, now=0.1, replica="id2")
        made.steps.fault = ZeroDivisionError("a bug")
        made.act(replica(1), target=2)
        made.steps.go.set()
        until(lambda: made.ended)

        assert [s.id for s in made.journal.unfinished()] == [step.id]
        assert made.journal.failures(WEB, left=True) == (1, 1.0)

    def test_a_replica_that_was_to_leave_gets_requests_again(self, made: Made) -> None:
        made.steps.fault = ZeroDivisionError("a bug")
        made.journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=2,
            why="manual",
            phase=Phase.DRAIN,
            now=1.0,
            replica="id2",
        )
        made.world.mark_draining("id2")
        made.act(replica(1), replica(2), target=1)
        made.steps.go.set()
        until(lambda: made.ended)

        assert made.world.view.draining == frozenset()

    def test_nobody_hurries_to_take_up_again_what_could_not_even_be_ended(
        self, made: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_args: object, **_kwargs: object) -> None:
            raise ZeroDivisionError("the same bug")

        monkeypatch.setattr(made.runner.recorder, "step_ended", fails)
        self.begun(made, 2)
        made.steps.fault = ZeroDivisionError("a bug")
        made.act(replica(1), target=2)
        made.steps.go.set()
        until(lambda: not made.runner.busy)

        assert made.ended == 0
        assert made.metrics.registry.get_sample_value("alertscale_errors_total", {"reason": "internal"}) == 2

    def test_one_that_cannot_even_be_logged_leaves_no_step_under_way(
        self, made: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else nothing is decided for its service any more."""

        def full(*_args: object, **_kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(made.runner.recorder, "survived", full)
        monkeypatch.setattr(threading, "excepthook", lambda _fault: None)
        made.steps.fault = ZeroDivisionError("a bug")
        made.act(replica(1), target=2)
        made.steps.go.set()
        until(lambda: not made.runner.busy)

        assert made.ended == 0

    def test_nor_what_was_never_begun(self, made: Made) -> None:
        made.steps.fault = StepError("a step without a count to change", reason=ErrorReason.INTERNAL)
        made.act(replica(1), target=2)
        made.steps.go.set()
        until(lambda: not made.runner.busy)

        assert made.ended == 0


def unfinished(direction: Direction, replica: str | None) -> Step:
    return Step(
        id=1,
        service=WEB,
        direction=direction,
        number=2,
        why="alert_down",
        replica=replica,
        phase=Phase.DRAIN,
        phases={},
    )


def test_replicas_that_were_leaving_are_claimed_and_those_that_came_are_not(made: Made) -> None:
    steps = (unfinished(Direction.DOWN, "a"), unfinished(Direction.UP, "b"), unfinished(Direction.UP, None))

    made.runner.unfinished = lambda: steps
    made.runner.claim()
    assert made.world.view.draining == {"a"}
    made.finish()


@pytest.mark.parametrize(("phase", "kept"), [(Phase.START, {"b"}), (Phase.READY, set())])
def test_a_replica_that_may_not_be_prepared_is_kept_from_the_traffic(
    made: Made, phase: Phase, kept: set[str]
) -> None:
    made.runner.unfinished = lambda: (replace(unfinished(Direction.UP, "b"), phase=phase),)
    made.runner.claim()
    made.finish()

    assert made.world.view.preparing == kept


def test_steps_are_resumed_with_the_labels_of_their_service(made: Made) -> None:
    made.world.update(limits={WEB: LIMITS})
    step = unfinished(Direction.DOWN, "a")
    made.runner.unfinished = lambda: (step,)
    made.runner.resume(now=0.0)
    made.finish()

    assert made.steps.resumed == [(step, LIMITS)]


def test_or_with_the_defaults_when_it_has_none(made: Made) -> None:
    step = unfinished(Direction.DOWN, "a")
    made.runner.unfinished = lambda: (step,)
    made.runner.resume(now=0.0)
    made.finish()

    assert made.steps.resumed == [(step, Limits())]


def test_one_that_is_left_open_again_waits_unless_it_is_asked_for_at_once(made: Made) -> None:
    """Else an event that the try itself leads to is the next try."""
    step = unfinished(Direction.DOWN, "a")
    made.runner.unfinished = lambda: (step,)
    for tries, (now, at_once) in enumerate(
        [(0.0, False), (AGAIN_AFTER - 1, True), (2 * AGAIN_AFTER, False)], start=1
    ):
        made.runner.resume(now=now, at_once=at_once)
        until(lambda: made.ended == tries)  # noqa: B023
        made.runner.resume(now=now + AGAIN_AFTER - 1)
        assert not made.runner.busy
    assert len(made.steps.resumed) == 3


def test_so_does_one_that_the_engine_refused_and_one_that_it_did_not_answer_does_not(made: Made) -> None:
    """Nothing was tried of it, and its replica is out of nginx."""
    made.runner.unfinished = lambda: (unfinished(Direction.DOWN, "a"),)
    for tries, reason in enumerate([ErrorReason.ENGINE_UNAVAILABLE, ErrorReason.ENGINE_REFUSED], start=1):
        made.steps.fault = TargetError("says the engine", reason=reason)
        made.runner.resume(now=float(tries))
        until(lambda: made.ended == tries)  # noqa: B023
    made.runner.resume(now=3.0)

    assert not made.runner.busy
    assert len(made.steps.resumed) == 2


def test_what_a_copy_takes_is_learned_once_for_each_version(made: Made) -> None:
    def sees(*replicas: Replica) -> View:
        services = (Service(key=WEB, replicas=replicas), Service(key=API, replicas=(replica(9),)))
        # The labels of the second cannot be read: it will not grow.
        return View(observation=Observation(services=services), limits={WEB: LIMITS})

    made.runner.prepare(sees(replica(1), replica(2)))
    made.runner.prepare(sees(replica(1), replica(2)))
    until(lambda: made.learned)

    newer = replace(replica(3), version="another")
    made.runner.prepare(sees(newer))
    until(lambda: len(made.learned) == 2)
    assert made.learned == [replica(2).id, newer.id]


def test_a_step_that_ends_while_the_journal_is_read_is_not_taken_for_one_left_over(made: Made) -> None:
    """It was under way before the read and ended after it: the list that was read still holds it."""
    service = Service(key=WEB, replicas=(replica(1), replica(2)))
    down = Decision(direction=Direction.DOWN, replicas=2, target=1, reason=DecisionReason.ALERT_DOWN)
    made.runner.act(service, service.replicas, down, LIMITS)

    def read() -> tuple[Step, ...]:
        made.finish()
        return (unfinished(Direction.DOWN, "a"),)

    made.runner.unfinished = read
    made.runner.resume(now=0.0)
    assert made.steps.resumed == []
