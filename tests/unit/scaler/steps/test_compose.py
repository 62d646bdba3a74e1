"""One step at a time, in the caller's thread: its phases, its failures, and a process killed within it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from scaler.model.errors import JournalError, TargetError
from scaler.model.hooks import HookKind
from scaler.model.labels import Limits, Probe, Requests
from scaler.model.reasons import Direction, ErrorReason, EventKind, Outcome, Phase
from scaler.model.records import EventQuery, Order
from scaler.model.services import Fate
from scaler.model.view import Readiness
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.compose import Stepper
from scaler.steps.contract import StepContext, Unwanted
from scaler.steps.log import StepLog
from tests.fakes import LIVES, FakeTarget, until

WEB = ("shop", "web")
LIMITS = Limits(probe=Probe(timeout=0.05), requests=Requests(drain=0.0))
CREATE, START, READY, DRAIN, STOP, REMOVE = Phase


class Killed(BaseException):
    """The process is gone: nothing after this line of the scaler runs."""


ADDED = "Replica 2 was added: an alert asked for more"
REMOVED = "Replica 2 was removed: everything was low"


@dataclass(kw_only=True)
class Shop:
    """An engine with replica 1 (and 2, for a step down), and a loop that sees every change at once.

    Attributes:
        refused: nobody gets or loses traffic, as when nginx refuses.
        at_work: a pass that began before is not over, so that nothing new is known of nginx.
        under_way: looks at which requests are still under way.
        looks: how often that was looked at.
        kill_at: the call within which the process dies: ``("start", "before")``.
        phases: what the journal knew of the step at each call of the engine.
        unwanted: says of a step that waits why it would not be taken now.
    """

    path: Path
    target: FakeTarget = field(default_factory=FakeTarget)
    refused: bool = False
    at_work: bool = False
    under_way: int = 0
    looks: int = 0
    kill_at: tuple[str, str] = ("", "")
    phases: list[tuple[str, str]] = field(default_factory=list)
    unwanted: Unwanted = lambda _step, _limits: ""

    def __post_init__(self) -> None:
        """Wire the first process."""
        self.first = self.target.add(number=1)
        self.target.on_change = self.look
        self.target.before = self._before
        self.boot()

    def boot(self) -> None:
        """Begin a process: what was in memory is gone, the journal and the engine are as they were."""
        self.world, self.stopping = World(), threading.Event()
        self.metrics = Metrics(CollectorRegistry())
        self.journal = Journal(path=self.path)
        recorder = Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 1000.0)
        context = StepContext(
            log=StepLog(journal=self.journal, recorder=recorder, metrics=self.metrics, wall=lambda: 1000.0),
            world=self.world,
            metrics=self.metrics,
            wake=self._wake,
            stopping=self.stopping,
        )
        self.look()
        self.stepper = Stepper(
            target=self if self.kill_at[0] else self.target,  # type: ignore[arg-type]
            balancer=self,
            context=context,
        )

    def __getattr__(self, name: str) -> Callable[..., object]:
        """Pass a call on to the engine; die before or after it."""
        method: Callable[..., object] = getattr(self.target, name)

        def call(*args: object, **kwargs: object) -> object:
            self._die(name, "before")
            answer = method(*args, **kwargs)
            self._die(name, "after")
            return answer

        return call

    def _die(self, what: str, when: str) -> None:
        if self.kill_at == (what, when):
            raise Killed

    def _before(self, method: str, _replica: str) -> None:
        known = (
            self.journal.unfinished() if method in {"create", "start", "run_hooks", "stop", "remove"} else ()
        )
        # Before the hook's own call, which a service without any has nothing of.
        if method == "run_hooks" and not self.target.hooks:
            known = ()
        self.phases += [(method, step.phase) for step in known]

    def look(self) -> None:
        """Do what the loop does: list the engine, ask everybody, put nginx right."""
        observation = self.target.observe()
        running = [r for s in observation.services for r in s.replicas if r.status == "running"]
        ready = {r.id for r in running if r.number not in self.target.unready}
        view = self.world.update(
            observation=observation,
            readiness={r.id: Readiness(ready=r.id in ready, detail="answers 503") for r in running},
        )
        if self.at_work:
            return
        if not self.refused:
            self.world.update(serving=frozenset(r.id for r in running if view.is_ready(r)))
        self.world.update(let_go=view.draining)

    def _wake(self) -> None:
        for step in self.journal.unfinished():
            self._die(step.phase, "within")
        self.look()

    def draining(self, instance: str | None) -> "Shop":  # noqa: ARG002
        return self

    def over(self) -> bool:
        self.looks += 1
        return self.looks > self.under_way

    def take(
        self, direction: Direction, *, number: int = 2, replica: str = "", limits: Limits = LIMITS
    ) -> None:
        self.stepper.take(
            Order(
                service=WEB,
                direction=direction,
                number=number,
                why=f"alert_{direction}",
                limits=limits,
                replica=replica or self.first,
            ),
            self.unwanted,
        )

    def resume(self) -> None:
        """Do what the runner does with the steps of an earlier process."""
        for step in self.journal.unfinished():
            if step.direction is Direction.DOWN and step.replica:
                self.world.mark_draining(step.replica)
            elif step.phase is Phase.START and step.replica:
                self.world.mark_preparing(step.replica)
            self.stepper.resume(step, LIMITS, self.unwanted)

    @property
    def ends(self) -> list[str]:
        """The text of each step that ended, the oldest first."""
        return [event.text for event in reversed(self.journal.events(EventQuery(kind=EventKind.STEP)))]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(path=tmp_path / "journal.sqlite")
    yield made
    made.journal.close()


class TestUp:
    def test_create_start_and_wait_until_it_gets_traffic(self, shop: Shop) -> None:
        shop.take(Direction.UP)

        assert shop.target.calls == ["create shop-web-2", "start shop-web-2"]
        assert len(shop.world.view.serving) == 2
        assert shop.ends == [ADDED]
        assert shop.journal.unfinished() == ()
        assert shop.journal.last_change(WEB) == 1000.0

    def test_each_phase_is_journalled_before_it_is_taken(self, shop: Shop) -> None:
        shop.take(Direction.UP)

        assert shop.phases == [("create", CREATE), ("start", START)]

    def test_each_phase_is_timed(self, shop: Shop) -> None:
        shop.take(Direction.UP)

        name = "alertscale_scale_duration_seconds_count"
        for phase in (CREATE, START, READY):
            wanted = {"project": "shop", "service": "web", "direction": "up", "phase": phase}
            assert shop.metrics.registry.get_sample_value(name, wanted) == 1

    def test_a_fault_of_our_own_is_a_failure_like_any_other(self, shop: Shop) -> None:
        """Else the step stays open, and the loop begins another at once, hundreds a second."""
        shop.target.broken["start"] = ModuleNotFoundError("No module named 'x'")
        shop.take(Direction.UP)

        (ended,) = shop.ends
        assert ended.startswith("Replica 2 could not be added: a fault of the scaler's own: ModuleNotFound")
        assert ended.endswith(" (internal)")
        assert shop.target.names() == ["shop-web-1"]
        assert (shop.journal.unfinished(), shop.journal.failures(WEB, Direction.UP)[0]) == ((), 1)

    def test_not_ready_in_time_is_taken_away_again(self, shop: Shop) -> None:
        shop.target.unready = {2}
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == ["Replica 2 could not be added: not ready within 0.05 s: answers 503 (not_ready)"]
        assert shop.journal.failures(WEB) == (1, 1000.0)
        assert shop.world.view.draining == frozenset()

    def test_one_that_nginx_may_have_is_not_taken_away(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reload with it is under way for longer than it may take to be ready."""
        monkeypatch.setattr("scaler.steps.compose._RETIRE_TIMEOUT", 0.05)
        shop.at_work = True
        shop.take(Direction.UP)
        assert (shop.target.names(), shop.ends) == (["shop-web-1", "shop-web-2"], [])
        assert len(shop.journal.unfinished()) == 1

        shop.at_work = False
        shop.resume()
        assert shop.ends == [ADDED]

    def test_ready_but_refused_by_nginx_is_taken_away_again(self, shop: Shop) -> None:
        shop.refused = True
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == [
            "Replica 2 could not be added: ready, but not in nginx within 0.05 s (reload_failed)"
        ]

    def test_one_that_exits_is_not_waited_for(self, shop: Shop) -> None:
        shop.target.exits = {2}
        shop.take(Direction.UP, limits=replace(LIMITS, probe=Probe(timeout=3600)))

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == ["Replica 2 could not be added: it exited before it was ready (replica_exited)"]

    @pytest.mark.parametrize(
        ("fate", "told"),
        [
            (
                Fate(exit_code=None, out_of_memory=False, restarts=4, memory_limit=0),
                "it exited before it was ready (started again 4 times) (replica_exited)",
            ),
            (
                Fate(exit_code=3, out_of_memory=False, restarts=1, memory_limit=0),
                "it exited before it was ready (started again 1 times), with code 3 (replica_exited)",
            ),
            (
                Fate(exit_code=137, out_of_memory=True, restarts=2, memory_limit=64 * 2**20),
                (
                    "out of memory before it was ready (started again 2 times): the kernel"
                    " killed it at its memory limit of 64 MiB;"
                    " raise the limit, or let the service take less at its start (out_of_memory)"
                ),
            ),
        ],
    )
    def test_what_became_of_it_is_told(self, shop: Shop, fate: Fate, told: str) -> None:
        """One that Docker starts again and again is never seen to have exited."""
        shop.target.unready = {2}
        shop.target.before = lambda _method, replica: shop.target.fates.update({replica: fate})
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == [f"Replica 2 could not be added: {told}"]

    def test_the_last_lines_of_its_log_are_kept_since_the_log_goes_with_it(self, shop: Shop) -> None:
        shop.target.exits, shop.target.words = {2}, {2: ("cannot reach db", "giving up")}
        shop.take(Direction.UP, limits=replace(LIMITS, probe=Probe(timeout=3600)))

        assert shop.target.names() == ["shop-web-1"]
        (event,) = shop.journal.events(EventQuery(kind=EventKind.STEP))
        assert event.detail["log"] == ["cannot reach db", "giving up"]

    def test_a_log_that_cannot_be_read_is_told_in_its_place_and_keeps_nothing(self, shop: Shop) -> None:
        refused = TargetError("the engine refused to read the log of 2: the driver does not support reading")
        shop.target.unready, shop.target.words = {2}, {2: refused}
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        (event,) = shop.journal.events(EventQuery(kind=EventKind.STEP))
        assert event.reason == Outcome.FAILED
        assert event.detail["log"] == [f"(its log cannot be read: {refused})"]

    def test_an_end_that_cannot_be_written_leaves_the_replica_and_the_step_for_later(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = fail(shop, "finish", monkeypatch)
        with pytest.raises(JournalError):
            shop.take(Direction.UP)
        assert len(shop.world.view.serving) == 2
        monkeypatch.setattr(shop.journal, "finish", finish)
        shop.resume()

        assert shop.target.calls == ["create shop-web-2", "start shop-web-2"]
        assert shop.ends == [ADDED]
        outcome = {"project": "shop", "service": "web", "direction": "up", "outcome": "done"}
        assert shop.metrics.registry.get_sample_value("alertscale_scale_total", outcome) == 1

    def test_a_replica_that_serves_is_not_taken_away_since_the_journal_fails(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A step left open is taken up again; on a disk that is full still it must change nothing."""
        finish = fail(shop, "finish", monkeypatch)
        with pytest.raises(JournalError):
            shop.take(Direction.UP)
        enter = fail(shop, "enter", monkeypatch)
        shop.resume()

        assert len(shop.world.view.serving) == 2
        assert shop.target.calls == ["create shop-web-2", "start shop-web-2"]
        monkeypatch.setattr(shop.journal, "finish", finish)
        monkeypatch.setattr(shop.journal, "enter", enter)
        shop.resume()
        assert shop.ends == [ADDED]

    def test_when_nothing_was_created_nothing_is_removed(self, shop: Shop) -> None:
        """A container under that number is somebody else's."""
        shop.target.add(number=2)
        shop.take(Direction.UP)

        assert shop.target.calls == []
        assert shop.target.names() == ["shop-web-1", "shop-web-2"]
        assert shop.ends == [
            "Replica 2 could not be added: the engine refused to create web-2: name in use (engine_refused)"
        ]

    def test_one_that_cannot_be_started_is_removed(self, shop: Shop) -> None:
        shop.target.broken["start"] = TargetError("the engine refused to start it: no such network")
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        assert "no such network" in shop.ends[0]

    def test_one_that_cannot_be_removed_either_is_told_and_counted(self, shop: Shop) -> None:
        shop.target.unready = {2}
        shop.target.broken["discard"] = TargetError("the engine refused to remove it")
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1", "shop-web-2"]
        (step,) = shop.journal.unfinished()  # resumed later, so that nobody forgets the container
        assert (step.number, shop.ends) == (2, [])
        assert shop.world.view.draining == frozenset()
        counted = shop.metrics.registry.get_sample_value
        assert counted("alertscale_errors_total", {"reason": "engine_refused"}) == 1
        assert counted("alertscale_errors_total", {"reason": "not_ready"}) == 1

    @pytest.mark.parametrize("unanswered", ["create", "start"])
    def test_what_an_engine_did_without_an_answer_is_found_when_it_answers_again(
        self, shop: Shop, unanswered: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An engine that hangs takes a request in and does it later, when nobody waits for it."""
        silent(shop, unanswered, monkeypatch)
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1", "shop-web-2"]
        assert shop.target.calls.count("create shop-web-2") == 1
        assert shop.ends == [ADDED]
        assert shop.journal.failures(WEB) == (0, None)

    def test_what_an_engine_never_did_is_undone_when_it_answers_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silent(shop, "create", monkeypatch, does=False)
        shop.take(Direction.UP)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == ["Replica 2 was not added after all: its replica is not there any more"]

    def test_a_model_that_others_have_removed_is_no_failure(self, shop: Shop) -> None:
        """``docker compose up -d`` at the moment of an alert: decided on a list that is out of date."""

        def take_model(method: str, replica: str) -> None:
            if method == "create":
                shop.target.take(replica)

        shop.target.before = take_model
        shop.take(Direction.UP)

        assert shop.target.names() == []
        assert [end.endswith(" (model_gone)") for end in shop.ends] == [True]
        assert shop.ends[0].startswith("Replica 2 was not added after all: ")
        assert shop.journal.failures(WEB) == (0, None)
        assert (
            shop.metrics.registry.get_sample_value("alertscale_errors_total", {"reason": "model_gone"})
            is None
        )

    def test_a_scaler_that_stops_while_the_engine_is_away_leaves_the_step_open(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silent(shop, "create", monkeypatch)
        monkeypatch.setattr(shop.target, "find", lambda **_: shop.stopping.set())
        shop.take(Direction.UP)

        assert [step.phase for step in shop.journal.unfinished()] == [CREATE]

    def test_one_that_would_not_be_made_any_more_is_taken_away(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        shop.target.unready = {2}
        shop.unwanted = lambda step, _: f"{step.phase} of {step.replica[4:14]}" if step.replica else "?"
        shop.take(Direction.UP, limits=replace(LIMITS, probe=Probe(timeout=60.0)))

        assert shop.target.names() == ["shop-web-1"]
        why = "it would not be taken any more: ready of shop-web-2"
        assert shop.ends == [f"Replica 2 was not added after all: {why} (overtaken)"]
        assert shop.journal.failures(WEB) == (0, None)

    def test_one_that_may_have_been_sent_requests_is_drained_and_stopped_before(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nginx is being reloaded with it: a new worker sends it requests, and nobody knows yet."""
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        shop.refused, shop.under_way = True, 2
        shop.unwanted = lambda step, _: "max is reached" if step.replica else ""
        shop.take(
            Direction.UP, limits=replace(LIMITS, probe=Probe(timeout=60.0), requests=Requests(drain=60.0))
        )

        assert shop.target.calls[2:] == ["stop shop-web-2", "discard shop-web-2"]
        assert shop.looks == 3

    def test_a_scaler_that_stops_leaves_the_step_open(self, shop: Shop) -> None:
        shop.stopping.set()
        shop.take(Direction.UP)

        (step,) = shop.journal.unfinished()
        assert step.phase is READY
        assert shop.ends == []
        assert shop.target.names() == ["shop-web-1", "shop-web-2"]


HOOK_FAILED = TargetError("post_start '/warm' ended with 3", reason=ErrorReason.HOOK_FAILED)


class TestHooks:
    def test_post_start_is_run_before_the_replica_may_get_requests(self, shop: Shop) -> None:
        shop.target.hooks = frozenset(HookKind)
        served: list[bool] = []

        def look(method: str, replica: str) -> None:
            if method == "run_hooks":
                shop.look()
                served.append(replica in shop.world.view.serving)

        shop.target.before = look
        shop.take(Direction.UP)

        assert shop.target.calls == ["create shop-web-2", "start shop-web-2", "post_start shop-web-2"]
        assert served == [False]
        assert len(shop.world.view.serving) == 2
        assert shop.ends == [ADDED]

    def test_pre_stop_is_run_when_it_gets_no_more_and_before_it_is_stopped(self, shop: Shop) -> None:
        shop.target.hooks = frozenset(HookKind)
        second = shop.target.add(number=2)
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.calls == ["pre_stop shop-web-2", "stop shop-web-2", "remove shop-web-2"]
        assert shop.phases == [("run_hooks", STOP), ("stop", STOP), ("remove", REMOVE)]

    def test_a_replica_whose_post_start_fails_is_taken_away_and_never_served(self, shop: Shop) -> None:
        shop.target.broken["run_hooks"] = HOOK_FAILED
        shop.take(Direction.UP)

        assert shop.target.calls == ["create shop-web-2", "start shop-web-2", "discard shop-web-2"]
        assert shop.ends == ["Replica 2 could not be added: post_start '/warm' ended with 3 (hook_failed)"]
        assert shop.world.view.preparing == frozenset()

    def test_a_hook_that_fails_since_the_replica_ended_is_told_as_its_end(self, shop: Shop) -> None:
        shop.target.broken["run_hooks"] = HOOK_FAILED
        ended = Fate(exit_code=1, out_of_memory=False, restarts=0, memory_limit=0)
        shop.target.before = lambda _method, replica: shop.target.fates.update({replica: ended})
        shop.take(Direction.UP)

        (end,) = shop.ends
        assert end.endswith(": it exited before it was ready, with code 1 (replica_exited)")

    def test_a_replica_whose_pre_stop_fails_serves_on(self, shop: Shop) -> None:
        """As Compose leaves one running: the hook is there to save something."""
        second = shop.target.add(number=2)
        shop.target.broken["run_hooks"] = HOOK_FAILED
        shop.take(Direction.DOWN, replica=second)
        shop.look()

        assert shop.target.calls == []
        assert second in shop.world.view.serving
        assert shop.ends == ["Replica 2 could not be removed: post_start '/warm' ended with 3 (hook_failed)"]

    @pytest.mark.parametrize(
        "since",
        [
            Fate(exit_code=0, out_of_memory=False, restarts=0, memory_limit=0),
            Fate(exit_code=None, out_of_memory=False, restarts=1, memory_limit=0),
            None,
        ],
        ids=["ended", "started again", "gone"],
    )
    def test_a_pre_stop_that_ends_the_program_has_not_failed(self, shop: Shop, since: Fate | None) -> None:
        """``nginx -s quit; sleep 10``: with its first process the engine ends what runs in a container."""
        second = shop.target.add(number=2)
        shop.target.broken["run_hooks"] = HOOK_FAILED

        def quits(method: str, replica: str) -> None:
            if method == "run_hooks" and since is None:
                shop.target.take(replica)
            elif method == "run_hooks" and since is not None:
                shop.target.fates[replica] = since

        shop.target.before = quits
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == [REMOVED]

    def test_nor_has_one_of_whose_end_the_engine_knows_before_that_of_the_program(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.target.broken["run_hooks"] = HOOK_FAILED
        looks: list[str] = []

        def look(method: str, replica: str) -> None:
            looks.append(method)
            if looks.count("fate") == 3:
                shop.target.fates[replica] = replace(LIVES, exit_code=0)

        shop.target.before = look
        shop.take(Direction.DOWN, replica=second)

        assert shop.ends == [REMOVED]

    def test_it_is_asked_again_after_a_pre_stop_that_took_its_time(self, shop: Shop) -> None:
        """The other one may have died meanwhile."""
        second = shop.target.add(number=2)
        shop.target.hooks = frozenset(HookKind)
        shop.unwanted = lambda *_: "no other is ready" if shop.target.calls else ""
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.calls == ["pre_stop shop-web-2"]
        assert second in shop.world.view.serving
        assert [end.split(":")[0] for end in shop.ends] == ["Replica 2 was not removed after all"]

    def test_one_whose_pre_stop_runs_goes_back_at_once_when_nobody_else_serves(self, shop: Shop) -> None:
        """A hook may take minutes, and its replica runs as before."""
        second = shop.target.add(number=2)
        shop.target.hooks, shop.target.hook_takes = frozenset(HookKind), 60.0
        shop.unwanted = lambda *_: "no other is ready" if shop.target.calls else ""
        begun = time.monotonic()
        shop.take(Direction.DOWN, replica=second)

        assert time.monotonic() - begun < 5
        assert shop.target.calls == ["pre_stop shop-web-2"]
        assert second in shop.world.view.serving
        assert shop.ends == [
            (
                "Replica 2 was not removed after all: it would not be taken any more: no other is ready;"
                " its pre_stop had begun, and is not undone (overtaken)"
            )
        ]

    def test_one_whose_post_start_runs_is_taken_away_when_it_is_not_wanted_any_more(self, shop: Shop) -> None:
        shop.target.hooks, shop.target.hook_takes = frozenset(HookKind), 60.0
        shop.unwanted = lambda *_: "max is reached" if "post_start shop-web-2" in shop.target.calls else ""
        begun = time.monotonic()
        shop.take(Direction.UP)

        assert time.monotonic() - begun < 5
        assert shop.target.names() == ["shop-web-1"]
        assert shop.world.view.preparing == frozenset()
        assert [end.split(":")[0] for end in shop.ends] == ["Replica 2 was not added after all"]

    def test_hooks_that_nobody_can_tell_are_told_before_anything_is_drained(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.target.broken["check_hooks"] = TargetError(
            "there is a pre_stop", reason=ErrorReason.CANNOT_CLONE
        )
        shop.take(Direction.DOWN, replica=second)

        assert shop.looks == 0
        assert shop.ends == ["Replica 2 could not be removed: there is a pre_stop (cannot_clone)"]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_one_that_a_kill_cut_short_is_run_again_and_nothing_served_before(
        self, shop: Shop, when: str
    ) -> None:
        shop.target.hooks = frozenset(HookKind)
        shop.kill_at = ("run_hooks", when)
        shop.boot()
        with pytest.raises(Killed):
            shop.take(Direction.UP)
        shop.kill_at = ("", "")
        shop.boot()
        (step,) = shop.journal.unfinished()
        assert step.phase is START
        shop.resume()

        runs = 2 if when == "after" else 1
        assert shop.target.calls.count("post_start shop-web-2") == runs
        assert shop.ends == [ADDED]

    def test_one_that_was_over_is_not_run_again(self, shop: Shop) -> None:
        shop.target.hooks = frozenset(HookKind)
        shop.kill_at = (READY, "within")
        shop.boot()
        with pytest.raises(Killed):
            shop.take(Direction.UP)
        shop.kill_at = ("", "")
        shop.boot()
        shop.resume()

        assert shop.target.calls.count("post_start shop-web-2") == 1
        assert shop.ends == [ADDED]


def silent(shop: Shop, method: str, monkeypatch: pytest.MonkeyPatch, *, does: bool = True) -> None:
    """Let the engine not answer one call, which it does all the same, nor the next question."""
    monkeypatch.setattr("scaler.steps.compose._ASK_ENGINE_EVERY", 0)
    monkeypatch.setattr("scaler.steps.compose._ENGINE_SETTLES", 0)
    real, gone = getattr(shop.target, method), TargetError("gone", reason=ErrorReason.ENGINE_UNAVAILABLE)

    def unanswered(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(shop.target, method, real)
        if does:
            real(*args, **kwargs)
        raise gone

    monkeypatch.setattr(shop.target, method, unanswered)


def fail(shop: Shop, method: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Let a method of the journal fail as on a full disk; return what it was."""
    real: Callable[..., object] = getattr(shop.journal, method)

    def full(*_args: object, **_kwargs: object) -> None:
        raise JournalError("database or disk is full")

    monkeypatch.setattr(shop.journal, method, full)
    return real


class TestDown:
    def test_a_replica_goes_on_serving_when_its_leaving_cannot_be_journalled(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second = shop.target.add(number=2)
        enter = fail(shop, "enter", monkeypatch)
        shop.take(Direction.DOWN, replica=second)
        shop.look()

        assert shop.target.calls == []
        assert second in shop.world.view.serving
        monkeypatch.setattr(shop.journal, "enter", enter)
        shop.resume()
        assert shop.ends == [REMOVED]

    @pytest.mark.parametrize("unanswered", ["stop", "remove"])
    def test_a_replica_leaves_though_the_engine_did_not_answer(
        self, shop: Shop, unanswered: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second = shop.target.add(number=2)
        silent(shop, unanswered, monkeypatch)
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.names() == ["shop-web-1"]
        assert shop.world.view.draining == frozenset()
        assert [end.startswith(REMOVED) for end in shop.ends] == [True]

    def test_out_of_the_traffic_drained_stopped_removed(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.calls == ["stop shop-web-2", "remove shop-web-2"]
        assert shop.phases == [("stop", STOP), ("remove", REMOVE)]
        assert shop.ends == [REMOVED]
        assert shop.world.view.draining == frozenset()

    def test_as_long_as_the_list_has_it_it_is_none_that_serves_or_is_lost(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scaler.steps.compose._RETIRE_TIMEOUT", 0.02)
        second = shop.target.add(number=2)
        observe = shop.target.observe
        before = observe()
        monkeypatch.setattr(shop.target, "observe", lambda: before)
        shop.take(Direction.DOWN, replica=second)

        assert shop.ends == [REMOVED]
        assert shop.world.view.draining == {second}

    def test_it_is_stopped_when_its_requests_are_over(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.under_way = 2
        shop.take(Direction.DOWN, replica=second, limits=replace(LIMITS, requests=Requests(drain=60.0)))

        assert shop.looks == 3
        assert shop.ends == [REMOVED]

    def test_it_is_not_waited_for_longer_than_the_drain_time(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.under_way = 100
        shop.take(Direction.DOWN, replica=second, limits=replace(LIMITS, requests=Requests(drain=0.01)))

        assert shop.looks < 10
        assert shop.target.names() == ["shop-web-1"]

    def test_one_that_cannot_be_stopped_goes_back_into_the_traffic(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.target.broken["stop"] = TargetError("the engine refused to stop it")
        shop.take(Direction.DOWN, replica=second)

        assert shop.world.view.serving == {shop.first, second}
        assert shop.ends == ["Replica 2 could not be removed: the engine refused to stop it (engine_refused)"]
        assert shop.journal.failures(WEB) == (0, None)

    def test_one_that_would_not_be_taken_any_more_goes_back_into_the_traffic(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.under_way = 100
        shop.unwanted = lambda *_: "" if second in shop.world.view.serving else "no other is ready"
        shop.take(Direction.DOWN, replica=second, limits=replace(LIMITS, requests=Requests(drain=60.0)))

        assert shop.world.view.serving == {shop.first, second}
        assert (shop.target.calls, shop.looks) == ([], 1)
        assert shop.ends == [
            (
                "Replica 2 was not removed after all: it would not be taken any more: no other is ready"
                " (overtaken)"
            )
        ]
        assert shop.journal.failures(WEB, Direction.DOWN) == (0, None)
        counted = shop.metrics.registry.get_sample_value
        assert counted("alertscale_errors_total", {"reason": "overtaken"}) is None

    def test_it_is_asked_at_the_end_of_a_drain_that_had_nothing_to_wait_for(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.unwanted = lambda *_: "no other is ready"
        shop.take(Direction.DOWN, replica=second)

        assert shop.target.calls == []
        assert [end.split(":")[0] for end in shop.ends] == ["Replica 2 was not removed after all"]

    def test_and_while_nginx_does_not_let_go_of_it(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scaler.steps.compose._ASK_AGAIN_EVERY", 0.01)
        second = shop.target.add(number=2)
        shop.at_work = True
        shop.unwanted = lambda *_: "no other is ready"
        shop.take(Direction.DOWN, replica=second)

        assert [end.split(":")[0] for end in shop.ends] == ["Replica 2 was not removed after all"]

    def test_one_that_vanished_meanwhile_is_as_good(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.target.before = lambda method, _: shop.target.take(second) if method == "stop" else None
        shop.take(Direction.DOWN, replica=second)

        assert shop.ends == [REMOVED]

    def test_a_replica_on_its_way_into_nginx_is_not_stopped_until_it_is_out_again(self, shop: Shop) -> None:
        """A pass that began before it was told to leave may be putting it in."""
        second = shop.target.add(number=2)
        shop.world.update(serving=frozenset({shop.first}))
        shop.at_work = True
        with ThreadPoolExecutor(1) as other:
            taken = other.submit(shop.take, Direction.DOWN, replica=second)
            until(lambda: second in shop.world.view.draining)
            assert second not in shop.world.view.serving
            assert not shop.world.wait_for(lambda _view: bool(shop.target.calls), timeout=0.1)
            shop.at_work = False
            shop.look()
            taken.result(timeout=5)

        assert shop.target.calls == ["stop shop-web-2", "remove shop-web-2"]

    def test_a_scaler_that_stops_while_draining_leaves_the_step_open(self, shop: Shop) -> None:
        second = shop.target.add(number=2)
        shop.under_way = 100
        shop.stopping.set()
        shop.take(Direction.DOWN, replica=second, limits=replace(LIMITS, requests=Requests(drain=60.0)))

        assert [step.phase for step in shop.journal.unfinished()] == [DRAIN]
        assert shop.target.names() == ["shop-web-1", "shop-web-2"]


def crash(shop: Shop, at: tuple[str, str], direction: Direction, replica: str = "") -> None:
    """Let a process die within a step, and begin the next one."""
    shop.journal.close()
    shop.kill_at = at
    shop.boot()
    with pytest.raises(Killed):
        shop.take(direction, replica=replica)
    assert len(shop.journal.unfinished()) == 1
    shop.journal.close()
    shop.kill_at = ("", "")
    shop.boot()


UP_DIES = [
    ("create", "before"),
    ("create", "after"),
    ("start", "before"),
    ("start", "after"),
    ("ready", "within"),
]
DOWN_DIES = [
    ("drain", "within"),
    ("stop", "before"),
    ("stop", "after"),
    ("remove", "before"),
    ("remove", "after"),
]


class TestResume:
    @pytest.mark.parametrize("at", UP_DIES[1:], ids=" ".join)
    def test_a_step_up_is_finished_wherever_the_process_died(self, shop: Shop, at: tuple[str, str]) -> None:
        crash(shop, at, Direction.UP)
        shop.resume()

        assert shop.target.names() == ["shop-web-1", "shop-web-2"]
        assert len(shop.world.view.serving) == 2
        assert shop.ends == [ADDED]
        assert shop.journal.unfinished() == ()
        assert shop.target.calls.count("create shop-web-2") == 1

    def test_a_step_up_whose_replica_was_never_made_is_undone(self, shop: Shop) -> None:
        crash(shop, UP_DIES[0], Direction.UP)
        shop.resume()

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == ["Replica 2 was not added after all: its replica is not there any more"]
        assert shop.journal.unfinished() == ()
        assert shop.journal.last_change(WEB) is None

    @pytest.mark.parametrize("at", UP_DIES[1:], ids=" ".join)
    def test_a_resumed_replica_that_does_not_become_ready_is_removed(
        self, shop: Shop, at: tuple[str, str]
    ) -> None:
        shop.target.unready = {2}
        crash(shop, at, Direction.UP)
        shop.resume()

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends == ["Replica 2 could not be added: not ready within 0.05 s: answers 503 (not_ready)"]

    @pytest.mark.parametrize("at", DOWN_DIES, ids=" ".join)
    def test_a_step_down_is_finished_wherever_the_process_died(self, shop: Shop, at: tuple[str, str]) -> None:
        second = shop.target.add(number=2)
        crash(shop, at, Direction.DOWN, second)
        shop.resume()

        assert shop.target.names() == ["shop-web-1"]
        assert shop.ends[0].startswith(REMOVED)
        assert shop.journal.unfinished() == ()
        assert shop.journal.last_change(WEB) == 1000.0
        assert shop.world.view.draining == frozenset()

    @pytest.mark.parametrize("at", DOWN_DIES[:3], ids=" ".join)
    def test_after_a_kill_it_is_asked_again_whether_it_is_to_go(
        self, shop: Shop, at: tuple[str, str]
    ) -> None:
        second = shop.target.add(number=2)
        crash(shop, at, Direction.DOWN, second)
        asked = []
        shop.unwanted = lambda step, _: asked.append(set(step.phases)) or "no other is ready"  # type: ignore[func-returns-value]
        shop.resume()

        assert [end.split(":")[0] for end in shop.ends] == ["Replica 2 was not removed after all"]
        # Whether it may have been asked to stop is told, too.
        assert asked == [{DRAIN, STOP} if at[0] == "stop" else {DRAIN}]
        assert shop.world.view.draining == frozenset()

    @pytest.mark.parametrize("direction", Direction)
    def test_another_container_under_the_same_number_is_left_alone(
        self, shop: Shop, direction: Direction
    ) -> None:
        """A redeploy in between: the number is taken by a new container."""
        step = shop.journal.begin(
            service=WEB,
            direction=direction,
            number=2,
            why=f"alert_{direction}",
            phase=READY if direction is Direction.UP else STOP,
            now=1.0,
            replica="an older container",
        )
        shop.target.add(number=2)
        shop.resume()

        assert step
        assert shop.target.calls == []
        assert shop.target.names() == ["shop-web-1", "shop-web-2"]
        assert shop.world.view.draining == frozenset()
        gone = "its replica is not there any more"
        ends = {
            Direction.UP: f"Replica 2 was not added after all: {gone}", Direction.DOWN: f"{REMOVED}; {gone}",
        }  # fmt: skip
        assert shop.ends == [ends[direction]]
