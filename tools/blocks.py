"""The blocks of a documentation page: what each holds, and what a test may do with it.

A fence has a language, and perhaps a title: the file that the reader writes. Blocks of commands are ``sh``
(commands alone) and ``console`` (commands after ``$``, with what they print). On the lines right before a
fence, each in a comment of its own, there may be marks:

    <!-- parse only: REASON -->       it is not run (and a file not written); the reason is a sentence
    <!-- run in: DIRECTORY -->        not in the clone, but in this directory of the reader's own
    <!-- output varies: REASON -->    what a console block prints is not compared
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.faults import Fault

COMMANDS: Final = frozenset({"sh", "console"})
LANGUAGES: Final = COMMANDS | {
    "css",
    "csv",
    "diff",
    "dockerfile",
    "dotenv",
    "html",
    "http",
    "ini",
    "javascript",
    "json",
    "makefile",
    "mermaid",
    "nginx",
    "promql",
    "python",
    "text",
    "toml",
    "xml",
    "yaml",
}
"""What a fence may be; a fence of commands by another name (``bash``) would go unnoticed."""

_MARKS: Final = {"parse only": "a sentence", "run in": "a directory", "output varies": "a sentence"}
_ATTRIBUTES: Final = frozenset({"title", "linenums", "hl_lines"})
_MARK: Final = re.compile(rf"<!--\s*({'|'.join(_MARKS)})\b[\s:]*(.*?)\s*-->", re.DOTALL)
_COMMENT: Final = re.compile(r"<!--(.*?)-->", re.DOTALL)
_INFO: Final = re.compile(r'(?P<language>[\w+#.-]*)(?P<attributes>(?:\s+\w+="[^"]*")*)\s*')
_ATTRIBUTE: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        language: such as ``sh``.
        text: what is between the fences, without the indentation that they have.
        line: of the opening fence, from 1 on.
        last: of the closing fence.
        title: the file that the reader writes, or the empty string.
        parse_only: why it is not run; the empty string if it is.
        directory: where it is run, of the reader's own; the empty string is the clone.
        varies: why what it prints is not compared; the empty string if it is.
    """

    language: str
    text: str
    line: int
    last: int
    title: str = ""
    parse_only: str = ""
    directory: str = ""
    varies: str = ""

    @property
    def is_commands(self) -> bool:
        """Whether a shell reads it."""
        return self.language in COMMANDS

    @property
    def is_file(self) -> bool:
        """Whether the reader writes it to a file."""
        return bool(self.title) and not self.is_commands

    @property
    def runs(self) -> bool:
        """Whether a test runs it."""
        return self.is_commands and not self.parse_only

    @property
    def commands(self) -> str:
        """The commands alone, on the lines that they have in ``text``."""
        if self.language != "console":
            return self.text
        return "\n".join(typed(line) or "" for line in self.text.splitlines()) + "\n"


@dataclass(kw_only=True)
class Page:
    """A page as it was read.

    Attributes:
        file: relative to the repository.
        blocks: from top to bottom.
        faults: what is wrong with them, likewise.
    """

    file: Path
    blocks: list[Block] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, text: str) -> None:
        """Add a fault."""
        self.faults.append(Fault(file=self.file, line=line, text=text))

    @property
    def runs(self) -> bool:
        """Whether a test runs any of its blocks."""
        return any(block.runs for block in self.blocks)


def typed(line: str) -> str | None:
    """Return what the reader types in a line of a console block; None if the line is printed."""
    return line[2:] if line.startswith(("$ ", "> ")) else None


def pages(root: Path) -> list[Path]:
    """Return the files of all pages of the documentation, relative to the repository's root."""
    found = [*root.glob("*.md"), *root.glob("secrets/README.md"), *(root / "docs").rglob("*.md")]
    return sorted(file.relative_to(root) for file in found)


def read(text: str, *, file: Path) -> Page:
    """Return a page's blocks and faults.

    Args:
        text: the page's Markdown.
        file: the page's, for the faults.
    """
    page = Page(file=file)
    lines = text.splitlines()
    above: list[Token] = []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block" and (not above or _touches(above[-1], token)):
            above.append(token)
            continue
        if token.type == "fence" and above and _touches(above[-1], token):
            page.blocks.append(_block(page, token, marks=_marks(page, above), lines=lines))
        else:
            _misplaced(page, above)
            if token.type == "fence":
                page.blocks.append(_block(page, token, marks={}, lines=lines))
        above = [token] if token.type == "html_block" else []
        if token.type == "code_block":
            page.fault(
                _span(token)[0] + 1, "a block by indentation has no language. Way out: a fence with one"
            )
        if token.type == "inline":
            _misplaced(page, [token])
    _misplaced(page, above)
    return page


