"""From what became of each variant to its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import plots
from bench.elasticity.figures import Seen, broken, outcome
from bench.elasticity.load import Tally
from bench.elasticity.run import Followed, Played
from bench.elasticity.variants import FULL, MOST, ONE, OURS, VARIANTS
from bench.errors import BenchError
from bench.members.elasticity import BENCHMARK
from bench.model import Figure, Outcome
from tests.unit.bench.builders import a_result

DEMAND = (1, 1, 2, 3, 3, 2, 1, 1)
LOOK = {
    "scaler resident": 40e6, "scaler files": 20.0, "scaler threads": 12.0, "journal": 8e6, "events": 1e4,
    "scaler working set": 50e6,
}  # fmt: skip


def tallied(*, slow: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> Tally:
    tally = Tally(sent=100)
    for second in range(len(DEMAND)):
        tally.took[second] = [0.1] * 9 + [0.9 if second in slow else 0.2]
    for second in lost:
        tally.lose(second, "502")
    return tally


def followed(*supply: int, tally: Tally | None = None) -> Followed:
    return Followed(supply=supply, running=tuple(s + 1 for s in supply), tally=tally or tallied())


def looks(*, growing: float = 0.0) -> list[Mapping[str, float]]:
    return [
        {"at": at, **LOOK, "scaler resident": LOOK["scaler resident"] + growing * at}
        for at in range(0, 600, 10)
    ]


def seen(
    *, growing: float = 0.0, gate: bool = True, looked: bool = True, missed: Mapping[str, int] | None = None
) -> Seen:
    others = {one.service: followed(1, 1, 1, 2, 2, 2, 2, 2) for one in VARIANTS}
    those = {
        OURS.service: followed(1, 1, 1, 2, 3, 3, 2, 1),
        ONE.service: followed(*[1] * 8, tally=tallied(slow=(2, 3, 4), lost=(4, 5))),
        FULL.service: followed(*[MOST] * 8),
    }
    taken = looks(growing=growing) if looked else []
    played = Played(followed=others | those, looks=taken, missed=missed or {})
    return Seen(demand=DEMAND, capacity=8.0, played=played, gate=gate)


def named(outcome: Outcome) -> dict[str, Figure]:
    return {figure.name: figure for figure in outcome.figures}


def test_every_metric_is_given_for_every_variant_and_ours_stands_next_to_kubernetes() -> None:
    figures = named(outcome(seen()))
    for row in ("θU, under-provisioning accuracy", "τO, over-provisioned timeshare", "SLO broken"):
        assert all(f"{row}: {variant.shown}" in figures for variant in VARIANTS)
    ours = figures["τU, under-provisioned timeshare: alertscale"]
    assert ours.value == 25
    assert ours.compared is not None
    assert (ours.compared.what, ours.compared.value) == ("Kubernetes HPA", 37.5)


def test_a_speedup_that_is_not_defined_has_no_row() -> None:
    figures = named(outcome(seen()))
    assert "ε, elastic speedup over fixed at 1: alertscale" in figures
    assert "ε, elastic speedup over fixed at 1: fixed at 1" not in figures
    assert "ε, elastic speedup over fixed at 1: fixed at 4" not in figures


def test_the_slo_is_broken_in_a_second_that_is_slow_or_loses_a_request_and_counted_once() -> None:
    assert broken(tallied(slow=(2, 3, 4), lost=(4, 5))) == [2, 3, 4, 5]
    assert broken(tallied()) == []
    assert named(outcome(seen()))["SLO broken: fixed at 1"].value == 4


def test_what_was_lost_is_said_by_whom_and_how() -> None:
    found = outcome(seen())
    assert named(found)["lost requests: fixed at 1"].value == 2
    assert found.notes[-1] == "fixed at 1 lost: 2 times 502."


def test_looks_that_nobody_answered_are_told() -> None:
    found = outcome(seen(missed={"Kubernetes HPA: ReadTimeout": 2}))
    assert found.notes[-1] == "Left out, for nobody answered: 2 times Kubernetes HPA: ReadTimeout."


def test_without_any_look_into_the_scaler_there_is_no_outcome() -> None:
    with pytest.raises(BenchError, match="could not be looked into"):
        outcome(seen(looked=False))


def test_replica_seconds_count_what_runs_and_not_only_what_is_ready() -> None:
    figures = named(outcome(seen()))
    assert figures["replica-seconds: fixed at 4"].value == 8 * (MOST + 1)
    assert figures["replica-seconds: the demand itself"].value == sum(DEMAND)


@pytest.mark.parametrize(("gate", "failed"), [(True, ["scaler: memory: growth"]), (False, [])])
def test_a_scaler_that_grows_fails_the_long_form(gate: bool, failed: list[str]) -> None:
    figures = outcome(seen(growing=1e5, gate=gate)).figures
    assert [figure.name for figure in a_result(*figures).failed_gates] == failed


def test_a_plot_is_drawn_from_what_the_file_holds_and_is_the_same_each_time(tmp_path: Path) -> None:
    found = outcome(seen())
    kept = Outcome(figures=found.figures, raw=json.loads(json.dumps(found.raw)))
    result = a_result(name=BENCHMARK.name, outcome=kept)
    drawn = []
    for _ in range(2):
        plots.draw(BENCHMARK, result, folder=tmp_path)
        drawn.append((tmp_path / "elasticity.svg").read_bytes())
    assert drawn[0] == drawn[1]
    assert all(variant.shown.encode() in drawn[0] for variant in VARIANTS)
