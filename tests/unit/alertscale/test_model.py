"""The API's own examples can be read, and what is not of their shape is refused with its place."""

import pytest

from alertscale.errors import AnswerError
from alertscale.model import EVENT_KINDS, PAUSES, Event, Health, Service, answer_of, events_of, services_of
from scaler.model.reasons import EventKind, Pause
from tests.unit.alertscale.builders import NOW, example, faulty_service, raw_replica, raw_service, service


def test_the_documents_examples_are_read() -> None:
    raw = example("/api/v1/services")
    (read,) = services_of(raw, where="x")
    assert (read.key, len(read.replicas), read.states) == (
        "alertscale/flask-app", 2, {"ready": 1, "starting": 1},
    )  # fmt: skip
    assert read.decision is not None
    assert (read.decision.reason, read.decision.at, read.decision.until) == ("stepping", NOW, None)
    assert read.limits is not None
    assert (read.limits.minimum, read.limits.maximum, read.limits.cooldown_down) == (1, 5, 60.0)
    assert read.inputs is not None
    assert (read.inputs.signal_ttl, read.inputs.retry_at, read.inputs.stepping) == (15.0, None, True)
    assert read.alerts[0].last_heard == NOW - 1.932
    assert read.raw == raw["services"][0]
    (event,) = events_of(example("/api/v1/events"), where="x")
    assert event.text == "Holding at 2: the alert for cpu fires, but the up cooldown is not over"
    assert answer_of(example("/healthz"), Health, where="x").seconds_since_watchdog == 2.1


def test_a_service_whose_labels_cannot_be_read_is_read() -> None:
    read = service(faulty_service())
    assert (read.limits, read.decision, read.inputs) == (None, None, None)
    assert len(read.faults) == 1


def test_a_newer_scaler_may_say_more() -> None:
    read = service(raw_service(novelty={"a": 1}, pause="sideways", reason="moon_phase"))
    assert (read.name, read.pause, read.raw["novelty"]) == ("web", "sideways", {"a": 1})
    assert read.decision is not None
    assert read.decision.reason == "moon_phase"


def test_the_words_of_options_are_the_scalers() -> None:
    assert tuple(Pause) == PAUSES
    assert tuple(EventKind) == EVENT_KINDS


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pause", 3, r"x\.pause: the answer '3' is not a text"),
        ("wanted", "3", r"x\.wanted: the answer '3' is not a whole number"),
        ("wanted", True, r"x\.wanted: .* is not a whole number"),
        ("replicas", {}, r"x\.replicas: the answer '{}' is not a list"),
        ("replicas", [{}], r"x\.replicas\[0\]: the answer has no field 'number'"),
        (
            "replicas",
            [raw_replica(1), raw_replica(2) | {"id": 7}],
            r"x\.replicas\[1\]\.id: the answer '7' is not",
        ),
        ("faults", [1], r"x\.faults\[0\]: the answer '1' is not a text"),
        ("decision", "hold", r"x\.decision: the answer 'hold' is not an object"),
    ],
)
def test_another_shape_is_refused_with_place_value_and_way_out(field: str, value: object, said: str) -> None:
    with pytest.raises(AnswerError, match=said) as caught:
        answer_of(raw_service() | {field: value}, Service, where="x")
    assert "ALERTSCALE_URL" in caught.value.way_out


@pytest.mark.parametrize("time", ["yesterday", "2026-11-23T04:16:51", 12, None])
def test_a_time_without_its_zone_is_refused(time: object) -> None:
    (raw,) = example("/api/v1/events")["events"]
    with pytest.raises(AnswerError, match=rf"x\.at: the answer '{time}' is not a time with its zone"):
        answer_of(raw | {"at": time}, Event, where="x")


def test_a_scaler_that_is_too_old_is_named_as_the_cause() -> None:
    raw = raw_service()
    del raw["inputs"]
    with pytest.raises(AnswerError, match="no field 'inputs'") as caught:
        service(raw)
    assert "of this version" in caught.value.way_out
