"""Every decision in one sentence."""

from typing import Any

import pytest

from alertscale import sentences
from scaler.model.reasons import DecisionReason
from tests.unit.alertscale.builders import (
    HIGH_CPU,
    HIGH_MEMORY,
    LOW_CPU,
    LOW_MEMORY,
    faulty_service,
    raw_replica,
    raw_service,
    service,
    times,
)


def said(**fields: Any) -> str:  # noqa: ANN401 - as raw_service takes them
    return sentences.headline(service(raw_service(**fields)), times())


def test_every_reason_of_the_scaler_has_a_sentence() -> None:
    assert set(DecisionReason) == sentences.REASONS


@pytest.mark.parametrize("reason", DecisionReason)
def test_every_sentence_is_one_whatever_is_known(reason: str) -> None:
    for fields in ({}, {"until": 4.0}, {"alerts": (HIGH_CPU, LOW_CPU)}):
        text = said(reason=reason, resources=("cpu",), **fields)
        assert text.startswith(("Holding at 3: ", "A step is under way at 3 replicas"))
        assert text.endswith(".")
        assert "?" not in text
        assert "None" not in text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"reason": "up_cooldown", "until": 4, "alerts": (HIGH_CPU,)},
            "Holding at 3: HighCPU fires, and the up cooldown ends in 4 s (04:16:55 UTC).",
        ),
        (
            {"reason": "alert_up", "direction": "up", "target": 4, "alerts": (HIGH_CPU,)},
            "Going up from 3 to 4: HighCPU fires.",
        ),
        (
            {"reason": "alert_down", "direction": "down", "target": 2, "alerts": (LOW_CPU, LOW_MEMORY)},
            "Going down from 3 to 2: LowCPU and LowMemory fire, and so everything is low.",
        ),
        (
            {"reason": "at_max", "alerts": (HIGH_CPU,)},
            "Holding at 3: HighCPU fires, but that is alertscale.max.",
        ),
        (
            {"reason": "not_all_low", "resources": ("memory",), "alerts": (LOW_CPU,)},
            "Holding at 3: LowCPU fires, but no alert says that memory is low too.",
        ),
        (
            {"reason": "ended", "resources": ("cpu",), "alerts": (HIGH_CPU,)},
            "Holding at 3: the alert for cpu fires no longer at its source, which was asked.",
        ),
        (
            {
                "reason": "not_helped",
                "resources": ("memory",),
                "alerts": (HIGH_MEMORY,),
                "memory": (0.82, 0.83),
            },
            (
                "Holding at 3: HighMemory fires, but adding does not help:"
                " memory was 82 % before the last step, 83 % now."
            ),
        ),
        (
            {
                "reason": "not_named",
                "resources": ("memory",),
                "alerts": (HIGH_MEMORY,),
                "limits": {"resources": ["cpu"]},
            },
            "Holding at 3: HighMemory fires, but alertscale.resources does not name memory.",
        ),
        # Of what the label does not name, nothing is said otherwise.
        (
            {"reason": "at_max", "alerts": (HIGH_CPU, HIGH_MEMORY), "limits": {"resources": ["cpu"]}},
            "Holding at 3: HighCPU fires, but that is alertscale.max.",
        ),
        (
            {"reason": "manual", "direction": "up", "target": 4, "wanted": 5},
            "Going up from 3 to 4: a person asked for 5.",
        ),
        (
            {"reason": "paused", "pause": "all"},
            "Holding at 3: a person holds all steps (alertscale resume web lets them go).",
        ),
        (
            {"reason": "paused", "limits": {"pause": "up"}, "pause": "down"},
            (
                "Holding at 3: a person holds steps down (alertscale resume web lets them go)"
                " and steps up by the label alertscale.pause: up."
            ),
        ),
        (
            {"reason": "backoff", "until": 8},
            (
                "Holding at 3: the last step failed, or a replica has just gone;"
                " it tries again in 8 s (04:16:59 UTC)."
            ),
        ),
        (
            {"reason": "last_ready"},
            "Holding at 3: a step down is due, and might take the last replica that is ready.",
        ),
        ({"reason": "steady"}, "Holding at 3: no alert asks for a step."),
        ({"reason": "stepping"}, "A step is under way at 3 replicas."),
        ({"reason": "stepping", "wanted": 5}, "A step is under way at 3 replicas; a person asked for 5."),
        # The alert has ended since the decision.
        (
            {"reason": "alert_up", "direction": "up", "target": 4, "resources": ("cpu",)},
            "Going up from 3 to 4: an alert for cpu fired.",
        ),
        ({"reason": "a_new_one"}, "Holding at 3: a_new_one."),
    ],
)
def test_it_says_what_why_and_until_when(fields: dict[str, Any], text: str) -> None:
    assert said(**fields) == text


def test_a_service_that_is_left_alone_or_not_decided_on() -> None:
    assert sentences.headline(service(faulty_service()), times()) == "Left alone: its labels cannot be read."
    assert said(decision=None) == "Not decided on yet."


def test_a_service_that_is_gone_is_said_to_be_whatever_its_labels_were() -> None:
    gone = faulty_service() | {"decision": raw_service()["decision"] | {"reason": "gone", "direction": None}}
    assert "it is gone, every container of it was removed" in sentences.headline(service(gone), times())


def test_a_service_that_nginx_does_not_have_is_scaled_all_the_same() -> None:
    assert said(faults=["nginx cannot tell a from A"]) == said()


def test_replicas_are_counted_by_state() -> None:
    assert sentences.summary(service(raw_service(replicas=2))) == "2"
    mixed = raw_service() | {
        "replicas": [raw_replica(1), raw_replica(2, "starting"), raw_replica(3, "failed")]
    }
    assert sentences.summary(service(mixed)) == "3 (1 failed, 1 ready, 1 starting)"
