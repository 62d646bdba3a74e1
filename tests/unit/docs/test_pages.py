"""Every page of the documentation can be read by its readers and by the test that runs its commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from alertscale.__main__ import main
from tools.blocks import Block, Page, pages, read

ROOT = Path(__file__).parents[3]
FILES = pages(ROOT)
PAGES = [read((ROOT / file).read_text(encoding="utf-8"), file=file) for file in FILES]
READER = MarkdownIt("gfm-like", {"linkify": False})
COMMANDS = [(page, block) for page in PAGES for block in page.blocks if block.is_commands]
DATA: dict[str, Callable[[str], object]] = {
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "json": json.loads,
    "toml": tomllib.loads,
}
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MAKE = re.compile(r"\bmake((?: +(?:[a-z][\w-]*|[A-Z_]+=\S+))+)")
SCRIPT = re.compile(
    r"(?<![\w./<-])(?:\./)?((?:deploy|locust|nginx|tests|testkit|tools|machine|bench|\.ci)/[\w./-]+)"
)
# What a test or a deploy makes, and is not there in a fresh clone.
MADE = re.compile(r"locust/reports/|nginx/conf\.d/|deploy/deploy\.pub")
# What changes the machine beyond the stack of the test, or is a suite of its own.
BEYOND = re.compile(
    r"\bdocker \w+ prune\b|\bdocker swarm\b|\bsudo\b|\bsystemctl\b|\bssh\b|\bgit push\b"
    r"|\bmake (?:clean|venv|browser|deploying|test|lint|unit|integration|e2e|bench|drills|soak|swarm|test-)"
)


def name(page: Page, block: Block) -> str:
    return f"{page.file}:{block.line}"


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/cli.md", "docs/decisions/0001-plain-up.md"} <= {str(f) for f in FILES}


@pytest.mark.parametrize("page", PAGES, ids=[str(file) for file in FILES])
def test_a_page_has_blocks_without_fault(page: Page) -> None:
    assert page.faults == [], "\n".join(str(fault) for fault in page.faults)


@pytest.mark.parametrize(("page", "block"), COMMANDS, ids=[name(*one) for one in COMMANDS])
def test_commands_can_be_read_by_the_shell(page: Page, block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.commands, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name(page, block)}: {done.stderr}"


@pytest.mark.parametrize(("page", "block"), COMMANDS, ids=[name(*one) for one in COMMANDS])
def test_what_commands_call_exists(page: Page, block: Block) -> None:
    for words in MAKE.findall(block.commands):
        unknown = {word for word in words.split() if "=" not in word} - TARGETS
        assert not unknown, f"{name(page, block)}: make has no target {', '.join(sorted(unknown))}"
    if not block.directory:
        for path in SCRIPT.findall(block.commands):
            assert MADE.match(path) or (ROOT / path).exists(), f"{name(page, block)}: there is no {path}"


FOR_USERS = [
    file
    for file in FILES
    if str(file) in {"README.md", "docs/ru/README.md"} or file.parent.name in {"docs", "ru"}
]
OF_TESTS = re.compile(r"(?<![\w/])tests/\w|\bstand-ins?\b|^(Tests?|Тесты):", re.MULTILINE)


def prose(file: Path) -> Iterator[str]:
    """What a reader reads: text and code in it, and no block, comment or address."""
    for token in READER.parse((ROOT / file).read_text(encoding="utf-8")):
        kinds = {"text": "", "code_inline": "", "softbreak": "\n"}
        yield "".join(kinds[c.type] or c.content for c in token.children or () if c.type in kinds)


@pytest.mark.parametrize("file", [file for file in FOR_USERS if file.name != "proofs.md"], ids=str)
def test_a_page_for_users_says_what_holds_and_not_which_test_shows_it(file: Path) -> None:
    assert [text for text in prose(file) if OF_TESTS.search(text)] == []


@pytest.mark.parametrize(
    "file", [Path("README.md"), Path("docs/install.md"), Path("docs/ru/README.md")], ids=str
)
def test_what_it_needs_is_the_first_that_a_page_says(file: Path) -> None:
    first = (ROOT / file).read_text(encoding="utf-8").split("\n## ")[1]
    assert [word for word in ("amd64", "Engine", "Compose", "250", "Python") if word not in first] == []


@pytest.mark.parametrize("file", [Path("README.md"), Path("docs/ru/README.md")], ids=str)
def test_the_readme_leads_on_in_six_rows(file: Path) -> None:
    last = (ROOT / file).read_text(encoding="utf-8").rpartition("\n## ")[2]
    assert len(re.findall(r"^\|.*\]\(", last, re.MULTILINE)) == 6


def of_the_command_line(commands: str) -> Iterator[list[str]]:
    """What follows `alertscale` where it is a program: at the start of a command, or given to a container."""
    text = commands.replace("\\\n", " ").replace("\n", "\n;")
    before, own = ";", list[str]()
    for word in [*shlex.shlex(text, posix=True, punctuation_chars=True), ";"]:
        starts = not before.strip("();<>|&")
        if not word.strip("();<>|&"):
            yield own
            own = []
        elif own or (word.endswith("alertscale") and (starts or before in {"scaler", "-m"})):
            own.append(word)
        before = word


def test_words_of_the_command_line_are_found() -> None:
    found = of_the_command_line(
        "cd alertscale && until docker compose exec -T scaler alertscale explain shop/web | grep x; do\n"
        "~/.alertscale/bin/alertscale status   # what it does\nalertscale scale \\\n  flask-app 3\n"
    )
    assert [words[1:] for words in found if words] == [
        ["explain", "shop/web"],
        ["status"],
        ["scale", "flask-app", "3"],
    ]


@pytest.mark.parametrize(("page", "block"), COMMANDS, ids=[name(*one) for one in COMMANDS])
def test_the_command_line_knows_the_words_that_it_is_given(page: Page, block: Block) -> None:
    for _program, *words in filter(None, of_the_command_line(block.commands)):
        try:
            main.commands[words[0]].make_context(words[0], words[1:])
        except (LookupError, click.UsageError) as error:
            # A directory is another one where the page is run.
            if not (
                isinstance(error, click.BadParameter) and error.param and error.param.name == "directory"
            ):
                pytest.fail(f"{name(page, block)}: alertscale {' '.join(words)}: {error}")


@pytest.mark.parametrize(
    ("page", "block"), [pytest.param(*one, id=name(*one)) for one in COMMANDS if one[1].runs]
)
def test_what_is_run_changes_nothing_but_the_stack_of_the_test(page: Page, block: Block) -> None:
    for number, command in enumerate(block.commands.splitlines(), start=block.line + 1):
        found = BEYOND.search(command.partition(" # ")[0])
        assert not found, (
            f"{page.file}:{number}: {found[0]!r} would change more than the stack of the test. "
            "Way out: <!-- parse only: REASON -->"
        )


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=name(page, block))
        for page in PAGES
        for block in page.blocks
        if block.language in DATA
    ],
)
def test_data_is_what_its_language_says(page: Page, block: Block) -> None:
    try:
        DATA[block.language](block.text)
    except (yaml.YAMLError, ValueError) as error:
        pytest.fail(f"{name(page, block)}: no {block.language}: {error}")


def test_a_reason_for_not_running_is_a_sentence_and_says_why() -> None:
    reasons = {name(page, block): block.parse_only for page, block in COMMANDS if block.parse_only}
    short = {where: reason for where, reason in reasons.items() if len(reason.split()) < 3}
    assert short == {}
