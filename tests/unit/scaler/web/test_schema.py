"""How the values of the API stand in JSON, and that they need little to be read."""

import subprocess
import sys

import msgspec
import pytest

from scaler.web.schema import Mark, Result, Time, encoded, rfc3339


def written(value: msgspec.Struct) -> object:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=encoded))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_795_407_411.25, "2026-11-23T04:16:51.250Z"),
        (1_795_407_411, "2026-11-23T04:16:51.000Z"),
        (float("inf"), None),
        (float("-inf"), None),
    ],
)
def test_a_time_has_milliseconds_and_one_that_never_was_is_null(seconds: float, text: str | None) -> None:
    mark = Mark(at=Time(seconds), kind="step", reason="done", text="")
    assert written(mark) == {"at": text, "kind": "step", "reason": "done", "text": ""}
    assert text in {None, rfc3339(seconds) if text else None}


def test_what_does_not_apply_is_absent_and_not_null() -> None:
    assert written(Result(alertname="HighCPU", result="accepted")) == {
        "alertname": "HighCPU",
        "result": "accepted",
    }


def test_what_has_no_place_in_the_api_is_not_written() -> None:
    with pytest.raises(NotImplementedError, match="no place in the API"):
        encoded(object())


def test_whoever_reads_the_values_loads_nothing_of_the_scaler_but_its_words() -> None:
    code = "import sys, scaler.web.schema; print(*sorted(m for m in sys.modules if m.startswith('scaler')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == [
        "scaler", "scaler.model", "scaler.model.reasons", "scaler.web", "scaler.web.schema",
    ]  # fmt: skip
