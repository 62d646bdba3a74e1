"""The environment becomes settings, or a list of all its faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from loadtest.settings import Settings, SettingsError, read_settings
from loadtest.verdict import Limits

TRACE = "seconds,requests_per_second\n0,1\n9,1\n"


def settings(environ: Mapping[str, str], text: str = TRACE) -> Settings:
    return read_settings(environ, read=lambda _: text)


def faults(environ: Mapping[str, str], text: str = TRACE) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        settings(environ, text)
    return caught.value.faults


def test_an_empty_environment_gives_the_defaults() -> None:
    assert settings({}) == Settings(
        by_itself=False,
        host="http://nginx:80/",
        ready_path="/",
        wait_seconds=300,
        profile="",
        run_seconds=300,
        users=20,
        spawn_rate=2,
        arrival_rate=0,
        max_in_flight=500,
        trace=None,
        mix={"light": 10, "cpu": 6, "post": 3, "memory": 1},
        limits=Limits(p95_ms=2000, failed_percent=0),
        reports="/reports",
        report="",
    )


def test_an_empty_variable_is_an_unset_one() -> None:
    names = (
        "LOCUST_USERS",
        "LOCUST_PROFILE",
        "LOCUST_RUN_TIME",
        "LOCUST_MIX",
        "LOCUST_REPORT",
        "LOCUST_TRACE",
    )
    assert settings(dict.fromkeys(names, "")) == settings({})


def test_a_load_that_starts_by_itself_is_steady_unless_it_is_said() -> None:
    assert settings({"LOCUST_AUTOSTART": "1"}).profile == "steady"
    assert settings({"LOCUST_AUTOSTART": "1", "LOCUST_PROFILE": "wave"}).profile == "wave"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1m5s", 65), ("24h", 86400)]
)
def test_a_run_time_is_read_as_locust_reads_it(text: str, seconds: float) -> None:
    assert settings({"LOCUST_RUN_TIME": text}).run_seconds == seconds


@pytest.mark.parametrize("text", ["4", "25h", "5 m", "m", "-5", "soon"])
def test_a_run_time_that_is_none_is_a_fault(text: str) -> None:
    assert faults({"LOCUST_RUN_TIME": text}) == (
        f"LOCUST_RUN_TIME={text!r}: must be a time from 5s to 24h such as 90s, 5m or 1h30m",
    )


def test_a_mix_is_read_and_leaves_out_what_it_does_not_name() -> None:
    assert settings({"LOCUST_MIX": "light=2, cpu=1"}).mix == {"light": 2, "cpu": 1}


@pytest.mark.parametrize(
    "text", ["light", "heavy=1", "light=-1", "light=1,light=2", "light=0", "light=1001", ","]
)
def test_a_mix_that_is_none_is_a_fault(text: str) -> None:
    (fault,) = faults({"LOCUST_MIX": text})
    assert fault.startswith(
        f"LOCUST_MIX={text!r}: must be such as light=10,cpu=6 with kinds of light, cpu, post"
    )


def test_a_faulty_trace_is_reported_only_where_it_is_replayed() -> None:
    assert settings({"LOCUST_TRACE": "x.csv"}, text="").trace is None
    (fault,) = faults({"LOCUST_TRACE": "x.csv", "LOCUST_PROFILE": "trace"}, text="")
    assert fault.startswith("LOCUST_TRACE='x.csv': x.csv, line 1: []: must be")


def test_a_trace_that_is_not_there_is_a_fault() -> None:
    def read(path: str) -> str:
        raise FileNotFoundError(2, "No such file", path)

    with pytest.raises(SettingsError) as caught:
        read_settings({"LOCUST_PROFILE": "trace"}, read=read)
    (fault,) = caught.value.faults
    assert fault.startswith("LOCUST_TRACE='traces/example.csv': must be a CSV in locust/ that can be read")


def test_an_arrival_rate_needs_a_profile() -> None:
    (fault,) = faults({"LOCUST_ARRIVAL_RATE": "5"})
    assert fault.startswith("LOCUST_ARRIVAL_RATE='5': must be empty without LOCUST_PROFILE")


def test_all_faults_are_reported_together_with_name_value_and_range() -> None:
    environ = {
        "LOCUST_AUTOSTART": "yes",
        "LOCUST_PROFILE": "waves",
        "LOCUST_HOST": "nginx",
        "LOCUST_READY_PATH": "ready",
        "LOCUST_WAIT_SECONDS": "0",
        "LOCUST_USERS": "1.5",
        "LOCUST_SPAWN_RATE": "nan",
        "LOCUST_ARRIVAL_RATE": "5001",
        "LOCUST_MAX_IN_FLIGHT": "0",
        "LOCUST_P95_MS": "0",
        "LOCUST_FAILED_PERCENT": "101",
        "LOCUST_REPORT": "../x",
    }
    found = dict(fault.split(": must be ", 1) for fault in faults(environ))
    assert found["LOCUST_AUTOSTART='yes'"] == "a whole number from 0 to 1"
    assert found["LOCUST_PROFILE='waves'"] == "one of steady, step, spike, wave, ramp, trace"
    assert {text.partition("=")[0] for text in found} >= set(environ) - {"LOCUST_ARRIVAL_RATE"}
    assert found["LOCUST_ARRIVAL_RATE='5001'"] == "a number from 0 to 5000"


def test_compose_passes_on_every_variable_and_the_example_shows_the_defaults() -> None:
    root = Path(__file__).parents[3]
    source = (root / "locust/loadtest/settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"(LOCUST_\w+)"', source)) - {"LOCUST_REPORTS"}
    compose = (root / "docker-compose.yml").read_text(encoding="utf-8")
    example = dict(
        line.split("=", 1)
        for line in (root / ".env.example").read_text(encoding="utf-8").splitlines()
        if line.startswith("LOCUST_")
    )
    assert names == set(re.findall(r"^      (LOCUST_\w+):", compose, re.MULTILINE))
    assert names == set(example) - {"LOCUST_PORT", "LOCUST_REPLICAS"}
    assert settings({name: example[name] for name in names}) == settings({})
