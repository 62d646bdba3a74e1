"""What a page's blocks are, and what is said where one is not as it has to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.blocks import Block, read

FILE = Path("docs/page.md")


def blocks(text: str) -> list[Block]:
    page = read(text, file=FILE)
    assert [str(fault) for fault in page.faults] == []
    return page.blocks


def faults(text: str) -> list[str]:
    return [str(fault) for fault in read(text, file=FILE).faults]


def test_a_block_has_its_language_text_and_lines() -> None:
    assert blocks("# A page\n\n```sh\nmake up\nmake down\n```\n") == [
        Block(language="sh", text="make up\nmake down\n", line=3, last=6)
    ]


def test_a_block_in_a_list_loses_its_indentation_and_keeps_its_lines() -> None:
    (block,) = blocks("1. First:\n\n   ```yaml\n   a:\n     b: 1\n   ```\n")
    assert (block.text, block.line, block.last) == ("a:\n  b: 1\n", 3, 6)


def test_a_title_makes_a_file_that_the_reader_writes() -> None:
    (block,) = blocks('```yaml title="shop/compose.yml"\nservices: {}\n```\n')
    assert (block.is_file, block.title) == (True, "shop/compose.yml")


def test_marks_stand_one_below_the_other_before_the_fence() -> None:
    (block,) = blocks(
        "Text:\n\n<!-- run in: shop -->\n<!-- output varies: it is\nthe time -->\n```console\n$ date\n```\n"
    )
    assert (block.directory, block.varies, block.runs) == ("shop", "it is the time", True)


def test_a_block_that_is_only_parsed_is_not_run() -> None:
    (block,) = blocks("<!-- parse only: it takes an hour -->\n```sh\nmake soak\n```\n")
    assert (block.runs, block.parse_only) == (False, "it takes an hour")


def test_text_and_configuration_are_not_run() -> None:
    assert not any(block.runs for block in blocks("```text\nrm -r\n```\n\n```yaml\na: 1\n```\n"))


def test_the_commands_of_a_console_block_are_on_their_lines_and_nothing_else_is() -> None:
    (block,) = blocks("```console\n$ for i in 1 2; do\n>   echo $i\n> done\n1\n2\n$ pwd\n```\n")
    assert block.commands == "for i in 1 2; do\n  echo $i\ndone\n\n\npwd\n"


def test_a_mark_inside_of_code_and_other_comments_are_text() -> None:
    assert blocks("<!-- Made by a tool. -->\n\n`<!-- run in: shop -->`\n\n```text\n<!-- run in: x -->\n```\n")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("```\nmake up\n```\n", 1, "no language"),
        ('``` title="a"\nx\n```\n', 1, "no language"),
        ("\n```bash\nmake up\n```\n", 2, "'bash' is no language that pages use. Way out: one of console,"),
        ("```sh {.x}\nmake up\n```\n", 1, "what follows the language cannot be read"),
        ('```yaml name="x"\na: 1\n```\n', 1, "'name' is no attribute"),
        ("Text\n\n    make up\n", 3, "by indentation"),
        ("```sh\nmake up\n", 1, "never closed"),
        ("```sh\n", 1, "never closed"),
        ("> ```sh\n> make up\n\nText\n", 1, "never closed"),
        ("<!-- parse-only: x -->\n```sh\nmake up\n```\n", 1, "is no mark of a block"),
        ("<!-- parse only -->\n```sh\nmake up\n```\n", 1, "lacks a sentence"),
        ("<!-- parse only: -->\n```sh\nmake up\n```\n", 1, "lacks a sentence"),
        ("<!-- run in: -->\n```sh\nmake up\n```\n", 1, "lacks a directory"),
        ("<!-- run in: a -->\n<!-- run in: b -->\n```sh\nls\n```\n", 2, "stands twice"),
        ("<!-- run in: a -->\n\n```sh\nls\n```\n", 1, "not right before a fence"),
        ("<!-- run in: a -->\nText\n\n```sh\nls\n```\n", 1, "not right before a fence"),
        ("Text <!-- run in: a -->\n", 1, "not right before a fence"),
        ("Text\n\n<!-- run in: a -->\n", 3, "not right before a fence"),
        ("<!-- run in: a -->\n```text\nls\n```\n", 2, "is for commands and files"),
        ("<!-- run in: ../a -->\n```sh\nls\n```\n", 2, "leaves the directory"),
        ('```yaml title="/etc/x"\na: 1\n```\n', 1, "leaves the directory"),
        ("<!-- output varies: time -->\n```sh\ndate\n```\n", 2, "is for console"),
        ("```console\ndate\n```\n", 1, "begins with a command"),
    ],
)
def test_a_fault_is_told_with_file_line_and_way_out(text: str, line: int, words: str) -> None:
    found = faults(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"docs/page.md:{line}: ")
    assert words in found[0]
    assert "Way out: " in found[0]
