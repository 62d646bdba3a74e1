"""Pages outside docs/ (README.md and its like): every link, anchor and picture leads somewhere.

Those within docs/ are held to it by `make docs` (test_site.py). And what pages about the code name is there.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[3]
READER = MarkdownIt("gfm-like", {"linkify": False})
# `name` or `name()` of a file, as CONTRIBUTING.md has it.
NAME_IN_FILE = re.compile(r"`(\w+)(?:\(\))?` (?:in|of|and `\w+` in)\s+`([\w./-]+\.\w+)`")
NAME = re.compile(r"`([\w./-]+)`")


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


FILES = files()
KNOWN = {*FILES, *(f"{parent}/" for path in FILES for parent in map(str, Path(path).parents))}
SUFFIXES = {Path(path).suffix for path in FILES} - {""}
MADE_HERE = tuple(
    re.findall(r"^/?([^#*\n]+)$", (ROOT / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE)
)
FOLDERS_MADE_HERE = tuple(path for path in MADE_HERE if path.endswith("/"))
NAMES_FROM = {"CONTRIBUTING.md": ("",), "docs/architecture.md": ("", "scaler/", "scaler/policy/")}
"""Pages about where things are, with the folders that the names in each of them start from."""
PAGES = sorted(path for path in FILES if path.endswith(".md") and not path.startswith("docs/"))


def tokens(text: str) -> Iterator[Token]:
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def links(text: str) -> list[str]:
    """What a page links to or shows, as it is written."""
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens(text)]
    return [str(link) for link in found if link is not None]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub and GitLab give a page's headings."""
    parsed = READER.parse(text)
    titles = [after.content for token, after in itertools.pairwise(parsed) if token.type == "heading_open"]
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", title) for title in titles]
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in plain}


def fault(page: str, link: str) -> str:
    """What is wrong with a link of a page; empty if nothing is, or if it leads to another site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (ROOT / page).parent / unquote(parts.path) if parts.path else ROOT / page
    relative = str(target.resolve().relative_to(ROOT)) if target.resolve().is_relative_to(ROOT) else ""
    if relative not in FILES and not any(path.startswith(f"{relative}/") for path in FILES):
        return f"{page}: {link}: no such file in the repository"
    if parts.fragment and parts.fragment not in anchors(target.read_text(encoding="utf-8")):
        return f"{page}: {link}: no such heading"
    return ""


def test_the_pages_that_a_visitor_looks_for_are_there() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "secrets/README.md"} <= set(PAGES)
    assert "LICENSE" in FILES


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    found = links((ROOT / page).read_text(encoding="utf-8"))
    assert [what for link in found if (what := fault(page, link))] == []


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ("docs/absent.md", "no such file"),
        ("docs/labels.md#absent", "no such heading"),
        ("#absent", "no such heading"),
        ("docs/images/absent.png", "no such file"),
        ("../outside.md", "no such file"),
        (".venv/", "no such file"),
        ("docs/operations.md#https", ""),
        ("nginx/conf.d/", ""),
        ("https://example.org/absent", ""),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, what: str) -> None:
    (written,) = links(f"[x]({link})")
    assert what in fault("README.md", written)
    assert bool(what) == bool(fault("README.md", written))


def test_pictures_and_links_in_tables_are_read_and_code_is_not() -> None:
    text = "![x](a.png)\n\n| a |\n|---|\n| [x](b.md) |\n\n`[x](c.md)`\n\n```text\n[x](d.md)\n```\n"
    assert links(text) == ["a.png", "b.md"]


def files_named(text: str) -> set[str]:
    """What looks like a file or folder of the repository: by a slash, its suffix, or a dot before all."""
    return {
        name
        for name in NAME.findall(text)
        if "/" in name or Path(name).suffix in SUFFIXES or name.startswith(".")
    }


def absent(text: str, *, folders: tuple[str, ...] = ("",)) -> set[str]:
    """Files and folders that a text names and that are not there, nor made here, nor a place for a name."""
    return {
        name
        for name in files_named(text)
        if name not in MADE_HERE
        and not name.startswith(FOLDERS_MADE_HERE)
        and "NAME" not in name
        and KNOWN.isdisjoint(f"{folder}{name}" for folder in folders)
    }


@pytest.mark.parametrize("page", NAMES_FROM)
def test_each_file_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert len(files_named(text)) > 30
    assert absent(text, folders=NAMES_FROM[page]) == set()


@pytest.mark.parametrize(
    "name", ["wiring.py", "scaler/absent.py", "absent.yml", ".absent", ".env.absent", "absent/"]
)
def test_a_file_that_is_named_and_not_there_is_found(name: str) -> None:
    assert absent(f"see `{name}`") == {name}


def test_what_is_there_is_made_here_or_is_no_file_is_not() -> None:
    there = "`scaler/wiring.py` `tests/` `docker-stack.yml` `.env` `build/docs`"
    assert absent(f"{there} `alertscale.drain` `History.range` `scaler/engines/NAME.py`") == set()
    assert absent("`world.py` of the state", folders=("scaler/state/",)) == set()


def test_a_function_or_class_that_contributing_names_is_in_that_file() -> None:
    pairs = NAME_IN_FILE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(pairs) > 8
    for name, path in pairs:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(class |def |\")?{name}\b", text, re.MULTILINE), f"{path} has no {name}"
