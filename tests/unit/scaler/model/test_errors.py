"""The closed lists of words, and what each failure answers to a request."""

from enum import StrEnum

import pytest

from scaler.model import reasons
from scaler.model.errors import (
    AlertscaleError,
    BalancerError,
    JournalError,
    LabelError,
    RequestError,
    SettingsError,
    StepError,
    TargetError,
    UnavailableError,
)
from scaler.model.reasons import HTTP_STATUS, ErrorReason

LISTS = [v for v in vars(reasons).values() if isinstance(v, type) and issubclass(v, StrEnum)]
LISTS.remove(StrEnum)


@pytest.mark.parametrize("reason", ErrorReason)
def test_every_reason_has_a_status(reason: ErrorReason) -> None:
    status = RequestError("x", reason=reason).status

    assert status == HTTP_STATUS.get(reason, 500)
    assert 400 <= status < 600


@pytest.mark.parametrize(
    "reason", [ErrorReason.ENGINE_UNAVAILABLE, ErrorReason.JOURNAL, ErrorReason.STOPPING]
)
def test_what_may_be_right_later_is_answered_with_503(reason: ErrorReason) -> None:
    """Alertmanager sends again after a 5xx only."""
    assert HTTP_STATUS[reason] == 503


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        (AlertscaleError("x"), ErrorReason.INTERNAL, 500),
        (SettingsError(("x",)), ErrorReason.SETTINGS, 500),
        (LabelError(("x",)), ErrorReason.LABELS, 409),
        (RequestError("x"), ErrorReason.BAD_REQUEST, 400),
        (UnavailableError("x"), ErrorReason.ENGINE_UNAVAILABLE, 503),
        (TargetError("x"), ErrorReason.ENGINE_REFUSED, 500),
        (StepError("x", reason=ErrorReason.NOT_READY), ErrorReason.NOT_READY, 500),
        (BalancerError("x", reason=ErrorReason.RELOAD_FAILED), ErrorReason.RELOAD_FAILED, 500),
        (JournalError("x"), ErrorReason.JOURNAL, 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AlertscaleError) else "",
)
def test_each_exception_carries_its_reason(error: AlertscaleError, reason: ErrorReason, status: int) -> None:
    assert (error.reason, error.status, str(error)) == (reason, status, "x")


@pytest.mark.parametrize("kind", [SettingsError, LabelError])
def test_several_faults_are_one_sentence_and_a_list(kind: type[SettingsError | LabelError]) -> None:
    error = kind(("one is wrong", "two is wrong"))

    assert str(error) == "one is wrong; two is wrong"
    assert error.faults == ("one is wrong", "two is wrong")


@pytest.mark.parametrize("words", LISTS, ids=lambda words: words.__name__)
def test_every_word_is_fit_for_a_metric_label(words: type[StrEnum]) -> None:
    for word in words:
        assert word.value == word.name.lower()
        assert word.value.replace("_", "").isalpha()
