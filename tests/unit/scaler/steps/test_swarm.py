"""One step where the engine keeps the count, in the caller's thread: what ends it, and how."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from scaler.model.errors import JournalError, StepError
from scaler.model.labels import Limits, Probe, Requests
from scaler.model.reasons import Direction, ErrorReason, EventKind, Phase
from scaler.model.records import Event, EventQuery, Order, Step
from scaler.model.services import Kept
from scaler.model.view import Readiness
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.contract import StepContext
from scaler.steps.log import StepLog
from scaler.steps.swarm import CountStepper
from tests.fake_swarm import NO_NODE, WEB, FakeSwarm
from tests.fakes import until

UP, DOWN = Direction.UP, Direction.DOWN
LONG = Limits(probe=Probe(timeout=60.0), requests=Requests(drain=30.0))
SHORT = Limits(probe=Probe(timeout=0.1), requests=Requests(drain=0.0))


def wanted(_step: Step, _limits: Limits) -> str:
    return ""


@dataclass(kw_only=True)
class Shop:
    """A Swarm with two replicas, and a loop that sees every change at once, unless it is blind."""

    path: Path
    swarm: FakeSwarm = field(default_factory=lambda: FakeSwarm(lingers=True))
    placed_within: float = 0.05
    shown_within: float = 10.0
    blind: bool = False

    def __post_init__(self) -> None:
        """Wire the first process."""
        self.swarm.add(WEB, 2)
        self.swarm.on_change = self.look
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.boot()

    def boot(self) -> None:
        """Begin a process: what was in memory is gone, the journal and the Swarm are as they were."""
        self.world, self.stopping = World(), threading.Event()
        self.metrics = Metrics(CollectorRegistry())
        self.journal = Journal(path=self.path)
        recorder = Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 1000.0)
        context = StepContext(
            log=StepLog(journal=self.journal, recorder=recorder, metrics=self.metrics, wall=lambda: 1000.0),
            world=self.world,
            metrics=self.metrics,
            wake=self.look,
            stopping=self.stopping,
        )
        self.look()
        self.stepper = CountStepper(
            target=self.swarm,
            context=context,
            placed_within=self.placed_within,
            shown_within=self.shown_within,
        )

    def look(self) -> None:
        """Do what the loop does: list the services; whoever runs is ready."""
        if self.blind or self.swarm.down:
            return
        observation = self.swarm.observe()
        running = {r.id for s in observation.services for r in s.replicas if r.status == "running"}
        self.world.update(
            observation=observation,
            readiness={r: Readiness(ready=True) for r in running},
            serving=frozenset(running),
        )

    @property
    def kept(self) -> Kept:
        return self.swarm.services[WEB].kept

    def order(self, direction: Direction, *, count: int | None = None, limits: Limits = LONG) -> Order:
        kept = self.kept
        aim = kept.count + (1 if direction is UP else -1) if count is None else count
        return Order(
            service=WEB,
            direction=direction,
            number=max(aim, kept.count),
            why="alert_up",
            limits=limits,
            replica="",
            kept=kept,
            count=aim,
        )

    def take(self, direction: Direction, *, count: int | None = None, limits: Limits = LONG) -> str:
        """Take a step from beginning to end; return how it ended."""
        self.stepper.take(self.order(direction, count=count, limits=limits), wanted)
        return self.ended

    def begin(self, direction: Direction, *, count: int | None = None, limits: Limits = LONG) -> Future[None]:
        """Begin a step, and wait until it is asked for."""
        asked = len(self.swarm.calls)
        future = self.executor.submit(
            self.stepper.take, self.order(direction, count=count, limits=limits), wanted
        )
        until(lambda: len(self.swarm.calls) > asked, what="the count is changed")
        until(self.waits_for_replicas, what="its replicas are waited for")
        return future

    def waits_for_replicas(self) -> bool:
        return [s.phase for s in self.journal.unfinished()] in ([Phase.READY], [Phase.DRAIN])

    def left(self, direction: Direction, number: int) -> Step:
        """Leave behind a step as a process that was killed does."""
        phase = Phase.CREATE if direction is UP else Phase.REMOVE
        return self.journal.begin(
            service=WEB, direction=direction, number=number, why="alert_up", phase=phase, now=999.0
        )

    def resume(self, *, limits: Limits = LONG) -> str:
        """Resume the one step that is left; return how it ended."""
        (step,) = self.journal.unfinished()
        self.stepper.resume(step, limits, wanted)
        return self.ended

    @property
    def events(self) -> tuple[Event, ...]:
        return self.journal.events(EventQuery(kind=EventKind.STEP))

    @property
    def ended(self) -> str:
        """How the one step ended: outcome, and of one that was not done the reason and what is told."""
        (event,) = self.events
        assert not self.journal.unfinished()
        if event.reason == "done":
            return event.reason
        told, _, reason = event.text.partition(": ")[2].removesuffix(")").rpartition(" (")
        return f"{event.reason}: {reason}: {told}"

    def errors(self, reason: ErrorReason) -> float:
        value = self.metrics.registry.get_sample_value("alertscale_errors_total", {"reason": reason})
        return value or 0.0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(path=tmp_path / "journal.sqlite")
    yield made
    made.stopping.set()
    made.executor.shutdown()
    made.journal.close()


class TestUp:
    def test_a_step_is_done_once_enough_replicas_are_ready(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        step = shop.begin(UP)
        assert not step.done()
        shop.swarm.recover()
        step.result(5)

        assert (shop.ended, shop.swarm.calls) == ("done", ["web 3"])

    def test_a_step_of_several_is_one_change(self, shop: Shop) -> None:
        assert shop.take(UP, count=5) == "done"
        assert shop.swarm.calls == ["web 5"]
        assert shop.swarm.slots() == [1, 2, 3, 4, 5]

    def test_what_the_phases_took_is_told(self, shop: Shop) -> None:
        shop.take(UP)

        assert shop.events[0].detail["phases"].keys() == {"create", "ready"}
        labels = {"project": "shop", "service": "web", "direction": "up", "outcome": "done"}
        assert shop.metrics.registry.get_sample_value("alertscale_scale_total", labels) == 1

    def test_a_step_decided_on_an_older_version_is_undone_and_nothing_is_taken_back(self, shop: Shop) -> None:
        order = shop.order(UP)
        shop.swarm.scale(6)
        shop.stepper.take(order, wanted)

        assert shop.ended.startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (6, [])
        assert shop.errors(ErrorReason.OVERTAKEN) == 0

    def test_a_count_that_somebody_lowers_meanwhile_is_theirs(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        step = shop.begin(UP)
        shop.swarm.scale(1)
        step.result(5)

        assert shop.ended.startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (1, ["web 3"])

    def test_a_count_that_somebody_raises_meanwhile_is_not_taken_back(self, shop: Shop) -> None:
        shop.swarm.sick = "unhealthy container"
        step = shop.begin(UP, limits=Limits(probe=Probe(timeout=0.5)))
        shop.swarm.scale(7)
        step.result(5)

        assert shop.ended.startswith("failed: not_ready: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (7, ["web 3"])

    def test_one_that_finds_no_node_is_taken_back_with_the_reason_that_swarm_gives(self, shop: Shop) -> None:
        shop.swarm.unplaceable = NO_NODE

        assert shop.take(UP) == f"failed: cannot_place: no node can take it: {NO_NODE}"
        assert (shop.swarm.count(), shop.swarm.calls) == (2, ["web 3", "web 2"])
        assert shop.errors(ErrorReason.CANNOT_PLACE) == 1

    def test_a_step_of_several_goes_back_to_the_count_before_it(self, shop: Shop) -> None:
        shop.swarm.unplaceable = NO_NODE
        shop.take(UP, count=5)

        assert shop.swarm.calls == ["web 5", "web 2"]

    def test_one_that_finds_a_node_in_time_is_waited_for(self, tmp_path: Path) -> None:
        """Another replica may be leaving the node at that moment."""
        shop = Shop(path=tmp_path / "journal.sqlite", placed_within=60.0)
        shop.swarm.unplaceable = NO_NODE
        step = shop.begin(UP)
        shop.swarm.recover()
        step.result(5)

        assert (shop.ended, shop.swarm.count()) == ("done", 3)
        shop.executor.shutdown()
        shop.journal.close()

    def test_one_that_is_not_ready_in_time_is_taken_back_with_the_way_the_last_one_ended(
        self, shop: Shop
    ) -> None:
        shop.swarm.sick = "task: non-zero exit (3)"

        assert shop.take(UP, limits=SHORT) == (
            "failed: not_ready: 2 of 3 ready within 0.1 s: task: non-zero exit (3)"
        )
        assert shop.swarm.calls == ["web 3", "web 2"]

    def test_or_with_the_time_alone_when_none_ended(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        shop.swarm.before = lambda method: setattr(shop.swarm, "sick", "") if method == "trouble" else None

        assert shop.take(UP, limits=SHORT) == "failed: not_ready: 2 of 3 ready within 0.1 s"

    def test_a_count_that_cannot_be_taken_back_is_counted_and_the_step_ends(self, shop: Shop) -> None:
        shop.swarm.unplaceable = NO_NODE

        def refuse_the_second(method: str) -> None:
            if method == "set_count" and shop.swarm.calls:
                raise StepError("no leader", reason=ErrorReason.ENGINE_REFUSED)

        shop.swarm.before = refuse_the_second

        assert shop.take(UP).startswith("failed: cannot_place: ")
        assert shop.errors(ErrorReason.ENGINE_REFUSED) == 1

    def test_a_service_that_was_removed_is_nobodys_any_more(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        step = shop.begin(UP)
        shop.swarm.drop()
        step.result(5)

        assert shop.ended.startswith("undone: overtaken: ")


class TestDown:
    def test_a_step_is_done_once_those_that_leave_have_ended(self, shop: Shop) -> None:
        step = shop.begin(DOWN)
        assert not step.done()
        shop.swarm.vanish()
        step.result(5)

        assert (shop.ended, shop.swarm.calls) == ("done", ["web 1"])

    def test_it_is_not_done_before_swarm_has_marked_who_leaves(self, shop: Shop) -> None:
        """The count changes first, the tasks follow."""
        shop.swarm.hesitates = True
        step = shop.begin(DOWN)
        with pytest.raises(TimeoutError):
            step.result(0.1)
        shop.swarm.follow()
        shop.swarm.vanish()
        step.result(5)

        assert shop.ended == "done"

    def test_a_count_that_somebody_raises_meanwhile_ends_it(self, shop: Shop) -> None:
        step = shop.begin(DOWN)
        shop.swarm.scale(4)
        step.result(5)

        assert shop.ended.startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (4, ["web 1"])

    def test_a_step_decided_on_an_older_version_is_undone(self, shop: Shop) -> None:
        order = shop.order(DOWN)
        shop.swarm.scale(1)
        shop.stepper.take(order, wanted)

        assert shop.ended.startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (1, [])

    def test_a_step_that_the_engine_refuses_has_failed(self, shop: Shop) -> None:
        order = shop.order(DOWN)
        shop.swarm.drop()
        shop.stepper.take(order, wanted)

        assert shop.ended.startswith("failed: engine_refused: ")


class TestEngineAway:
    def come_back(self, shop: Shop) -> None:
        shop.swarm.down = False
        shop.look()

    @pytest.mark.parametrize("direction", [UP, DOWN])
    def test_a_change_whose_answer_was_lost_is_found_to_be_made(
        self, shop: Shop, direction: Direction
    ) -> None:
        shop.swarm.lingers = False
        shop.swarm.loses_answers = shop.blind = True
        step = shop.executor.submit(shop.stepper.take, shop.order(direction), wanted)
        until(lambda: shop.errors(ErrorReason.ENGINE_UNAVAILABLE), what="it waits for the engine")
        until(lambda: shop.swarm.calls)
        shop.blind = False
        step.result(5)

        assert (shop.ended, len(shop.swarm.calls)) == ("done", 1)

    @pytest.mark.parametrize("direction", [UP, DOWN])
    def test_a_change_is_nobody_elses_for_not_being_shown(self, tmp_path: Path, direction: Direction) -> None:
        """Swarm loses its leader right after the change: nothing can be listed for many seconds."""
        shop = Shop(path=tmp_path / "journal.sqlite", shown_within=0.05)
        asked: list[str] = []
        shop.swarm.before = asked.append
        shop.swarm.lingers, shop.blind = False, True
        step = shop.executor.submit(shop.stepper.take, shop.order(direction), wanted)
        until(lambda: asked.count("ping") == 2, what="it waits on for the list, though the engine answers")
        assert not step.done()
        shop.blind = False
        step.result(5)

        assert (shop.ended, len(shop.swarm.calls)) == ("done", 1)
        shop.executor.shutdown()
        shop.journal.close()

    @pytest.mark.parametrize("direction", [UP, DOWN])
    def test_a_change_that_never_arrived_is_undone(self, shop: Shop, direction: Direction) -> None:
        shop.swarm.down = True
        step = shop.executor.submit(shop.stepper.take, shop.order(direction), wanted)
        until(lambda: shop.errors(ErrorReason.ENGINE_UNAVAILABLE), what="it waits for the engine")
        self.come_back(shop)
        step.result(5)

        assert shop.ended.startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (2, [])

    def test_it_waits_for_as_long_as_the_engine_is_away(self, shop: Shop) -> None:
        shop.swarm.down = True
        asked: list[str] = []
        shop.swarm.before = asked.append
        step = shop.executor.submit(shop.stepper.take, shop.order(UP), wanted)
        until(lambda: asked.count("ping") == 2, what="it asks again")
        assert not step.done()
        self.come_back(shop)
        step.result(5)


class TestStopping:
    @pytest.mark.parametrize("direction", [UP, DOWN])
    def test_a_scaler_that_ends_leaves_the_step_to_the_next_start(
        self, shop: Shop, direction: Direction
    ) -> None:
        shop.swarm.sick = "starting"
        step = shop.begin(direction)
        shop.stopping.set()
        shop.look()
        step.result(5)

        assert [s.direction for s in shop.journal.unfinished()] == [direction]
        assert (shop.events, len(shop.swarm.calls)) == ((), 1)

    def test_also_while_it_waits_for_the_engine(self, shop: Shop) -> None:
        shop.swarm.down = True
        step = shop.executor.submit(shop.stepper.take, shop.order(UP), wanted)
        until(lambda: shop.errors(ErrorReason.ENGINE_UNAVAILABLE), what="it waits for the engine")
        shop.stopping.set()
        step.result(5)

        assert len(shop.journal.unfinished()) == 1

    def test_the_next_start_finishes_it(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        step = shop.begin(UP)
        shop.stopping.set()
        shop.look()
        step.result(5)
        shop.journal.close()
        shop.boot()
        shop.swarm.recover()

        assert shop.resume() == "done"
        assert shop.swarm.calls == ["web 3"]


class TestResume:
    """A step that an earlier process began: nothing is asked for again."""

    def test_an_up_step_that_came_true_meanwhile_is_done(self, shop: Shop) -> None:
        shop.left(UP, 2)

        assert (shop.resume(), shop.swarm.calls) == ("done", [])

    def test_a_down_step_that_came_true_meanwhile_is_done(self, shop: Shop) -> None:
        shop.left(DOWN, 3)

        assert (shop.resume(), shop.swarm.calls) == ("done", [])

    @pytest.mark.parametrize(("direction", "number"), [(UP, 3), (DOWN, 2)])
    def test_one_that_was_never_asked_for_or_overtaken_is_undone(
        self, shop: Shop, direction: Direction, number: int
    ) -> None:
        shop.left(direction, number)

        assert shop.resume().startswith("undone: overtaken: ")
        assert (shop.swarm.count(), shop.swarm.calls) == (2, [])

    def test_an_up_step_under_way_is_waited_for(self, shop: Shop) -> None:
        shop.swarm.sick = "starting"
        shop.swarm.scale(3)
        shop.left(UP, 3)
        step = shop.executor.submit(shop.resume)
        until(shop.waits_for_replicas)
        assert not step.done()
        shop.swarm.recover()

        assert (step.result(5), shop.swarm.calls) == ("done", [])

    def test_a_down_step_under_way_is_waited_for(self, shop: Shop) -> None:
        shop.swarm.scale(1)
        shop.left(DOWN, 2)
        step = shop.executor.submit(shop.resume)
        until(shop.waits_for_replicas)
        assert not step.done()
        shop.swarm.vanish()

        assert (step.result(5), shop.swarm.calls) == ("done", [])

    def test_an_up_step_that_cannot_be_placed_is_taken_back(self, shop: Shop) -> None:
        shop.swarm.unplaceable = NO_NODE
        shop.swarm.scale(3)
        shop.left(UP, 3)

        assert shop.resume().startswith("failed: cannot_place: ")
        assert shop.swarm.calls == ["web 2"]


class TestJournal:
    def test_a_step_that_cannot_be_written_is_not_taken(self, shop: Shop) -> None:
        shop.journal.close()

        with pytest.raises(JournalError):
            shop.stepper.take(shop.order(UP), wanted)
        assert (shop.swarm.count(), shop.swarm.calls) == (2, [])

    def test_a_phase_that_cannot_be_written_leaves_the_step_until_it_can(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter = shop.journal.enter
        with monkeypatch.context() as patch:
            patch.setattr(shop.journal, "enter", refuse)
            shop.stepper.take(shop.order(UP), wanted)

        assert (shop.swarm.calls, shop.events) == ([], ())
        assert shop.errors(ErrorReason.JOURNAL) == 1
        assert shop.journal.enter == enter
        assert shop.resume().startswith("undone: ")

    def test_the_count_is_journalled_before_it_is_changed(self, shop: Shop) -> None:
        known: list[tuple[str, int, str]] = []

        def look(method: str) -> None:
            if method == "set_count":
                known.extend((s.direction, s.number, s.phase) for s in shop.journal.unfinished())

        shop.swarm.before = look
        shop.take(UP)

        assert known == [(UP, 3, Phase.CREATE)]


def test_a_step_without_a_count_is_a_fault_of_ours(shop: Shop) -> None:
    order = Order(
        service=WEB, direction=UP, number=3, why="alert_up", limits=LONG, replica="task-1", kept=None, count=3
    )
    with pytest.raises(StepError) as caught:
        shop.stepper.take(order, wanted)

    assert caught.value.reason is ErrorReason.INTERNAL
    assert shop.journal.unfinished() == ()


def refuse(*_args: object, **_kwargs: object) -> None:
    raise JournalError("disk full")


def test_nothing_is_cleared_away_by_hand(shop: Shop) -> None:
    asked: list[str] = []
    shop.swarm.before = asked.append
    clear: Callable[[str], None] = shop.stepper.clear_away
    clear("task-1")

    assert asked == []
