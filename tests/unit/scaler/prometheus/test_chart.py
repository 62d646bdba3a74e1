"""The chart's figures, from what a real Prometheus answered."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from scaler.model.errors import UnavailableError
from scaler.model.reasons import EventKind
from scaler.model.records import Event, EventQuery
from scaler.model.services import ServiceKey
from scaler.prometheus.chart import RANGES, History, query
from scaler.state.journal import Journal
from tests.fakes import AtOnce
from tests.page.recorded import answer

WEB: ServiceKey = ("shop", "web")
RECORDED = answer("query_range")
END = RECORDED["result"][0]["values"][-1][0]


class Prometheus:
    """Answers as recorded, or as the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.error: Exception | None = None
        self.range: Any = RECORDED

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        self.asked.append((path, query))
        if self.error is not None:
            raise self.error
        return answer("rules") if path == "/api/v1/rules" else self.range


class Past:
    """A history of events, newest first."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        found = (e for e in self._events if e.service == query.service and e.kind is query.kind)
        return tuple(found)[: query.limit]


def build(prometheus: Prometheus, *events: Event) -> History:
    return History(
        source=prometheus,
        past=Past(*events),
        executor=AtOnce(),
        wall=lambda: END + 2.5,
        monotonic=time.monotonic,
    )


def event(kind: EventKind, number: int, *, ago: float, **detail: str) -> Event:
    return Event(id=number, at=END - ago, kind=kind, reason="done", text="", service=WEB, detail=detail)


def test_the_lines_are_those_of_the_recorded_answer() -> None:
    lines = build(Prometheus()).chart(WEB, "15m").lines

    assert (lines.times[0], lines.times[-1], len(lines.times)) == (END - 900, END, 181)
    for series in RECORDED["result"]:
        values = lines.values[series["metric"]["alertscale_series"]]
        recorded = [float(value) for _, value in series["values"]]
        assert list(values[-len(recorded) :]) == recorded
        assert set(values[: -len(recorded)]) == {None}


def test_the_thresholds_are_those_of_the_rules() -> None:
    thresholds = build(Prometheus()).chart(WEB, "15m").lines.thresholds
    assert [t.alertname for t in thresholds] == ["HighCPU", "HighMemory", "LowCPU", "LowMemory"]


def test_marks_are_alerts_that_fired_and_steps_of_that_time() -> None:
    fired = event(EventKind.ALERT, 3, ago=20, state="firing")
    step = event(EventKind.STEP, 4, ago=10)
    chart = build(
        Prometheus(),
        step,
        fired,
        event(EventKind.ALERT, 2, ago=30, state="resolved"),
        event(EventKind.STEP, 1, ago=901),
    ).chart(WEB, "15m")
    assert chart.marks == (fired, step)


def test_without_prometheus_it_says_so_and_the_marks_are_there() -> None:
    prometheus = Prometheus()
    prometheus.error = UnavailableError("Prometheus does not answer")
    step = event(EventKind.STEP, 4, ago=10)
    chart = build(prometheus, step).chart(WEB, "15m")

    assert chart.error == "Prometheus does not answer"
    assert chart.lines.times == ()
    assert chart.marks == (step,)


@pytest.mark.parametrize("data", [None, {}, {"result": [1]}, {"result": [{"metric": {}, "values": []}]}])
def test_an_answer_of_another_form_is_an_error_and_no_fault(data: object) -> None:
    prometheus = Prometheus()
    prometheus.range = data
    assert "what its API does not say" in build(prometheus).chart(WEB, "15m").error


def test_figures_that_are_no_numbers_are_gaps() -> None:
    prometheus = Prometheus()
    series = {"metric": {"alertscale_series": "cpu"}, "values": [[END - 5, "NaN"], [END, "+Inf"]]}
    prometheus.range = {"result": [series]}
    assert build(prometheus).chart(WEB, "15m").lines.values["cpu"][-2:] == (None, None)


def test_a_hundred_viewers_cost_one_question() -> None:
    prometheus = Prometheus()
    history = build(prometheus)
    for _ in range(100):
        history.chart(WEB, "1h")
    assert [path for path, _ in prometheus.asked] == ["/api/v1/query_range", "/api/v1/rules"]


@pytest.mark.parametrize("span", RANGES)
def test_no_range_has_more_than_250_points(span: str) -> None:
    assert len(build(Prometheus()).chart(WEB, span).lines.times) <= 250


def test_a_name_cannot_leave_its_place_in_the_expression() -> None:
    asked = query(("shop", 'a"} or vector(1) #\n'), 5)
    assert 'service="a\\"} or vector(1) #\\n"}' in asked
    assert "\n" not in asked


def test_the_history_of_the_journal_keeps_to_what_the_chart_asks(tmp_path: Any) -> None:  # noqa: ANN401
    journal = Journal(path=tmp_path / "journal.sqlite")
    journal.record(event(EventKind.STEP, 0, ago=10))
    history = History(
        source=Prometheus(), past=journal, executor=AtOnce(), wall=lambda: END, monotonic=time.monotonic
    )
    assert [e.kind for e in history.chart(WEB, "15m").marks] == [EventKind.STEP]
    journal.close()
