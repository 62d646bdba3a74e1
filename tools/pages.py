"""Makes all that is generated in the documentation anew: ``python -m tools.pages [--check]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools import api_page, figures

REPOSITORY: Final = Path(__file__).parents[1]


def _api() -> str:
    return api_page.page(json.loads(api_page.SOURCE.read_text(encoding="utf-8")))


PAGES: Final[Mapping[str, Callable[[], str]]] = {"docs/api.md": _api}
"""Each page that is made from the code, as its file to what makes its text."""


def stale() -> list[str]:
    """Return what is not as the code and the benchmarks say, a line each; a page that is missing is stale."""
    texts = {name: REPOSITORY / name for name in PAGES}
    pages = [
        f"{name}: not what the code says. Way out: make pages"
        for name, file in texts.items()
        if not file.is_file() or file.read_text(encoding="utf-8") != PAGES[name]()
    ]
    return pages + [str(fault) for fault in figures.update(REPOSITORY, check=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all of it, or with ``--check`` only say what is stale; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is stale")
    if parser.parse_args(arguments).check:
        found = stale()
    else:
        for name, make in PAGES.items():
            (REPOSITORY / name).write_text(make(), encoding="utf-8")
        found = [str(fault) for fault in figures.update(REPOSITORY)]
    for line in found:
        print(line, file=sys.stderr)  # noqa: T201 - a command-line program
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
