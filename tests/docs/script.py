"""A page as a shell script: its commands on the lines that they have in the page, so that Bash names those.

One Bash runs a page from top to bottom (``set -euo pipefail``, no input). Each block begins in the root of
the clone, or in the directory of its mark ``run in`` below the page's scratch directory; variables last to
the end of the page, a ``cd`` to the end of its block. A block with a title is written to that file, in the
directory of its own mark, else of the next block of commands that is run.

The stack runs under a project name and ports of its own, so that it is in nobody's way. Compose is told by
variables, curl by a ``.curlrc`` that connects to the stack's ports in place of the documented ones, and names
that Compose derives from the project's (``alertscale_default``, ``alertscale-flask-app-1``) are replaced.
A project of the reader's own (``run in``) has the name that it has for the reader.

What a ``console`` block shows is compared with what was printed, both without blanks at the ends of lines:
``…`` stands for anything within a line, and alone on its line for any number of lines. Where the page shows
nothing after a command, or ``output varies``, nothing is compared.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.blocks import Block, Page, typed

PROJECT: Final = "alertscale"
_END: Final = "END-OF-THE-FILE-IN-THE-PAGE"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a page runs.

    Attributes:
        clone: the repository's root.
        scratch: the directory below which the reader's own projects are.
        output: a directory for what console blocks print.
        project: the Compose project of the clone's stack.
        derived: what follows the project's name in names that Compose makes: services, networks, volumes.
    """

    clone: Path
    scratch: Path
    output: Path
    project: str = PROJECT
    derived: Sequence[str] = ()

    def own(self, text: str) -> str:
        """Return a text of the documentation with the names that this stack has."""
        return self._derived(PROJECT).sub(self.project, text)

    def documented(self, text: str) -> str:
        """Return what this stack prints with the names that the documentation has."""
        return text.replace(self.project, PROJECT)

    def _derived(self, project: str) -> re.Pattern[str]:
        names = "|".join(re.escape(name) for name in sorted(self.derived, key=len, reverse=True))
        return re.compile(rf"(?<![\w/-]){project}(?=[-_/](?:{names})(?![\w]))" if names else r"(?!)")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A command of a console block.

    Attributes:
        line: in the page, from 1 on.
        expected: what the page shows, as lines.
        file: what was printed goes there.
    """

    line: int
    expected: tuple[str, ...]
    file: Path


def shell(page: Page, places: Places) -> str:
    """Return the page as a script for Bash."""
    last = max((block.last for block in page.blocks), default=0)
    lines = [""] * last
    for block in page.blocks:
        if block.runs or (block.is_file and not block.parse_only):
            body = list(_body(page, block, places))
            lines[block.line - 1 : block.line - 1 + len(body)] = body
    return "\n".join(lines) + "\n"


def _body(page: Page, block: Block, places: Places) -> Iterator[str]:
    """Yield a block's lines from its opening fence to its closing one."""
    text = places.own(block.text).splitlines()
    if block.is_file:
        title = shlex.quote(block.title)
        folder = shlex.quote(str(Path(block.title).parent))
        where = _enter(block.directory or _next_directory(page, block), places)
        yield f"{where}; mkdir -p {folder}; cat >{title} <<'{_END}'"
        yield from text
        yield _END
    elif block.language == "sh":
        yield _enter(block.directory, places)
        yield from text
        yield ""
    else:
        yield from _console(block, text, places)


def _next_directory(page: Page, block: Block) -> str:
    return next((other.directory for other in page.blocks if other.runs and other.line > block.line), "")


def _enter(directory: str, places: Places) -> str:
    if not directory:
        return f"cd {shlex.quote(str(places.clone))}; export COMPOSE_PROJECT_NAME={places.project}"
    folder = shlex.quote(str(places.scratch / directory))
    return f"mkdir -p {folder}; cd {folder}; unset COMPOSE_PROJECT_NAME"


def _console(block: Block, text: Sequence[str], places: Places) -> Iterator[str]:
    before = _enter(block.directory, places)
    written: Path | None = None
    for number, line in enumerate(text, start=block.line + 1):
        yield before
        before = ""
        command = typed(line)
        if line.startswith("$ "):
            before = f"{_close(written)} {{ {command}"
            written = output(places, number)
        elif command is not None:
            before = command
        else:
            before, written = _close(written), None
    yield before
    yield _close(written)


def _close(written: Path | None) -> str:
    return f"}} >{shlex.quote(str(written))} 2>&1; cat {shlex.quote(str(written))};" if written else ""


def output(places: Places, line: int) -> Path:
    """Return where the command at a line of a console block leaves what it printed."""
    return places.output / f"{line}.txt"


def shown(page: Page, places: Places) -> list[Shown]:
    """Return the commands whose output is compared with what the page shows."""
    return [one for block in page.blocks if block.runs and not block.varies for one in _shown(block, places)]


def _shown(block: Block, places: Places) -> Iterator[Shown]:
    if block.language != "console":
        return
    starts = [n for n, line in enumerate(block.text.splitlines()) if line.startswith("$ ")]
    lines = block.text.splitlines()
    for start, after in itertools.pairwise([*starts, len(lines)]):
        expected = [line.rstrip() for line in lines[start + 1 : after] if typed(line) is None]
        while expected and not expected[-1]:
            expected.pop()
        if expected:
            line = block.line + 1 + start
            yield Shown(line=line, expected=tuple(expected), file=output(places, line))


def fits(expected: Sequence[str], printed: str) -> bool:
    """Say whether what was printed is what the page shows.

    Args:
        expected: lines; ``…`` is anything within a line, and alone any number of lines.
        printed: with the names of the documentation.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n"
        for line in expected
    )
    text = "\n".join(line.rstrip() for line in printed.rstrip().splitlines()) + "\n"
    return re.fullmatch(pattern, text) is not None
