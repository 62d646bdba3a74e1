"""docs/proofs.md: every claim has its proof, every proof is there, and no test on real things is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
READER = MarkdownIt("gfm-like", {"linkify": False})
CLAIMING = {"Reliability": "reliability.md", "Security": "security.md"}
"""Section of the page to the page whose claims it proves."""
NOT_TESTED = re.compile(r"not tested: (\w+\W+){3,}")
ID = re.compile(r"`(tests/[^`]*)`")


@dataclass(frozen=True, kw_only=True)
class Text:
    """What stands in one cell or one paragraph.

    Attributes:
        section: the last heading of the second level before it.
        row: its table row's cells; empty for a paragraph, of a list or not.
        words: its Markdown, in one line.
    """

    section: str
    row: tuple[str, ...]
    words: str


def texts(markdown: str) -> Iterator[Text]:
    """The first cell of every table row but the head's, and every paragraph."""
    section, kind = "", ""
    row: list[str] = []
    for token in READER.parse(markdown):
        if token.type.endswith("_open"):
            kind = token.type if token.type != "heading_open" else token.tag
            row = [] if kind == "tr_open" else row
        elif token.type == "inline":
            words = " ".join(token.content.split())
            section = words if kind == "h2" else section
            row.extend([words] if kind == "td_open" else [])
            if kind == "paragraph_open":
                yield Text(section=section, row=(), words=words)
        elif token.type == "tr_close" and row:
            yield Text(section=section, row=tuple(row), words=row[0])


PROOFS = [text for text in texts((DOCS / "proofs.md").read_text(encoding="utf-8")) if text.row]


def quotes(row: Text) -> list[str]:
    """What a row of the page quotes of the page whose claim it proves."""
    return row.words.split(" · ")


def claims(markdown: str) -> list[Text]:
    """What a page claims: its rows and paragraphs, but for the first, which says what the page is about."""
    return [*texts(markdown)][1:]


def quoted(found: list[Text], quote: str) -> list[Text]:
    """What a quote is of: the row whose first cell is just these words, else the paragraphs with them."""
    rows = [claim for claim in found if claim.row and claim.words == quote]
    return rows or [claim for claim in found if not claim.row and quote in claim.words]


def unproved(markdown: str, rows: list[Text]) -> list[str]:
    """The claims of a page that no row quotes."""
    found = claims(markdown)
    said = [claim for row in rows for quote in quotes(row) for claim in quoted(found, quote)]
    return [claim.words for claim in found if claim not in said]


@cache
def defined(path: Path) -> tuple[str, ...]:
    """The tests of a file, as pytest names them; a class that inherits all of its tests stands for them."""
    found: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            own = [f"{node.name}::{name}" for name in methods if name.startswith("test_")]
            found.extend(own or [node.name])
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.append(node.name)
    return tuple(found)


def is_there(test: str) -> bool:
    """Whether a file, a class or a test is what it is called."""
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file():
        return False
    return not name or any(one == name or one.startswith(f"{name}::") for one in defined(ROOT / path))


def ids(row: Text) -> list[str]:
    """The tests that a row names: its last but one cell proves, its last one adds the long form."""
    return ID.findall(row.row[-2]) + ID.findall(row.row[-1])


def test_every_requirement_is_there_once() -> None:
    found = [row.words for row in PROOFS if row.section == "Requirements"]
    assert found == [f"R{number}" for number in range(1, 22)]


@pytest.mark.parametrize("row", PROOFS, ids=[f"{row.section}-{row.words[:60]}" for row in PROOFS])
def test_every_claim_has_a_proof_that_is_there_or_says_why_not(row: Text) -> None:
    assert ID.search(row.row[-2]) or NOT_TESTED.match(row.row[-2])
    assert [test for test in ids(row) if not is_there(test)] == []


@pytest.mark.parametrize("section", CLAIMING)
def test_every_claim_of_the_page_has_its_row_and_every_row_is_of_one_claim(section: str) -> None:
    markdown = (DOCS / CLAIMING[section]).read_text(encoding="utf-8")
    rows = [row for row in PROOFS if row.section == section]
    assert unproved(markdown, rows) == []
    found = claims(markdown)
    assert [q for row in rows for q in quotes(row) if len(quoted(found, q)) != 1] == []


def test_every_test_on_real_things_is_named_by_itself_its_class_or_its_file() -> None:
    named = {test for row in PROOFS for test in ids(row)}
    files = [f for f in (ROOT / "tests").rglob("test_*.py") if not f.is_relative_to(ROOT / "tests/unit")]
    tests = [f"{file.relative_to(ROOT)}::{test}" for file in files for test in defined(file)]
    assert len(tests) > 100
    assert [
        test for test in tests if not named & {test, test.rpartition("::")[0], test.partition("::")[0]}
    ] == []


def test_a_claim_without_a_proof_is_found() -> None:
    head = "| one | two | three |\n|---|---|---|\n"
    page = f"# A page\n\nIts subject.\n\n{head}| it breaks | it mends | |\n\n- It\n  *lasts*.\n"
    assert unproved(page, [*texts(f"{head}| It *lasts* | | |\n| breaks · mends | | |\n")]) == ["it breaks"]
    assert unproved(page, [*texts(f"{head}| it breaks · *lasts*. | | |\n")]) == []


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/unit/docs/test_proofs.py", True),
        ("tests/unit/docs/test_proofs.py::test_a_test_that_is_not_there_is_found", True),
        ("tests/unit/docs/test_proofs.py::is_there", False),
        ("tests/unit/docs/test_proofs.py::test_absent", False),
        ("tests/unit/docs/test_absent.py", False),
    ],
)
def test_a_test_that_is_not_there_is_found(test: str, there: bool) -> None:
    assert is_there(test) == there
