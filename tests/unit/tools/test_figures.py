"""Measured figures in the documentation are what the benchmarks' files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.model import Compared, Figure, at_most, to_json
from bench.stats import Spread
from tests.unit.bench.builders import a_result
from tools.figures import REPOSITORY, fill, in_russian, pages, renderings, slug, update

TIME = Figure(
    name="load step → answer, 95 %",
    value=2.5,
    unit="s",
    target=at_most(6),
    compared=Compared(what="cron", value=60.0),
    spread=Spread(median=2.4, p95=3.1, low=2.0, high=3.2, runs=9),
)
FIGURES = renderings([a_result(TIME)])
PAGE = Path("docs/page.md")


def test_every_figure_in_the_repository_is_as_it_was_measured() -> None:
    """Way out: ``make pages``."""
    assert [str(fault) for fault in update(REPOSITORY, check=True)] == []


def test_pages_of_every_language_and_the_decisions_are_looked_through() -> None:
    found = {page.relative_to(REPOSITORY).as_posix() for page in pages(REPOSITORY)}
    assert {
        "README.md",
        "docs/monitoring.md",
        "docs/decisions/0001-plain-up.md",
        "docs/ru/README.md",
    } <= found
    assert "docs/benchmarks/README.md" not in found, "bench makes that one"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("load step → answer, 95 %", "load-step-answer-95"),
        ("webhook of 1,000 alerts, p99", "webhook-of-1000-alerts-p99"),
        ("θU, under-provisioning accuracy: cron job", "u-under-provisioning-accuracy-cron-job"),
    ],
)
def test_a_path_is_the_figures_name_in_lower_case_with_hyphens(name: str, path: str) -> None:
    assert slug(name) == path


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("", "2.50 s"),
        (".number", "2.50"),
        (".target", "6 s"),
        (".compared", "60 s"),
        (".median", "2.40 s"),
        (".p95", "3.10 s"),
        (".min", "2 s"),
        (".max", "3.20 s"),
        (".runs", "9"),
    ],
)
def test_a_word_after_the_path_takes_another_value_in_benchs_own_words(part: str, text: str) -> None:
    marked = f"It took <!-- fig speed.load-step-answer-95{part} --><!-- /fig -->."
    filled, faults = fill(marked, FIGURES, file=PAGE)
    assert filled == f"It took <!-- fig speed.load-step-answer-95{part} -->{text}<!-- /fig -->."
    assert faults == []


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("4.08 s", "4,08~с"),
        ("54,287", "54~287"),
        ("2,133 s", "2~133~с"),
        ("3.02 % of a core", "3,02~%~ядра"),
        ("0", "0"),
        ("0.70", "0.70"),
        ("2026-11-24", "2026-11-24"),
        ("v1, cgroupfs", "v1, cgroupfs"),
        ("5.6.1", "5.6.1"),
    ],
)
def test_a_figure_on_a_russian_page_is_read_in_russian(english: str, russian: str) -> None:
    assert in_russian(english) == russian.replace("~", "\N{NO-BREAK SPACE}")


def test_only_the_russian_pages_have_russian_figures(tmp_path: Path) -> None:
    results = tmp_path / "docs/benchmarks"
    results.mkdir(parents=True)
    (results / "speed.json").write_text(to_json(a_result(TIME)), encoding="utf-8")
    pages_of_it = [tmp_path / "docs/page.md", tmp_path / "docs/ru/page.md"]
    for page in pages_of_it:
        page.parent.mkdir(exist_ok=True)
        page.write_text("It: <!-- fig speed.load-step-answer-95 --><!-- /fig -->\n", encoding="utf-8")
    assert update(tmp_path) == []
    english, russian = (page.read_text(encoding="utf-8") for page in pages_of_it)
    assert ">2.50 s<" in english
    assert ">2,50\N{NO-BREAK SPACE}с<" in russian


def test_the_date_and_the_machine_of_a_run_can_be_named() -> None:
    assert FIGURES["speed.run.date"] == a_result().started[:10]
    assert FIGURES["speed.run.cores"] == "2"


def test_an_unknown_figure_is_told_with_file_line_and_what_there_is() -> None:
    text = "# A page\n\nfast: <!-- fig speed.load-step-answer -->1 s<!-- /fig -->\n"
    filled, (fault,) = fill(text, FIGURES, file=PAGE)
    assert filled == text
    assert str(fault).startswith("docs/page.md:3: there is no figure speed.load-step-answer; there are: ")
    assert "speed.load-step-answer-95" in str(fault)


def test_a_benchmark_that_was_never_run_is_told_with_those_that_were() -> None:
    _, (fault,) = fill("Took <!-- fig 0123.4567 --><!-- /fig -->", FIGURES, file=PAGE)
    assert "there are: speed." in str(fault)


@pytest.mark.parametrize(
    "text", ["<!-- fig speed.run.date -->2 s", "2 s<!-- /fig -->", "<!-- fig -->2 s<!-- /fig -->"]
)
def test_half_a_marker_is_a_fault(text: str) -> None:
    _, faults = fill(f"\n{text}\n", FIGURES, file=PAGE)
    assert faults
    assert all(fault.line == 2 for fault in faults)


@pytest.mark.parametrize("before", ["", "\n", "It took\n", "- It took\n  "])
def test_a_marker_must_not_begin_a_line_since_markdown_takes_it_for_a_block_of_html(before: str) -> None:
    _, (fault,) = fill(f"{before}<!-- fig speed.run.cores -->2<!-- /fig -->\n", FIGURES, file=PAGE)
    assert "begins its line" in fault.text


@pytest.mark.parametrize("text", ["```html\n{}\n```\n", "`{}`", "- a list:\n\n  ```html\n  {}\n  ```\n"])
def test_a_marker_within_code_is_text(text: str) -> None:
    shown = text.format("<!-- fig no.such -->1 s<!-- /fig -->")
    assert fill(shown, FIGURES, file=PAGE) == (shown, [])


def test_a_marker_that_an_editor_broke_over_lines_is_filled() -> None:
    filled, faults = fill("On <!-- fig\nspeed.run.cores -->four\ncores<!-- /fig -->", FIGURES, file=PAGE)
    assert (filled, faults) == ("On <!-- fig\nspeed.run.cores -->2<!-- /fig -->", [])


def test_a_page_is_written_and_a_stale_one_is_only_told_by_check(tmp_path: Path) -> None:
    results = tmp_path / "docs/benchmarks"
    results.mkdir(parents=True)
    (results / "speed.json").write_text(to_json(a_result(TIME)), encoding="utf-8")
    page = tmp_path / "README.md"
    page.write_text("\nIt took <!-- fig speed.load-step-answer-95 -->9 s<!-- /fig -->\n", encoding="utf-8")

    (fault,) = update(tmp_path, check=True)
    assert str(fault) == (
        "README.md:2: speed.load-step-answer-95 is '2.50 s' and not '9 s'. Way out: make pages"
    )
    assert "9 s" in page.read_text(encoding="utf-8")

    assert update(tmp_path) == []
    assert "2.50 s" in page.read_text(encoding="utf-8")
    assert update(tmp_path, check=True) == []