def _span(token: Token) -> tuple[int, int]:
    """Return its lines, counted from 0: the first, and the one after the last."""
    first, after = token.map or (0, 0)
    return first, after


def _touches(above: Token, below: Token) -> bool:
    return _span(above)[1] == _span(below)[0]


def _misplaced(page: Page, tokens: Sequence[Token]) -> None:
    for token in tokens:
        for mark in _MARK.finditer(_html(token)):
            page.fault(
                _span(token)[0] + 1,
                f"<!-- {mark[1]} --> is not right before a fence. Way out: put it on the line before",
            )


def _html(token: Token) -> str:
    parts = [child.content for child in token.children or () if child.type == "html_inline"]
    return "".join(parts) if token.type == "inline" else token.content


def _marks(page: Page, comments: Sequence[Token]) -> dict[str, str]:
    found: dict[str, str] = {}
    for token in comments:
        line = _span(token)[0] + 1
        for comment in _COMMENT.finditer(token.content):
            mark = _MARK.fullmatch(comment[0])
            if mark is None:
                known = ", ".join(f"<!-- {name}: ... -->" for name in _MARKS)
                page.fault(
                    line,
                    f"{comment[0]} is no mark of a block. Way out: one of {known}, or a blank line after it",
                )
            elif not mark[2]:
                page.fault(
                    line, f"<!-- {mark[1]} --> lacks {_MARKS[mark[1]]}. Way out: <!-- {mark[1]}: ... -->"
                )
            elif mark[1] in found:
                page.fault(line, f"<!-- {mark[1]} --> stands twice before this fence. Way out: remove one")
            else:
                found[mark[1]] = " ".join(mark[2].split())
    return found


def _block(page: Page, token: Token, *, marks: dict[str, str], lines: Sequence[str]) -> Block:
    first, after = _span(token)
    info = _INFO.fullmatch(token.info)
    attributes = dict(_ATTRIBUTE.findall(info["attributes"])) if info else {}
    block = Block(
        language=info["language"] if info else token.info.split()[0],
        text=token.content,
        line=first + 1,
        last=after,
        title=attributes.get("title", ""),
        parse_only=marks.get("parse only", ""),
        directory=marks.get("run in", ""),
        varies=marks.get("output varies", ""),
    )
    for fault in [*_faults_of_the_fence(token, block, attributes), *_faults_of_the_marks(block, marks)]:
        page.fault(block.line, fault)
    if after - first < 2 or not lines[after - 1].strip(" >").startswith(token.markup):  # noqa: PLR2004 - two fences
        page.fault(block.line, f"this fence is never closed. Way out: {token.markup} on a line of its own")
    return block


def _faults_of_the_fence(token: Token, block: Block, attributes: dict[str, str]) -> Iterator[str]:
    if not _INFO.fullmatch(token.info):
        yield f'what follows the language cannot be read. Way out: ```{block.language} title="file"'
    elif not block.language:
        yield "this fence has no language. Way out: ```sh for commands, ```text if it is none of the others"
    elif block.language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        yield f"{block.language!r} is no language that pages use. Way out: one of {known}"
    for name in attributes.keys() - _ATTRIBUTES:
        yield f"{name!r} is no attribute of a block. Way out: one of {', '.join(sorted(_ATTRIBUTES))}"
    if block.language == "console" and typed(block.text.partition("\n")[0]) is None:
        yield "a console block begins with a command. Way out: `$ ` before it, or ```text for output alone"


def _faults_of_the_marks(block: Block, marks: dict[str, str]) -> Iterator[str]:
    for path in filter(None, (block.title, block.directory)):
        if path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts:
            yield f"{path!r} leaves the directory of the reader. Way out: a relative path without '..'"
    if marks and not (block.is_commands or block.is_file):
        yield f"<!-- {next(iter(marks))} --> is for commands and files; this is neither. Way out: remove it"
    if block.varies and block.language != "console":
        yield "<!-- output varies --> is for console, which shows what is printed. Way out: remove it"
