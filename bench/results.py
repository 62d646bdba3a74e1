"""The folder of results: a JSON file each, their plots, and the page that shows them."""

from pathlib import Path

from bench import page, plots, registry
from bench.errors import ResultFileError
from bench.machine import REPOSITORY
from bench.model import Result, from_json, to_json

COMMITTED = REPOSITORY / "docs" / "benchmarks"
"""Of full runs; kept in the repository."""
PASSING = REPOSITORY / "build" / "benchmarks"
"""Of quick runs; git does not see it."""


def load(folder: Path) -> tuple[Result, ...]:
    """Read all results of a folder, by file name; none where there is no folder.

    Raises:
        ResultFileError: a file cannot be read.
    """
    return tuple(
        from_json(file.read_text(encoding="utf-8"), name=str(file)) for file in sorted(folder.glob("*.json"))
    )


def save(result: Result, *, folder: Path) -> None:
    """Write a result and its plot, and the page anew."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.name}.json").write_text(to_json(result), encoding="utf-8")
    _draw(result, folder=folder)
    write_page(folder)


def write_page(folder: Path, *, redraw: bool = False) -> Path:
    """Write the page of a folder, and on demand all plots, from its JSON files only; return the page.

    Raises:
        ResultFileError: a file cannot be read, or is of a benchmark that is no more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = load(folder)
    if redraw:
        for result in results:
            _draw(result, folder=folder)
    file = folder / "README.md"
    file.write_text(page.render(results, registry.BENCHMARKS), encoding="utf-8")
    return file


def _draw(result: Result, *, folder: Path) -> None:
    known = {benchmark.name: benchmark for benchmark in registry.BENCHMARKS}
    if result.benchmark not in known:
        raise ResultFileError(
            f"{result.name}.json: there is no benchmark {result.benchmark!r}. Way out: remove the file"
        )
    plots.draw(known[result.benchmark], result, folder=folder)
