"""schemathesis drives the app with what the served document says, and with what it forbids."""

import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import ignored_auth

from tests.recording import TOKEN, Recording, recording_app

SECONDS = 40.0
"""Of CPU: other tests may run at the same time."""
THOROUGH = 80
"""Requests to each operation."""


def drive(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, recording: Recording, *, examples: int
) -> list[int]:
    """Call one operation so many times; every answer is held against the document. Return the statuses."""
    statuses = []

    @settings(
        max_examples=examples,
        # The short form asks the same each time: by chance alone few requests may miss an answer.
        derandomize=examples < THOROUGH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Case[Any]) -> None:
        recording.changes.clear()
        # A forged token is to be refused; every other case comes with the right one.
        forged = mode is GenerationMode.NEGATIVE and "Authorization" in (case.headers or {})
        answer = case.call(headers=None if forged else {"Authorization": f"Bearer {TOKEN}"})
        # It takes our token for one that it forged; that others are refused is shown by test_web_any_input.
        case.validate_response(answer, excluded_checks=[ignored_auth])
        assert answer.status_code < 400 or recording.changes == []
        statuses.append(answer.status_code)

    call()
    return statuses


@pytest.mark.parametrize("examples", [40, pytest.param(THOROUGH, marks=pytest.mark.drill)])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_document_gives(mode: GenerationMode, examples: int) -> None:
    recording = Recording()
    schema = schemathesis.openapi.from_wsgi("/openapi.json", recording_app(recording))
    begun = time.process_time()
    seen: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        takes_input = bool(operation.body) or bool(operation.query)
        if mode is GenerationMode.POSITIVE or takes_input:
            seen[operation.label] = set(drive(operation, mode, recording, examples=examples))
    assert time.process_time() - begun < SECONDS
    if mode is GenerationMode.POSITIVE:
        # schemathesis leaves out the document's own address.
        assert len(seen) == len(schema.raw_schema["paths"]) - 1
        assert seen["POST /alerts"] == {202}
    else:
        assert len(seen) == 7
        for label, statuses in seen.items():
            assert 400 in statuses, label
            # A query may carry what nobody reads.
            assert label.startswith("GET ") or not statuses & {200, 202}, (label, statuses)
