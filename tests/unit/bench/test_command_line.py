"""What a person types and reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.__main__ import main
from bench.registry import BENCHMARKS, chosen, together

ROOT = Path(__file__).parents[3]


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_the_list_names_every_benchmark() -> None:
    shown = typed("list")
    assert shown.exit_code == 0
    assert all(benchmark.name in shown.output for benchmark in BENCHMARKS)


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    shown = typed("run", "speed")
    assert shown.exit_code == 1
    assert "no such benchmark: speed. Known are reaction" in shown.output


@pytest.mark.parametrize("words", [("run",), ("run", "--all", "kills")])
def test_either_names_or_all(words: tuple[str, ...]) -> None:
    shown = typed(*words)
    assert shown.exit_code == 2
    assert "name benchmarks or give --all" in shown.output


def test_a_broken_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    shown = typed("page", "--out", str(tmp_path))
    assert shown.exit_code == 1
    assert "x.json: not a result of bench" in shown.output


def test_the_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    assert typed("page", "--out", str(tmp_path)).exit_code == 0
    assert (tmp_path / "README.md").is_file()


def test_names_are_unique_and_each_has_two_lengths() -> None:
    assert len({benchmark.name for benchmark in BENCHMARKS}) == len(BENCHMARKS)
    for benchmark in BENCHMARKS:
        assert 0 < benchmark.quick < benchmark.full
        assert "\n" not in benchmark.purpose


def test_all_of_them_stay_within_what_is_promised() -> None:
    """``make bench`` under 45 minutes, ``make bench-quick`` under 6, stacks included."""
    assert sum(b.full for b in together()) < 45 * 60
    assert sum(b.quick for b in together()) < 6 * 60


def test_all_of_them_leave_out_only_those_that_are_run_alone() -> None:
    assert [b.name for b in BENCHMARKS if b not in together()] == ["soak"]
    assert "Up and down all the time, and nothing grows (only by name)" in " ".join(
        typed("list").output.split()
    )


def test_one_that_is_run_alone_can_be_run_by_its_name() -> None:
    assert [b.name for b in chosen(("soak",))] == ["soak"]


def test_make_names_the_targets_with_what_they_do() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"bench", "bench-quick", "soak"} <= {line.split()[1] for line in listed.splitlines()}
