"""From samples over an hour to what grew; and the rules that are made quicker for it."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from bench.members import soak
from bench.model import Verdict
from bench.stacks import edited
from tests.unit.bench.builders import a_result
from tests.unit.bench.measured import named, samples, soaked

ROOT = Path(__file__).parents[4]


def test_a_soak_in_which_nothing_grows_passes() -> None:
    outcome = soaked(samples())
    assert not a_result(*outcome.figures).failed_gates
    assert named(outcome)["scaler: working set, greatest"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("grows", "name"),
    [
        ({"scaler_resident": 1e6}, "scaler: memory: growth"),
        ({"exporter_resident": 1e6}, "exporter: memory: growth"),
        ({"scaler_files": 1}, "scaler: open files: growth"),
        ({"exporter_threads": 1}, "exporter: threads: growth"),
        ({"journal": 100e3}, "journal on disk: growth"),
        ({"events": 100}, "events kept: growth"),
    ],
)
def test_a_soak_in_which_something_grows_fails_and_names_it(grows: dict[str, float], name: str) -> None:
    outcome = soaked(samples(**grows))
    assert [figure.name for figure in a_result(*outcome.figures).failed_gates] == [name]


def test_a_soak_that_loses_a_request_or_a_container_fails() -> None:
    failed = a_result(*soaked(samples(), lost=1, restarts=1).figures).failed_gates
    assert {figure.name for figure in failed} == {"lost requests", "containers that were started again"}


def test_what_shrinks_has_not_grown() -> None:
    assert named(soaked(samples(scaler_resident=-1e6)))["scaler: memory: growth"].value == 0


def test_only_the_low_alerts_are_made_quicker_and_only_for_a_while(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "prometheus", tmp_path / "prometheus")
    file = tmp_path / "prometheus" / "alert.rules.yml"
    before = yaml.safe_load(file.read_text())
    with edited(file, soak.shorten_low_alerts):
        during = yaml.safe_load(file.read_text())
    expected = copy.deepcopy(before)
    changed = [
        rule for group in expected["groups"] for rule in group["rules"] if rule["alert"].startswith("Low")
    ]
    assert len(changed) == 2
    for rule in changed:
        rule["for"] = "3s"
    assert during == expected
    assert file.read_bytes() == (ROOT / "prometheus" / "alert.rules.yml").read_bytes()
