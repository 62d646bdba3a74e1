"""What goes into the history, once, and what is counted, always."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from scaler.model.errors import TargetError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, IgnoredReason
from scaler.model.services import Observation, Replica, Service
from scaler.model.view import Readiness, View
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, Verdict
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder

WEB = ("shop", "web")
HOLD = Decision(direction=None, replicas=3, target=3, reason=DecisionReason.STEADY)
STEP = Decision(
    direction=Direction.UP, replicas=3, target=4, reason=DecisionReason.ALERT_UP, resources=("cpu",)
)


class Told:
    """A recorder with what it writes to."""

    def __init__(self, path: Path) -> None:
        self.path, self.journal = path, Journal(path=path)
        self.metrics = Metrics(CollectorRegistry())
        self.recorder = Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 7.5)

    @property
    def texts(self) -> list[str]:
        return [event.text for event in reversed(self.journal.events())]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "journal.sqlite")
    yield made
    made.journal.close()


def test_an_event_carries_the_time_and_what_was_told(told: Told) -> None:
    told.recorder.tell(EventKind.MANUAL, "scale", "asked for 3", service=WEB, detail={"n": 3})
    (event,) = told.journal.events()

    assert (event.at, event.kind, event.reason, event.text) == (7.5, EventKind.MANUAL, "scale", "asked for 3")
    assert (event.service, event.detail) == (WEB, {"n": 3})


def test_a_journal_that_cannot_be_written_is_counted_and_survived(told: Told) -> None:
    told.journal.close()
    told.recorder.tell(EventKind.MANUAL, "scale", "asked for 3")

    assert told.count("alertscale_errors_total", reason="journal") == 1


def test_what_was_survived_is_counted_by_its_reason(told: Told) -> None:
    told.recorder.survived("pass", TargetError("no answer", reason=ErrorReason.ENGINE_UNAVAILABLE))

    assert told.count("alertscale_errors_total", reason="engine_unavailable") == 1


class TestHealing:
    def test_a_journal_that_can_be_written_again_says_what_was_lost(self, told: Told) -> None:
        told.recorder.heal(now=0)
        assert told.count("alertscale_journal_up") == 1
        told.journal._db.execute("PRAGMA query_only = ON")
        for text in ("a", "b"):
            told.recorder.tell(EventKind.MANUAL, "scale", text)
        assert not told.recorder.heal(now=10)
        assert told.count("alertscale_journal_up") == 0
        told.journal._db.execute("PRAGMA query_only = OFF")

        assert not told.recorder.heal(now=11)  # not yet: every two seconds
        assert told.recorder.heal(now=12)
        assert not told.recorder.heal(now=20)
        assert told.count("alertscale_journal_up") == 1
        assert told.texts == [
            "The journal could not be written and can be again; 2 entries of the history are lost"
        ]
        assert told.count("alertscale_errors_total", reason="journal") == 3

    def test_one_that_was_moved_away_is_noticed_before_anything_is_written(self, told: Told) -> None:
        told.recorder.heal(now=0)
        aside = told.path.rename(told.path.with_name("aside"))
        assert not told.recorder.heal(now=1)
        assert f"{told.path} was moved" in told.journal.error
        assert told.count("alertscale_journal_up") == 0

        aside.rename(told.path)
        assert told.recorder.heal(now=10)
        assert told.count("alertscale_journal_up") == 1


class TestOutOfMemory:
    def test_a_replica_is_named_with_the_way_out(self, told: Told) -> None:
        (replica,) = view().observation.services[0].replicas
        told.recorder.out_of_memory(view(), replica.id)

        (event,) = told.journal.events()
        assert (event.reason, event.service) == ("out_of_memory", WEB)
        assert event.kind is EventKind.FAULT
        assert f"{replica.name} ran out of memory" in event.text
        assert "raise the limit" in event.text
        assert told.count("alertscale_errors_total", reason="out_of_memory") == 1

    def test_another_container_is_not_ours_to_tell_of(self, told: Told) -> None:
        told.recorder.out_of_memory(view(), "id-of-prometheus")

        assert told.texts == []


class TestDecisions:
    def test_every_one_is_counted(self, told: Told) -> None:
        for decision in (HOLD, HOLD, STEP):
            told.recorder.decision(WEB, decision)

        name = "alertscale_decisions_total"
        assert told.count(name, project="shop", service="web", reason="steady") == 2
        assert told.count(name, project="shop", service="web", reason="alert_up") == 1

    def test_a_hold_is_told_once_for_each_change_of_its_reason(self, told: Told) -> None:
        blind = replace(HOLD, reason=DecisionReason.BLIND)
        for decision in (HOLD, HOLD, blind, blind, HOLD):
            told.recorder.decision(WEB, decision)

        assert told.texts == [
            "Holding at 3: no alert asks for a step",
            "Holding at 3: the scaler is blind: alerts do not reach it, so nothing is removed",
            "Holding at 3: no alert asks for a step",
        ]

    def test_every_step_is_told(self, told: Told) -> None:
        for _ in range(2):
            told.recorder.decision(WEB, STEP)

        assert told.texts == ["Going up from 3 to 4: the alert for cpu fires"] * 2

    def test_services_are_kept_apart(self, told: Told) -> None:
        told.recorder.decision(WEB, HOLD)
        told.recorder.decision(("shop", "api"), HOLD)

        assert len(told.texts) == 2

    def test_that_a_step_is_under_way_is_not_told(self, told: Told) -> None:
        """The step's own event tells it."""
        told.recorder.decision(WEB, replace(HOLD, reason=DecisionReason.STEPPING))

        assert told.texts == []


