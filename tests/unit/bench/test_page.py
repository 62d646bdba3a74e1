"""The page is made of the results and nothing else, and the committed one is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import page, registry, results
from bench.errors import ResultFileError
from bench.model import Figure, at_most, to_json
from bench.page import table
from tests.unit.bench.builders import a_benchmark, a_result


def test_the_committed_page_is_what_its_files_give() -> None:
    """Way out: ``.venv/bin/python -m bench page``."""
    there = (results.COMMITTED / "README.md").read_text(encoding="utf-8")
    assert there == page.render(results.load(results.COMMITTED), registry.BENCHMARKS)


def test_every_plot_of_a_committed_result_is_there() -> None:
    for result in results.load(results.COMMITTED):
        assert all((results.COMMITTED / plot).is_file() for plot in result.plots)


def test_only_full_runs_are_committed() -> None:
    assert not [result.name for result in results.load(results.COMMITTED) if result.quick]


def test_a_benchmark_without_a_result_is_named_as_not_measured() -> None:
    text = page.render([], [a_benchmark()])
    assert "## speed" in text
    assert "Not measured yet." in text


def test_a_result_is_shown_with_its_figures_plot_notes_machine_and_versions() -> None:
    result = a_result(Figure(name="time", value=2.5, unit="s", target=at_most(6)))
    text = page.render([result], [a_benchmark()])
    assert "| time | 2.50 s | ≤ 6 s | ok |" in text
    assert "![It is fast](speed.svg)" in text
    assert "- a note" in text
    assert "processor: one; cores: 2." in text
    assert "| alertscale | abc |" in text
    assert "Not measured yet." not in text


def test_one_of_a_chosen_length_stands_under_its_benchmark() -> None:
    text = page.render([a_result(), a_result(name="speed-60m")], [a_benchmark()])
    assert text.count("## speed\n") == 1
    assert "### speed-60m:" in text


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |\n"


def test_columns_that_are_empty_everywhere_are_left_out() -> None:
    assert table(("a", "b"), [("1", ""), ("2", "")]) == "| a |\n| --- |\n| 1 |\n| 2 |\n"


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text("{")
    with pytest.raises(ResultFileError, match=r"speed\.json"):
        results.write_page(tmp_path)


def test_a_file_of_a_benchmark_that_is_no_more_is_named(tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text(to_json(a_result()))
    with pytest.raises(ResultFileError, match="there is no benchmark 'speed'"):
        results.write_page(tmp_path, redraw=True)


def test_a_page_of_no_results_can_be_written_anywhere(tmp_path: Path) -> None:
    written = results.write_page(tmp_path / "new")
    assert "Not measured yet." in written.read_text(encoding="utf-8")
