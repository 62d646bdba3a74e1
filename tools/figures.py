"""The measured figures of the documentation, which ``python -m tools.pages`` fills in.

A figure stands between two comments, which a reader does not see:

    It took <!-- fig reaction.load-step-alert-fires -->2.68 s<!-- /fig -->

NAME is a file of docs/benchmarks/ without ``.json``. What follows the first dot is the name of one of its
figures in lower case, its words joined by hyphens; a word after a second dot (``median``, ``number``, …)
takes another of its values. What is inside code is text and left alone. A line must not begin with a marker.
On a page of docs/ru a figure has the units, the thousands and the decimal comma of Russian.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from bench.model import Figure, Result
from bench.results import COMMITTED, load
from bench.words import duration, number, quantity
from tools.faults import Fault

REPOSITORY: Final = Path(__file__).parents[1]

_RUSSIAN: Final = {
    "%": "%",
    "% of a core": "%\N{NO-BREAK SPACE}ядра",
    "GiB": "ГиБ",
    "MiB": "МиБ",
    "min": "мин",
    "ms": "мс",
    "requests/s": "запросов/с",  # noqa: RUF001 - the last letter is Cyrillic
    "s": "с",  # noqa: RUF001 - the letter is Cyrillic
}
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_QUANTITY: Final = re.compile(r"(-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)(?: (\D.*))?")

_MARKER: Final = re.compile(r"(<!--\s*fig\s+(\S+)\s*-->)(.*?)(<!--\s*/fig\s*-->)", re.DOTALL)
_HALF: Final = re.compile(r"<!--\s*/?fig\b[^>]*-->")
_MOVE: Final = "Way out: put the word before it on the same line"
_CODE: Final = re.compile(
    r"^ *(`{3,}|~{3,})[^\n]*\n.*?(?:^ *\1[`~]* *$|\Z)"  # a fence, to its end or the page's
    r"|(?<!`)(`+)(?!`)[^\n]*?(?<!`)\2(?!`)",  # within a line
    re.MULTILINE | re.DOTALL,
)


def slug(name: str) -> str:
    """Return a name as a path has it: ``webhook of 1,000 alerts, p99`` is ``webhook-of-1000-alerts-p99``."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=\d),(?=\d)", "", name.lower())).strip("-")


def renderings(results: Sequence[Result]) -> dict[str, str]:
    """Return all that can be asked for, as path to present text, in the order of the benchmarks' own tables.

    Raises:
        ValueError: two figures of a result have the same path.
    """
    found: dict[str, str] = {}
    for result in results:
        for path, text in _of_result(result):
            if path in found:
                raise ValueError(f"docs/benchmarks/{result.name}.json: two figures are called {path}")
            found[path] = text
    return found


def _of_result(result: Result) -> Iterator[tuple[str, str]]:
    yield f"{result.name}.run.date", result.started[:10]
    yield f"{result.name}.run.took", duration(result.seconds)
    for what, text in result.machine.items():
        yield f"{result.name}.run.{slug(what)}", text
    for figure in result.outcome.figures:
        for part, text in _of_figure(figure):
            yield f"{result.name}.{slug(figure.name)}{part}", text


def _of_figure(figure: Figure) -> Iterator[tuple[str, str]]:
    yield "", quantity(figure.value, figure.unit)
    if figure.unit:
        yield ".number", number(figure.value)
    if figure.target:
        yield ".target", quantity(figure.target.value, figure.unit)
    if figure.compared:
        yield ".compared", quantity(figure.compared.value, figure.unit)
    if figure.spread:
        spread = figure.spread
        parts = {"median": spread.median, "p95": spread.p95, "min": spread.low, "max": spread.high}
        yield from ((f".{part}", quantity(value, figure.unit)) for part, value in parts.items())
        yield ".runs", str(spread.runs)


def in_russian(text: str) -> str:
    """Return a figure with Russian's units, thousands and decimal comma.

    Without a unit the point stays, as in files and metrics: it may be a threshold, or a version. What is no
    figure, and a unit that is not known here, is left as it is.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return text
    value, unit = found[1].replace(",", _NO_BREAK), found[2]
    return f"{value.replace('.', ',')}{_NO_BREAK}{_RUSSIAN.get(unit, unit)}" if unit else value


def fill(text: str, figures: Mapping[str, str], *, file: Path) -> tuple[str, list[Fault]]:
    """Return a page with its figures as measured, and what it asks for in vain.

    Args:
        text: the page's Markdown.
        figures: path to text, as of ``renderings``.
        file: the page's, for the faults.
    """
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    markers = list(_MARKER.finditer(prose))
    wrong = {match.start(): _wrong(prose, match, figures) for match in markers}
    whole = {match.start(group) for match in markers for group in (1, 4)}
    for half in _HALF.finditer(prose):
        if half.start() not in whole:
            wrong[half.start()] = f"{half[0]} stands alone; it is <!-- fig NAME.PATH -->…<!-- /fig -->"
    filled, done = "", 0
    for match in markers:
        filled += text[done : match.start(3)] + figures.get(match[2], match[3])
        done = match.end(3)
    return filled + text[done:], [
        Fault(file=file, line=text.count("\n", 0, at) + 1, text=words)
        for at, words in sorted(wrong.items())
        if words
    ]


def _wrong(prose: str, match: re.Match[str], figures: Mapping[str, str]) -> str:
    if match[2] not in figures:
        return _unknown(match[2], figures)
    if not prose[prose.rfind("\n", 0, match.start()) + 1 : match.start()].strip():
        return f"{match[1]} begins its line, which ends the paragraph in Markdown. {_MOVE}"
    return ""


def _unknown(path: str, figures: Mapping[str, str]) -> str:
    name = path.partition(".")[0]
    near = get_close_matches(path, figures, n=5, cutoff=0.5)
    names = sorted({known.partition(".")[0] for known in figures})
    there = near or ([known for known in figures if known.startswith(f"{name}.")] if name in names else names)
    return (
        f"there is no figure {path}; there are: {', '.join(there)}. "
        "Way out: take one of `python -m tools.pages --list`"
    )


def pages(root: Path) -> list[Path]:
    """Return the pages that may have figures, which are all but the one that bench makes itself."""
    found = [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]
    return [page for page in found if page.is_file() and page != root / "docs/benchmarks/README.md"]


def update(root: Path, *, check: bool = False) -> list[Fault]:
    """Fill in all pages; return what is wrong.

    Args:
        root: of the repository.
        check: write nothing; a page whose figures are not as measured is a fault.

    Raises:
        ResultFileError: a benchmark's file cannot be read.
    """
    english = renderings(load(root / COMMITTED.relative_to(REPOSITORY)))
    russian = {path: in_russian(text) for path, text in english.items()}
    faults: list[Fault] = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        figures = russian if page.is_relative_to(root / "docs/ru") else english
        filled, wrong = fill(text, figures, file=page.relative_to(root))
        faults += wrong
        if filled != text and check:
            faults += _stale(text, filled, file=page.relative_to(root))
        elif filled != text:
            page.write_text(filled, encoding="utf-8")
    return faults


def _stale(text: str, filled: str, *, file: Path) -> Iterator[Fault]:
    for before, after in zip(_MARKER.finditer(text), _MARKER.finditer(filled), strict=True):
        if before[3] != after[3]:
            yield Fault(
                file=file,
                line=text.count("\n", 0, before.start()) + 1,
                text=f"{before[2]} is {after[3]!r} and not {before[3]!r}. Way out: make pages",
            )