def verdict(*, firing: bool = True, **fields: object) -> Verdict:
    alert = Alert(
        firing=firing,
        labels={"alertname": "HighCPU", "service": "web"},
        annotations={"summary": "CPU is high"},
        generator_url="http://prometheus/graph",
    )
    return Verdict(alert=alert, **fields)  # type: ignore[arg-type]


def numbered(number: int) -> Verdict:
    return Verdict(alert=Alert(firing=True, labels={"alertname": f"alert-{number}"}))


class TestAlerts:
    SIGNAL = verdict(service=WEB, direction=Direction.UP, resource="cpu")

    def test_a_signal_is_told_when_it_changes_what_fires(self, told: Told) -> None:
        told.recorder.alerts([(self.SIGNAL, True)])
        told.recorder.alerts([(self.SIGNAL, False)])
        (event,) = told.journal.events()

        assert (event.text, event.service, event.reason) == ("HighCPU fires: CPU is high", WEB, "accepted")
        assert event.detail["state"] == "firing"
        assert event.detail["url"] == "http://prometheus/graph"
        assert told.count("alertscale_alerts_total", result="accepted") == 2

    def test_an_ignored_one_is_told_with_the_reason(self, told: Told) -> None:
        ignored = verdict(ignored=IgnoredReason.UNKNOWN_SERVICE, detail="there is no service 'web'")
        told.recorder.alerts([(ignored, False)])
        (event,) = told.journal.events()

        assert event.text == (
            "HighCPU fires: CPU is high; ignored (unknown_service): there is no service 'web'"
        )
        assert (event.reason, event.service) == ("unknown_service", ("", "web"))
        assert told.count("alertscale_alerts_total", result="ignored") == 1

    def test_a_notification_is_told(self, told: Told) -> None:
        told.recorder.alerts([(verdict(firing=False), False)])

        assert told.texts == ["HighCPU fires no more; it had said: CPU is high"]

    def test_what_is_only_sent_again_is_counted_and_not_told_again(self, told: Told) -> None:
        """Alertmanager repeats what is ignored as well, every few seconds and for days."""
        ignored = verdict(ignored=IgnoredReason.UNKNOWN_SERVICE)
        for _ in range(3):
            told.recorder.alerts([(ignored, False)])
        assert len(told.texts) == 1
        assert told.count("alertscale_alerts_total", result="ignored") == 3

    def test_a_notification_is_told_again_when_its_state_its_start_or_its_fate_changes(
        self, told: Told
    ) -> None:
        first = verdict()
        later = replace(first, alert=replace(first.alert, starts_at="2026-01-01T00:00:00Z"))
        ends = replace(later, alert=replace(later.alert, firing=False))
        fate = replace(ends, ignored=IgnoredReason.NOT_ENABLED)
        for one in (first, later, ends, fate, first):
            told.recorder.alerts([(one, False)])
            told.recorder.alerts([(one, False)])
        assert len(told.texts) == 5

    def test_what_is_kept_of_a_huge_alert_is_bounded(self, told: Told) -> None:
        labels = {"alertname": "x" * 10_000} | {f"label-{n}": "y" * 10_000 for n in range(200)}
        alert = Alert(firing=True, labels=labels, annotations={"summary": "z" * 10_000})
        told.recorder.alerts([(Verdict(alert=alert), False)])
        (event,) = told.journal.events()
        assert len(event.text) < 1_100
        assert len(json.dumps(event.detail)) < 50_000

    def test_a_notification_is_one_commit_in_the_order_in_which_it_was_sent(self, told: Told) -> None:
        statements: list[str] = []
        told.journal._db.set_trace_callback(statements.append)
        told.recorder.alerts([(numbered(n), False) for n in range(100)])
        told.journal._db.set_trace_callback(None)

        assert (statements[0], statements[-1]) == ("BEGIN IMMEDIATE", "COMMIT")
        assert all(one.startswith("INSERT INTO event") for one in statements[1:-1])
        assert told.texts == [f"alert-{n} fires" for n in range(100)]

    def test_a_notification_that_only_repeats_what_is_known_writes_nothing(self, told: Told) -> None:
        told.recorder.alerts([(numbered(n), False) for n in range(3)])
        statements: list[str] = []
        told.journal._db.set_trace_callback(statements.append)
        told.recorder.alerts([(numbered(n), False) for n in range(3)])
        told.journal._db.set_trace_callback(None)

        assert statements == []

    def test_a_large_notification_has_few_lines_in_the_log_and_says_how_many_more(self, told: Told) -> None:
        with capture_logs() as lines:
            told.recorder.alerts([(numbered(n), False) for n in range(100)])

        assert [line["event"] for line in lines] == [
            *(f"alert-{n} fires" for n in range(10)),
            "and more: see the history",
        ]
        assert lines[-1]["more"] == 90

    def test_a_small_notification_has_a_line_for_each_alert(self, told: Told) -> None:
        with capture_logs() as lines:
            told.recorder.alerts([(numbered(n), False) for n in range(10)])

        assert [line["event"] for line in lines] == [f"alert-{n} fires" for n in range(10)]

    def test_a_notification_that_cannot_be_written_is_one_failure_and_all_of_it_is_told_as_lost(
        self, told: Told
    ) -> None:
        told.journal._db.execute("PRAGMA query_only = ON")
        told.recorder.alerts([(numbered(n), False) for n in range(3)])
        assert told.journal.error
        assert told.count("alertscale_errors_total", reason="journal") == 1
        told.journal._db.execute("PRAGMA query_only = OFF")

        assert told.recorder.heal(now=10)
        assert told.texts == [
            "The journal could not be written and can be again; 3 entries of the history are lost"
        ]

    def test_the_watchdog_is_counted_and_never_told(self, told: Told) -> None:
        watchdog = Verdict(alert=Alert(firing=True, labels={"alertname": "Watchdog"}))
        told.recorder.alerts([(watchdog, False)])

        assert told.texts == []
        assert told.count("alertscale_alerts_total", result="accepted") == 1


