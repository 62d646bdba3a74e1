"""Load tests by hand and by themselves, as docs/load-testing.md describes them, on the running stack."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(180)]

LIGHT = {"LOCUST_MIX": "light=1", "LOCUST_P95_MS": "60000"}


def loadtest(stack: Stack, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make loadtest` with variables in the environment."""
    return subprocess.run(
        ["make", "loadtest"],
        cwd=stack.directory,
        env={
            **stack.environment,
            "COMPOSE_PROJECT_NAME": stack.project,
            "COMPOSE_FILE": os.pathsep.join(stack.files),
            **LIGHT,
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


def report(stack: Stack, done: subprocess.CompletedProcess[str]) -> Path:
    """The folder of a report, from what was printed."""
    found = re.search(r"open (locust/reports/[\w.-]+)/report\.html", done.stdout)
    assert found, done.stdout + done.stderr
    return stack.directory / found[1]


@contextlib.contextmanager
def written(file: Path, text: str) -> Iterator[None]:
    """A file that is there for a while."""
    assert not file.exists()
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink()


@pytest.fixture
def alone(one_replica: Stack) -> Iterator[Stack]:
    """One replica, and no load to scale it."""
    one_replica.pause("all")
    yield one_replica
    one_replica.pause("none")


def test_a_load_test_by_itself_writes_its_report_to_the_checkout_and_ends_with_0(alone: Stack) -> None:
    with written(alone.directory / ".env", "LOCUST_PROFILE=step\n"):
        done = loadtest(alone, LOCUST_RUN_TIME="8s", LOCUST_ARRIVAL_RATE="10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "load test: passed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    folder = report(alone, done)
    assert folder.name.endswith("Z-step")
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    said = (folder / "summary.txt").read_text(encoding="utf-8")
    assert said.splitlines()[0] in done.stdout
    with (folder / "load_stats.csv").open(encoding="utf-8") as file:
        (total,) = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    # Steps of 2.5, 5, 7.5 and 10 a second, 2 s each; with the same random distances in each run.
    assert 35 <= int(total["Request Count"]) <= 65
    assert said.startswith(f"load test: {total['Request Count']} requests, {total['Failure Count']} failed")
    assert (folder / "load_stats_history.csv").stat().st_size > 0


def test_limits_that_do_not_hold_end_it_with_1_and_are_said(alone: Stack) -> None:
    """The open model goes on when nobody can keep up; what it drops counts as failed."""
    done = loadtest(
        alone,
        LOCUST_RUN_TIME="5s",
        LOCUST_ARRIVAL_RATE="30",
        LOCUST_MIX="cpu=1",
        LOCUST_MAX_IN_FLIGHT="2",
        LOCUST_P95_MS="1",
        LOCUST_REPORT="slow",
    )
    assert "Error 1" in done.stderr, done.stdout + done.stderr
    assert "LOCUST_P95_MS allows 1 ms" in done.stdout
    assert "LOCUST_FAILED_PERCENT allows 0 %" in done.stdout
    assert report(alone, done).name == "slow"
    failures = (report(alone, done) / "load_failures.csv").read_text(encoding="utf-8")
    assert "LOCUST_MAX_IN_FLIGHT requests were under way" in failures


def test_faulty_settings_are_all_reported_and_no_load_starts(stack: Stack) -> None:
    done = loadtest(stack, LOCUST_USERS="many", LOCUST_PROFILE="waves")
    assert "Error 2" in done.stderr
    assert "LOCUST_USERS='many': must be a whole number from 1 to 10000" in done.stdout + done.stderr
    assert "LOCUST_PROFILE='waves': must be one of steady, step" in done.stdout + done.stderr


def test_with_the_stack_a_load_test_starts_by_itself_and_ends_once(alone: Stack) -> None:
    """LOCUST_AUTOSTART=1 and `docker compose up`; the web UI is back without it."""
    variables = {
        "LOCUST_AUTOSTART": "1",
        "LOCUST_RUN_TIME": "5s",
        "LOCUST_USERS": "1",
        "LOCUST_REPORT": "auto",
    }
    up = alone.command("up", "--detach", "--no-deps", "locust")
    subprocess.run(
        up,
        cwd=alone.directory,
        env={**alone.environment, **LIGHT, **variables},
        capture_output=True,
        check=True,
    )
    try:
        state = wait_until(
            lambda: [c["State"] for c in alone.containers("locust") if c["State"]["Status"] == "exited"],
            within=60,
            what="the load test has ended",
        )
        logged = alone.compose("logs", "--no-color", "--no-log-prefix", "locust")
        assert state[0]["ExitCode"] == 0, logged
        assert "load test: report in /reports/auto" in logged
        alone.compose("cp", "locust:/reports/auto", "auto-report")
        assert (alone.directory / "auto-report/report.html").is_file()
        (container,) = alone.containers("locust")
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "no"
    finally:
        alone.compose("up", "--detach", "--no-deps", "--wait", "locust")


def test_the_web_ui_answers_on_loopback_with_the_host_filled_in(stack: Stack) -> None:
    answer = stack.session.get(stack.url("LOCUST_PORT", "/"), timeout=10)
    assert answer.status_code == 200
    found = re.search(r"window\.templateArgs\s*=\s*(\{.*\})", answer.text)
    assert found, answer.text[:2000]
    shown = json.loads(found[1])
    assert shown["host"] == "http://nginx:80/"
    assert shown["num_users"] == 20


def test_without_a_replica_of_locust_nothing_makes_load(stack: Stack) -> None:
    """LOCUST_REPLICAS=0 is for production."""
    shown = subprocess.run(
        stack.command("config", "--format", "json"),
        cwd=stack.directory,
        env={**stack.environment, "LOCUST_REPLICAS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout)["services"]["locust"]["deploy"]["replicas"] == 0
