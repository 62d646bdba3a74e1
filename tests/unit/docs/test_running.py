"""A page whose commands fail is told with file, line and command; one whose commands work passes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.stack import wait_until
from tests.docs.running import failure
from tests.docs.script import Places
from tools.blocks import read

Run = Callable[..., str]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(
        clone=tmp_path / "clone",
        scratch=tmp_path / "scratch",
        output=tmp_path / "output",
        project="alertscale-docs",
        derived=("flask-app", "default"),
    )
    for folder in (found.clone, found.scratch, found.output):
        folder.mkdir()
    return found


@pytest.fixture
def run(places: Places) -> Run:
    def running(text: str, *, within: float = 20) -> str:
        page = read(text, file=Path("docs/page.md"))
        assert page.faults == []
        return failure(page, places, environment=os.environ, within=within)

    return running


def test_a_page_whose_commands_work_passes(run: Run) -> None:
    assert run("# A page\n\n```sh\ntrue   # and a comment\n```\n\n```sh\ntest 1 = 1\n```\n") == ""


def test_a_command_that_fails_is_told_with_line_block_and_what_it_printed(run: Run) -> None:
    told = run("# A page\n\n```sh\necho before\nls /no/such/file\necho after\n```\n")
    assert told.startswith("docs/page.md:5: exit code 2 (the block at line 3)\n$ ls /no/such/file\n")
    assert "before\nls: cannot access '/no/such/file'" in told
    assert "after" not in told


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("false | true", "a failure within a pipeline counts"),
        ('echo "$NO_SUCH_VARIABLE"', "a variable that the page does not set"),
        ("read -r answer", "there is nobody to answer"),
        ("no-such-command", "it is not installed"),
    ],
)
def test_a_page_fails_as_a_careful_script_does(run: Run, command: str, why: str) -> None:
    assert run(f"```sh\ntrue\n{command}\n```\n").startswith("docs/page.md:3: exit code"), why


def test_a_command_of_several_lines_is_told_whole(run: Run) -> None:
    told = run("```sh\ntrue\nls \\\n  /no/such/file \\\n  /\ntrue\n```\n")
    assert told.startswith(
        "docs/page.md:3: exit code 2 (the block at line 1)\n$ ls \\\n  /no/such/file \\\n  /\n---"
    )


def test_a_block_that_is_no_shell_is_told_at_its_beginning(run: Run) -> None:
    assert run("Text\n\n```sh\necho 'open\n```\n").startswith("docs/page.md:3: exit code 2")


def test_a_page_that_does_not_end_is_ended_with_all_that_it_started(run: Run, places: Places) -> None:
    started = time.monotonic()
    told = run("```sh\nsleep 1000 & echo $! >child\nsleep 1000\n```\n", within=0.5)
    assert told.startswith("docs/page.md:3: not done within 0.5 s (the block at line 1)\n$ sleep 1000")
    assert time.monotonic() - started < 20
    child = (places.clone / "child").read_text().strip()
    wait_until(lambda: state(child) in ("", "Z"), within=10, what="the end of what runs in the background")


def state(process: str) -> str:
    """As ps shows it; the empty string once it is gone."""
    try:
        return Path("/proc", process, "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_variables_last_to_the_end_of_the_page_and_a_directory_to_the_end_of_the_block(
    run: Run, places: Places
) -> None:
    text = f'```sh\nname=web\ncd /\n```\n\n```sh\ntest "$name" = web\ntest "$PWD" = {places.clone}\n```\n'
    assert run(text) == ""


def test_a_file_with_a_title_is_written_where_the_next_commands_run(run: Run, places: Places) -> None:
    text = (
        '```yaml title="a/b.yml"\nx: "$HOME"\n```\n\n<!-- run in: shop -->\n```sh\ngrep HOME a/b.yml\n```\n'
    )
    assert run(text) == ""
    assert (places.scratch / "shop/a/b.yml").read_text() == 'x: "$HOME"\n'


def test_a_file_that_is_only_parsed_is_not_written(run: Run, places: Places) -> None:
    text = (
        '<!-- parse only: an example -->\n```yaml title="b.yml"\nx: 1\n```\n\n```sh\ntest ! -e b.yml\n```\n'
    )
    assert run(text) == ""


def test_the_readers_own_project_is_not_the_clones(run: Run) -> None:
    text = (
        "```sh\ntest $COMPOSE_PROJECT_NAME = alertscale-docs\n```\n\n"
        "<!-- run in: shop -->\n```sh\ntest -z ${COMPOSE_PROJECT_NAME-}\n```\n"
    )
    assert run(text) == ""


def test_names_that_compose_makes_are_those_of_the_stack_that_runs(run: Run, places: Places) -> None:
    names = "alertscale_default alertscale-flask-app-1 alertscale-tls alertscale/flask-app"
    text = f"```sh\necho {names} >names\n```\n"
    assert run(text) == ""
    assert (places.clone / "names").read_text().split() == [
        "alertscale-docs_default",
        "alertscale-docs-flask-app-1",
        "alertscale-tls",
        "alertscale-docs/flask-app",
    ]


@pytest.mark.parametrize(
    ("shown", "fits"),
    [
        ("one\ntwo\nthree 3 s", True),
        ("one\n…\nthree … s", True),
        ("…\nthree 3 s", True),
        ("one\n…", True),
        ("one\ntwo\n…\nthree 3 s", True),
        ("one\ntwo", False),
        ("one\ntwo\nthree 4 s", False),
        ("one\n…\nfour", False),
        ("one…three 3 s", False),
    ],
)
def test_what_a_page_shows_is_what_is_printed(run: Run, shown: str, fits: bool) -> None:
    told = run(f"```console\n$ true\n$ printf 'one\\ntwo  \\nthree 3 s\\n'\n{shown}\n$ true\n```\n")
    assert (told == "") is fits
    assert fits or told.startswith(f"docs/page.md:3: the page shows\n{shown}\n--- but it prints\none\n")


def test_what_is_printed_has_the_names_of_the_documentation(run: Run) -> None:
    assert run("```console\n$ echo alertscale-flask-app-1\nalertscale-flask-app-1\n```\n") == ""


def test_nothing_is_compared_where_the_output_varies(run: Run) -> None:
    assert run("<!-- output varies: it shows the time -->\n```console\n$ date\nThu Nov 26\n```\n") == ""


def test_a_command_of_a_console_block_that_fails_is_told_with_what_it_printed(run: Run) -> None:
    told = run("```console\n$ echo a\na\n$ echo b; false\nb\n```\n")
    assert told.startswith("docs/page.md:4: exit code 1 (the block at line 1)\n$ echo b; false\n")
    assert told.endswith("a\nb")