def test_label_faults_are_told_once_for_each_change(told: Told) -> None:
    for faults in ({WEB: ("max",)}, {WEB: ("max",)}, {WEB: ("max", "min")}, {}, {WEB: ("max",)}):
        told.recorder.faults(faults)

    assert told.texts == ["max", "max", "min", "max"]


def test_notes_are_logged_once_for_each_change(told: Told) -> None:
    with capture_logs() as logged:
        for notes in ({WEB: ("a",)}, {WEB: ("a",)}, {WEB: ()}, {WEB: ("a", "b")}, {}, {WEB: ("b",)}):
            told.recorder.notes(notes)

    assert [line["text"] for line in logged] == ["a", "a", "b", "b"]
    assert (logged[0]["project"], logged[0]["service"], told.texts) == (*WEB, [])


def view(status: str = "running", **fields: object) -> View:
    replica = Replica(id="a", name="shop-web-1", number=1, status=status)
    return View(
        observation=Observation(services=(Service(key=WEB, replicas=(replica,)),)),
        limits={WEB: Limits(minimum=1, maximum=5)},
        **fields,  # type: ignore[arg-type]
    )


class TestReadiness:
    YES: ClassVar = {"a": Readiness(ready=True)}
    NO: ClassVar = {"a": Readiness(ready=False, detail="answers 503")}

    def test_becoming_ready_and_ceasing_to_be_are_told(self, told: Told) -> None:
        told.recorder.readiness(view(), self.YES)
        told.recorder.readiness(view(readiness=self.YES), self.YES)
        told.recorder.readiness(view(readiness=self.YES), self.NO)

        assert told.texts == ["shop-web-1 is ready", "shop-web-1 is not ready any more: answers 503"]

    def test_one_that_died_is_told_with_its_state(self, told: Told) -> None:
        told.recorder.readiness(view("exited", readiness=self.YES), {})

        assert told.texts == ["shop-web-1 is not ready any more: it is exited"]

    def test_a_leaving_replica_is_not_told(self, told: Told) -> None:
        told.recorder.readiness(view(readiness=self.YES, draining=frozenset("a")), self.NO)

        assert told.texts == []


