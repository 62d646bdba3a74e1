"""The command line: ``python -m bench list|run|page``.

Exit codes: 0 all ran, and a missed target is shown, not an error; 1 one could not be run, lost a request,
found something wrong after a kill or a container started again, or grew; 2 an unknown command or option;
130 ended with Ctrl+C.
"""

import signal
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from bench import registry, report, results, runner, stacks
from bench.errors import BenchError
from bench.machine import REPOSITORY
from bench.model import Result
from bench.progress import progress_on
from bench.words import duration

SEED = 20261123
_INTERRUPTED = 130
_LOG_WIDTH = 140


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Measure what alertscale promises, each figure next to what it is compared with.

    \b
    Start here:
      python -m bench list                   what there is, and how long each takes
      python -m bench run kills --quick      one of them, in its short form
      python -m bench run --all              all of them at full length (make bench)

    A run makes its own stack from a fresh copy of the repository (project alertscale-bench, free
    ports) and takes it down at the end, after Ctrl+C too. It needs a Docker Engine with Compose
    (make ready) and a machine that does nothing else meanwhile.
    """  # noqa: D301 - click reads \b as "do not rewrap"


@main.command(name="list")
def list_all() -> None:
    """Show every benchmark: its name, what it shows, how long it takes."""
    report.show_all(registry.BENCHMARKS, on=_console())


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every benchmark that is not run only by name, in the order of `list`.",
)
@click.option("--quick", is_flag=True, help="Short forms: shows that they work; figures are rough.")
@click.option("--keep", is_flag=True, help="Leave the last stack up, to look at it; says how to remove it.")
@click.option("--minutes", type=click.FloatRange(min=0.5), help="How long, for those that just go on (soak).")
@click.option(
    "--seed", default=SEED, show_default=True, help="Of what is left to chance: the same seed, the same run."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of JSON, plots and page. Default: docs/benchmarks; with --quick: build/benchmarks.",
)
def run(
    *,
    names: tuple[str, ...],
    everything: bool,
    quick: bool,
    keep: bool,
    minutes: float | None,
    seed: int,
    out: Path | None,
) -> None:
    """Run benchmarks by NAME, or --all of them.

    Prints a table for each, and writes JSON, a plot and the page of all results. Exit code 0: all ran
    (a missed target is shown, not an error); 1: one could not be run, lost a request, found something
    wrong after a kill or a container started again, or grew.

    \b
    Examples:
      python -m bench run lost-requests kills
      python -m bench run soak --minutes 60
      python -m bench run --all --quick
    """  # noqa: D301 - click reads \b as "do not rewrap"
    console = _console()
    try:
        order = runner.Order(
            benchmarks=registry.together() if everything else registry.chosen(names),
            quick=quick,
            seed=seed,
            minutes=minutes,
            out=out or (results.PASSING if quick else results.COMMITTED),
        )
        if everything == bool(names):
            raise click.UsageError("name benchmarks or give --all, one of the two; see `list`")
        signal.signal(signal.SIGTERM, _end)
        sys.exit(0 if _carry_out(order, keep=keep, console=console) else 1)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print(_kept() if keep else "Interrupted; the stack is down.", markup=False, highlight=False)
        sys.exit(_INTERRUPTED)


@main.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=results.COMMITTED,
    help="Folder of the results. Default: docs/benchmarks.",
)
def page(*, out: Path) -> None:
    """Write the page of all figures, and all plots, anew from the JSON files."""
    try:
        written = results.write_page(out, redraw=True)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    _console().print(f"Wrote {_shown(written)}", highlight=False)


def _console() -> Console:
    """The terminal as wide as it is; a log has no width, so wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_WIDTH)


def _carry_out(order: runner.Order, *, keep: bool, console: Console) -> bool:
    """Run an order; return whether all is well."""
    names = ", ".join(benchmark.name for benchmark in order.benchmarks)
    console.print(
        f"Running {names}. This takes about {duration(runner.expected_seconds(order))}, "
        f"making the stack included (seed {order.seed}).",
        highlight=False,
    )
    well = True
    with (
        progress_on(console) as progress,
        stacks.Stacks(progress=progress, keep=keep) as made,
    ):
        for one in runner.run_all(order, made=made, progress=progress):
            well &= _tell(one, out=order.out, console=console)
    if keep:
        console.print(_kept(), markup=False, highlight=False)
    console.print(f"Results: {_shown(order.out)}/", highlight=False)
    return well


def _tell(one: Result | runner.Failure, *, out: Path, console: Console) -> bool:
    """Show and keep how one went; return whether it is well."""
    if isinstance(one, runner.Failure):
        console.print(f"{one.benchmark.name}: could not be run: {one.why}", style="red", markup=False)
        return False
    report.show(one, on=console)
    results.save(one, folder=out)
    for figure in one.failed_gates:
        console.print(f"  {one.name}: {figure.name} must not be missed", style="bold red", markup=False)
    return not one.failed_gates


def _kept() -> str:
    return (
        f"The stack is left up. Look: docker compose -p {stacks.PROJECT} ps. "
        f"Remove: docker compose -p {stacks.PROJECT} down --volumes --rmi local"
    )


def _shown(path: Path) -> str:
    absolute = path.resolve()
    inside = absolute.is_relative_to(REPOSITORY)
    return str(absolute.relative_to(REPOSITORY)) if inside else str(absolute)


def _end(_number: int, _frame: object) -> NoReturn:
    """SIGTERM ends a run as Ctrl+C does: the stack is taken down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
