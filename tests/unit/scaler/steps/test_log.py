"""What is written of a step, and that it is written before it is done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from scaler.model.errors import JournalError
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, EventKind, Outcome, Phase
from scaler.model.records import End, Order, Step
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.steps.log import StepLog

WEB = ("shop", "web")
UP = Order(
    service=WEB, direction=Direction.UP, number=2, why="alert_up", limits=Limits(), replica="the model"
)
DONE = End(outcome=Outcome.DONE)


class Written:
    """A log of steps whose clocks stand where the test sets them."""

    def __init__(self, path: Path) -> None:
        self.now, self.ticks = 1000.0, 0.0
        self.journal = Journal(path=path)
        self.metrics = Metrics(CollectorRegistry())
        self.log = StepLog(
            journal=self.journal,
            recorder=Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: self.now),
            metrics=self.metrics,
            wall=lambda: self.now,
            monotonic=lambda: self.ticks,
        )

    @property
    def unfinished(self) -> Step:
        (step,) = self.journal.unfinished()
        return step

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds

    def steps(self, outcome: Outcome) -> float:
        labels = {"project": "shop", "service": "web", "direction": "up", "outcome": outcome}
        return self.metrics.registry.get_sample_value("alertscale_scale_total", labels) or 0.0

    def end(self, step: Step, end: End) -> None:
        self.log.recorder.step_ended(step, end)

    def timed(self, phase: Phase) -> float | None:
        labels = {"project": "shop", "service": "web", "direction": "up", "phase": phase}
        return self.metrics.registry.get_sample_value("alertscale_scale_duration_seconds_sum", labels)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path / "journal.sqlite")
    yield made
    made.journal.close()


def test_a_step_stands_in_the_journal_before_it_is_taken(written: Written) -> None:
    step = written.log.begin(UP, phase=Phase.CREATE)

    assert written.unfinished == step
    assert (step.service, step.direction, step.number, step.why) == (WEB, Direction.UP, 2, "alert_up")
    assert (step.phase, step.phases, step.replica) == (Phase.CREATE, {Phase.CREATE: 1000.0}, None)


class TestPhases:
    def test_each_phase_is_journalled_with_the_replica_once_that_is_known(self, written: Written) -> None:
        phases = written.log.phases(written.log.begin(UP, phase=Phase.CREATE))
        phases.enter(Phase.CREATE)
        written.pass_by(1)
        phases.enter(Phase.START, replica="made")
        written.pass_by(2)
        phases.enter(Phase.READY)

        assert (written.unfinished.phase, written.unfinished.replica) == (Phase.READY, "made")
        assert written.unfinished.phases == {Phase.CREATE: 1000.0, Phase.START: 1001.0, Phase.READY: 1003.0}
        assert (phases.phase, phases.replica) == (Phase.READY, "made")

    def test_each_phase_is_timed_when_it_is_over(self, written: Written) -> None:
        phases = written.log.phases(written.log.begin(UP, phase=Phase.CREATE))
        phases.enter(Phase.CREATE)
        written.pass_by(1)
        phases.enter(Phase.START)
        written.pass_by(2)

        assert phases.seconds == {Phase.CREATE: 1.0}
        phases.end()
        assert phases.seconds == {Phase.CREATE: 1.0, Phase.START: 2.0}
        assert [written.timed(phase) for phase in (Phase.CREATE, Phase.START, Phase.READY)] == [
            1.0,
            2.0,
            None,
        ]

    def test_a_clock_that_is_set_changes_no_duration(self, written: Written) -> None:
        phases = written.log.phases(written.log.begin(UP, phase=Phase.CREATE))
        phases.enter(Phase.CREATE)
        written.now -= 3600
        written.ticks += 1
        phases.end()

        assert phases.seconds == {Phase.CREATE: 1.0}

    def test_a_phase_that_cannot_be_journalled_is_not_entered(self, written: Written) -> None:
        phases = written.log.phases(written.log.begin(UP, phase=Phase.CREATE))
        phases.enter(Phase.CREATE)
        written.journal.close()

        with pytest.raises(JournalError):
            phases.enter(Phase.START, replica="made")
        assert phases.phase is Phase.CREATE
        # Whoever takes it away must know what was made.
        assert phases.replica == "made"


class TestEnd:
    def test_the_history_the_count_and_the_journal_tell_of_it(self, written: Written) -> None:
        step = written.log.begin(UP, phase=Phase.CREATE)
        written.pass_by(5)
        written.end(step, End(outcome=Outcome.DONE, seconds={Phase.CREATE: 0.12345}))

        (event,) = written.journal.events()
        assert (event.at, event.kind, event.reason) == (1005.0, EventKind.STEP, Outcome.DONE)
        assert (event.service, event.text) == (WEB, "Replica 2 was added: an alert asked for more")
        assert event.detail == {"why": "alert_up", "phases": {"create": 0.123}, "number": 2}
        assert written.journal.unfinished() == ()
        assert written.journal.last_change(WEB) == 1005.0
        assert written.steps(Outcome.DONE) == 1

    def test_why_it_was_not_done_is_told(self, written: Written) -> None:
        step = written.log.begin(UP, phase=Phase.CREATE)
        written.end(step, End(outcome=Outcome.FAILED, detail="it sleeps (not_ready)"))

        (event,) = written.journal.events()
        assert event.text == "Replica 2 could not be added: it sleeps (not_ready)"

    def test_it_has_one_line_in_the_log(self, written: Written) -> None:
        step = written.log.begin(UP, phase=Phase.CREATE)
        end = End(outcome=Outcome.FAILED, detail="it sleeps (not_ready)", seconds={Phase.CREATE: 0.12345})
        with capture_logs() as lines:
            written.end(step, end)

        assert lines == [
            {
                "event": "step", "log_level": "warning", **step.words, "outcome": Outcome.FAILED,
                "detail": "it sleeps (not_ready)", "phases": {"create": 0.123},
            }
        ]  # fmt: skip

    def test_one_that_cannot_be_written_is_none_and_is_not_counted(self, written: Written) -> None:
        step = written.log.begin(UP, phase=Phase.CREATE)
        written.journal.close()

        with capture_logs() as lines, pytest.raises(JournalError):
            written.end(step, DONE)
        assert written.steps(Outcome.DONE) == 0
        assert lines == []

    def test_one_of_which_the_history_cannot_be_written_has_not_ended_either(self, written: Written) -> None:
        """The end alone would fit; then nobody would ever hear of it."""
        step = written.log.begin(UP, phase=Phase.CREATE)
        written.journal._db.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        with pytest.raises(JournalError, match="disk is full"):
            written.end(step, DONE)
        assert written.unfinished == step
        assert (written.steps(Outcome.DONE), written.journal.last_change(WEB)) == (0, None)

        written.journal._db.execute("DROP TRIGGER full")
        written.end(step, DONE)
        assert [event.text for event in written.journal.events()] == [
            "Replica 2 was added: an alert asked for more"
        ]
        assert (written.steps(Outcome.DONE), written.journal.unfinished()) == (1, ())


def test_the_log_names_a_step_by_these_words(written: Written) -> None:
    assert written.log.begin(UP, phase=Phase.CREATE).words == {
        "project": "shop",
        "service": "web",
        "direction": "up",
        "number": 2,
        "why": "alert_up",
    }