class TestGauges:
    def test_replicas_by_state_with_zeros_and_the_bounds(self, told: Told) -> None:
        told.recorder.gauges(view(readiness=TestReadiness.YES))

        states = {
            state: told.metrics.registry.get_sample_value(
                "alertscale_replicas", {"project": "shop", "service": "web", "state": state}
            )
            for state in ("starting", "ready", "draining", "failed")
        }
        assert states == {"starting": 0, "ready": 1, "draining": 0, "failed": 0}
        assert told.count("alertscale_replicas_max", project="shop", service="web") == 5

    def test_faults_are_counted_and_bounds_left_out(self, told: Told) -> None:
        told.recorder.gauges(
            replace(view(), limits={}, faults={WEB: ("max", "min")}, unserved={WEB: ("its name",)})
        )

        assert told.count("alertscale_label_faults", project="shop", service="web") == 3
        labels = {"project": "shop", "service": "web"}
        assert told.metrics.registry.get_sample_value("alertscale_replicas_max", labels) is None

    def test_bounds_that_cannot_be_read_any_more_are_not_shown_any_more(self, told: Told) -> None:
        told.recorder.gauges(view())
        told.recorder.gauges(replace(view(), limits={}, faults={WEB: ("max",)}))

        labels = {"project": "shop", "service": "web"}
        assert told.metrics.registry.get_sample_value("alertscale_replicas_max", labels) is None
        told.recorder.gauges(view())
        assert told.count("alertscale_replicas_max", **labels) == 5

    def test_a_service_that_is_gone_leaves_none(self, told: Told) -> None:
        told.recorder.gauges(view())
        told.recorder.gauges(View())

        assert [
            s for f in told.metrics.registry.collect() for s in f.samples if s.labels.get("service")
        ] == []
