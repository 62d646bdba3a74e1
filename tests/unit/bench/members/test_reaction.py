"""From the scaler's history and the clients' clock to the stages of a reaction."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.baselines.bare import sibling
from bench.errors import BenchError
from bench.members.reaction import Reaction, durations, reaction
from bench.model import Verdict
from tests.unit.bench.measured import FLOOR, a_reaction, named, reacted

ROOT = Path(__file__).parents[4]
BEGUN = 1_800_000_000.0
PHASES = {"create": 0.05, "start": 0.35, "ready": 0.6}


def event(at: float, kind: str, reason: str, text: str = "", **detail: object) -> dict[str, Any]:
    shown = datetime.fromtimestamp(BEGUN + at, tz=UTC).isoformat(timespec="milliseconds")
    return {
        "at": shown.replace("+00:00", "Z"),
        "kind": kind,
        "reason": reason,
        "text": text,
        "detail": detail,
    }


HISTORY = [
    event(-40.0, "alert", "accepted", "HighCPU fires: of the run before"),
    event(-39.9, "decision", "alert_up"),
    event(-38.0, "step", "done", phases={"create": 9, "start": 9, "ready": 9}),
    event(0.5, "alert", "accepted", "LowCPU resolved"),
    event(3.1, "alert", "accepted", "HighCPU fires: flask-app uses 93%"),
    event(3.2, "decision", "alert_up"),
    event(3.9, "replica", "ready"),
    event(4.1, "reload", "reloaded"),
    event(4.2, "step", "done", phases=PHASES),
    event(4.3, "decision", "up_cooldown"),
]


def test_each_stage_is_dated_from_the_load_step_on_and_earlier_runs_are_not_looked_at() -> None:
    found = reaction(HISTORY, begun=BEGUN, fired=BEGUN + 3.0, answered=4.15)
    assert found == Reaction(
        fired=3.0,
        accepted=3.1,
        decided=3.2,
        created=3.25,
        started=3.6,
        ready=3.9,
        reloaded=4.1,
        answered=4.15,
    )


@pytest.mark.parametrize("missing", ["alert", "decision", "replica", "reload", "step"])
def test_a_stage_that_is_not_in_the_history_is_named(missing: str) -> None:
    events = [e for e in HISTORY if e["kind"] != missing]
    with pytest.raises(BenchError, match=f"history has no {missing} "):
        reaction(events, begun=BEGUN, fired=BEGUN + 3.0, answered=4.15)


def test_the_durations_of_all_stages_add_up_to_the_whole() -> None:
    taken = durations({"a": 1.0, "b": 1.5, "c": 4.0}, ["a", "b", "c"])
    assert taken == {"a": 1.0, "b": 0.5, "c": 2.5}


def test_median_and_p95_have_their_targets_and_stand_next_to_the_cron_job() -> None:
    figures = named(reacted(a_reaction(fired=3), a_reaction(fired=3), a_reaction(fired=9)))
    median = figures["load step → first answer of the new replica, median"]
    p95 = figures["load step → first answer of the new replica, p95"]
    assert median.value == pytest.approx(4.3)
    assert p95.value == pytest.approx(10.3)
    assert (median.verdict, p95.verdict) == (Verdict.OK, Verdict.MISSED)
    assert median.compared is not None
    assert (median.compared.what, median.compared.value) == ("cron job, once a minute", 103)


@pytest.mark.parametrize(("acted", "verdict"), [(1.29, Verdict.OK), (1.4, Verdict.MISSED)])
def test_what_the_scaler_does_is_held_against_the_floor(acted: float, verdict: Verdict) -> None:
    ratio = named(reacted(a_reaction(acted=acted)))["alert accepted → first answer, times the floor"]
    assert ratio.value == pytest.approx(acted / FLOOR.answered)
    assert ratio.verdict is verdict


def test_a_stage_stands_next_to_the_same_stage_of_the_floor() -> None:
    figures = named(reacted())
    assert figures["→ started"].compared is not None
    assert figures["→ started"].compared.value == pytest.approx(0.35)
    assert figures["→ webhook accepted"].compared is None


def test_without_the_cron_job_it_is_said_that_it_was_not_measured() -> None:
    outcome = reacted(crons=())
    assert outcome.notes[-1] == "cron job, once a minute: not measured in the quick form."
    assert not any("cron" in figure.name for figure in outcome.figures)


def test_a_bare_copy_is_counted_by_nobody_and_has_a_name_of_its_own() -> None:
    model = {
        "Config": {"Image": "flask-app", "Hostname": "abc", "Labels": {"com.docker.compose.service": "x"}},
        "HostConfig": {"NanoCpus": 5},
    }
    assert sibling(model) == {"Image": "flask-app", "HostConfig": {"NanoCpus": 5}}
