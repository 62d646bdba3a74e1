"""The plots: each is drawn from what the JSON holds, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import plots
from bench.members import footprint, kills, lost_requests, reaction, soak
from bench.model import Outcome
from tests.unit.bench.builders import a_result
from tests.unit.bench.measured import a_kill, drill, drilled, footprint_of, reacted, samples, soaked

RAW: list[tuple[Any, Outcome]] = [
    (lost_requests.BENCHMARK, drill(drilled(lost=0), drilled(lost=4))),
    (kills.BENCHMARK, kills.outcome([a_kill(), a_kill(before=3, fault="x")], sent=1, lost={}, wanted=2)),
    (soak.BENCHMARK, soaked(samples())),
    (reaction.BENCHMARK, reacted()),
    (footprint.BENCHMARK, footprint_of()),
]


@pytest.mark.parametrize(("benchmark", "outcome"), RAW, ids=lambda value: getattr(value, "name", ""))
def test_a_plot_is_drawn_from_what_the_file_holds_and_is_the_same_each_time(
    benchmark: Any,  # noqa: ANN401 - as in the list
    outcome: Outcome,
    tmp_path: Path,
) -> None:
    kept = Outcome(figures=outcome.figures, raw=json.loads(json.dumps(outcome.raw)))
    result = a_result(name=benchmark.name, outcome=kept)
    drawn = []
    for _ in range(2):
        plots.draw(benchmark, result, folder=tmp_path)
        drawn.append((tmp_path / f"{benchmark.name}.svg").read_bytes())
    assert drawn[0].startswith(b"<?xml")
    assert drawn[0] == drawn[1]
