"""Results and benchmarks as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.benchmark import Benchmark
from bench.model import Result, Verdict
from bench.words import HEADINGS, cells, duration, purpose

_SPREAD = HEADINGS.index("median")
_STYLES = {Verdict.OK: "green", Verdict.MISSED: "bold red", Verdict.NONE: ""}


def show(result: Result, *, on: Console) -> None:
    """Print a result."""
    rows = [(*cells(figure)[:_SPREAD], _spread(cells(figure))) for figure in result.outcome.figures]
    headings = (*HEADINGS[:_SPREAD], "of the runs")
    used = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    table = Table(title=f"{result.name}: {result.purpose}", title_justify="left", title_style="bold")
    for i in used:
        table.add_column(headings[i], justify="right" if i in {1, 2} else "left")
    for figure, row in zip(result.outcome.figures, rows, strict=True):
        table.add_row(*(row[i] for i in used), style=_STYLES[figure.verdict])
    on.print(table)
    for note in result.outcome.notes:
        on.print(f"  {note}", markup=False, highlight=False)
    on.print(f"  It took {duration(result.seconds)}.", highlight=False)


def _spread(row: tuple[str, ...]) -> str:
    """The columns of the spread in one, since a terminal is narrow."""
    median, p95, low, high, runs = row[_SPREAD:]
    return f"median {median}, p95 {p95}, {low} to {high}, {runs} runs" if runs else ""


def show_all(benchmarks: Sequence[Benchmark], *, on: Console) -> None:
    """Print what there is to run."""
    table = Table()
    for heading in ("benchmark", "what it shows", "quick", "full"):
        table.add_column(heading, justify="right" if heading in {"quick", "full"} else "left")
    for benchmark in benchmarks:
        lengths = (duration(benchmark.quick), duration(benchmark.full))
        table.add_row(benchmark.name, purpose(benchmark), *lengths)
    together = [benchmark for benchmark in benchmarks if not benchmark.alone]
    total = [sum(getattr(b, form) for b in together) for form in ("quick", "full")]
    table.add_section()
    table.add_row("all", "", *(duration(seconds) for seconds in total))
    on.print(table)
    on.print("Making a stack comes on top: about a minute for the first, less for each further one.")
