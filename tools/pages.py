"""Makes anew what is generated in the documentation: ``python -m tools.pages [--check | --list]``.

That is what comes from the code, and every figure; docs/benchmarks/ is made by ``python -m bench page``.
Exit codes: 0 all is current; 1 something is not, or cannot be made; 2 an unknown option.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.errors import BenchError
from bench.results import COMMITTED, load
from scaler.web.openapi import document
from tools import api_page, figures
from tools.lookup import commands, labels, metrics, programs, rules, variables, words
from tools.lookup.filling import BlockError, Makers, filled

REPOSITORY: Final = Path(__file__).parents[1]


def _api() -> str:
    return api_page.page(document())


def _with(name: str, makers: Makers) -> Callable[[], str]:
    page = REPOSITORY / name
    return lambda: filled(page.read_text(encoding="utf-8"), makers, page=Path(name))


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/api.md": _api,
    "docs/alerts.md": _with("docs/alerts.md", rules.MAKERS),
    "docs/cli.md": _with("docs/cli.md", commands.MAKERS),
    "docs/errors.md": _with("docs/errors.md", words.MAKERS | programs.MAKERS),
    "docs/labels.md": _with("docs/labels.md", labels.MAKERS),
    "docs/metrics.md": _with("docs/metrics.md", metrics.MAKERS),
    "docs/settings.md": _with("docs/settings.md", variables.MAKERS),
}
"""Each page that is made from the code, or has tables that are, as its file to what makes its text."""


def stale() -> list[str]:
    """Return what is not as the code and the benchmarks say, a line each.

    Raises:
        BlockError: a page has not the blocks that it is to have.
        ResultFileError: a benchmark's file cannot be read.
        OSError: a page cannot be read.
    """
    pages = [
        f"{name}: not what the code says. Way out: make pages"
        for name, make in PAGES.items()
        if (REPOSITORY / name).read_text(encoding="utf-8") != make()
    ]
    return pages + [str(fault) for fault in figures.update(REPOSITORY, check=True)]


def write() -> list[str]:
    """Write all of it; return what cannot be made, a line each. Raises as ``stale``."""
    for name, text in {name: make() for name, make in PAGES.items()}.items():
        (REPOSITORY / name).write_text(text, encoding="utf-8")
    return [str(fault) for fault in figures.update(REPOSITORY)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all of it, say what is stale, or list the figures; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is stale")
    parser.add_argument("--list", action="store_true", help="print every figure there is, with its text")
    options = parser.parse_args(arguments)
    try:
        if options.list:
            for path, text in figures.renderings(load(COMMITTED)).items():
                print(f"{path:<90} {text}")  # noqa: T201 - a command-line program
            return 0
        found = stale() if options.check else write()
    except (BenchError, BlockError, OSError, ValueError) as error:
        found = [str(error)]
    for line in found:
        print(line, file=sys.stderr)  # noqa: T201 - as above
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
