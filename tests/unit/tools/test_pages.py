"""All that is generated in the documentation is current, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tools.pages
from tools.lookup.filling import filled
from tools.pages import PAGES, REPOSITORY, main


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (REPOSITORY / name).is_file(), "make it: make pages"
    assert (REPOSITORY / name).read_text(encoding="utf-8") == PAGES[name](), "make it anew: make pages"


def test_no_page_of_another_name_has_a_table_that_is_made_from_the_code() -> None:
    marked = [
        file.relative_to(REPOSITORY).as_posix()
        for file in (REPOSITORY / "docs").rglob("*.md")
        if "<!-- made from the code: " in file.read_text(encoding="utf-8")
    ]
    assert set(marked) <= set(PAGES)


def test_check_is_content_with_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_what_is_stale_is_told_with_its_file_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PAGES, "docs/labels.md", lambda: "# Other labels\n")
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/labels.md: not what the code says. Way out: make pages\n"


def test_a_page_that_has_not_its_blocks_is_told_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (REPOSITORY / "docs/labels.md").read_text(encoding="utf-8")
    monkeypatch.setitem(
        PAGES,
        "docs/cli.md",
        lambda: filled("# No block\n", {"options": lambda: ""}, page=Path("docs/cli.md")),
    )
    monkeypatch.setitem(PAGES, "docs/labels.md", lambda: "# Other labels\n")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("docs/cli.md: the block options is there 0 times. Way out: ")
    assert (REPOSITORY / "docs/labels.md").read_text(encoding="utf-8") == before


def test_every_figure_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert re.search(r"^reaction\.run\.date +\d{4}-\d\d-\d\d$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("options", [[], ["--check"], ["--list"]])
def test_a_result_that_cannot_be_read_is_told_with_its_file_and_the_way_out(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "docs/benchmarks/speed.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{", encoding="utf-8")
    monkeypatch.setattr(tools.pages, "REPOSITORY", tmp_path)
    monkeypatch.setattr(tools.pages, "COMMITTED", broken.parent)
    monkeypatch.setattr(tools.pages, "PAGES", {})
    assert main(options) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{broken}: not a result of bench (")
    assert "Way out: " in told
    assert told.count("\n") == 1
