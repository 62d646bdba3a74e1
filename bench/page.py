"""The page of all figures, from results and what the benchmarks say of themselves. Pure."""

import textwrap
from collections.abc import Iterable, Sequence

from bench.benchmark import Benchmark
from bench.model import Result
from bench.words import HEADINGS, cells, duration, purpose

_HEAD = """# Benchmarks

<!-- Made by `.venv/bin/python -m bench page` from the JSON files beside it. Do not edit: a test compares. -->

Every figure that alertscale promises, as measured, each next to what it is compared with in the same run.
Nothing on this page is typed by hand.

## How to run them

<!-- parse only: takes an hour and three quarters -->
```sh
make bench          # all of them at full length, into docs/benchmarks/
make bench-quick    # the short forms, to see that they work, into build/benchmarks/
make soak           # one hour of endurance; not one of all
```

Each of them alone, and with other options:

```sh
.venv/bin/python -m bench --help
```

Each makes a stack of its own from a fresh copy of the repository, under the project name `alertscale-bench`
and on free ports, and takes it down at the end, Ctrl+C included. The load is made on the same machine and
shares its cores with what it loads: leave the machine alone meanwhile, and take throughput for what this
machine can do and not for what alertscale can. Compare the two columns of one run, not figures of two
machines.

A missed target is shown as `missed` and is not an error; a lost request (but for elasticity, where overload
loses them), an inconsistent state after a kill, a container that was started again, or memory, open files,
threads or a journal that grow end the run with exit code 1, and so does a benchmark that cannot be run.
"""


def render(results: Sequence[Result], benchmarks: Sequence[Benchmark]) -> str:
    """Return the page as Markdown, one part for each benchmark, in the order in which they run.

    Args:
        results: what is there; a benchmark without any is named as not measured yet.
        benchmarks: all that are known.
    """
    known = {benchmark.name for benchmark in benchmarks}
    parts = [_HEAD, _summary(benchmarks)]
    for benchmark in benchmarks:
        parts += [f"## {benchmark.name}\n", f"{benchmark.purpose}\n", f"{_wrapped(benchmark.explained)}\n"]
        found = [result for result in results if result.benchmark == benchmark.name]
        parts += [_result(result) for result in found] or ["Not measured yet.\n"]
    for result in results:
        if result.benchmark not in known:
            parts += [f"## {result.name}\n", f"{result.purpose}\n", _result(result)]
    return "\n".join(parts)


def _summary(benchmarks: Iterable[Benchmark]) -> str:
    rows = [(f"[{b.name}](#{b.name})", purpose(b), duration(b.quick), duration(b.full)) for b in benchmarks]
    return table(("benchmark", "what it shows", "quick", "full"), rows)


def _result(result: Result) -> str:
    form = "short form" if result.quick else "full length"
    lines = [
        f"### {result.name}: {result.started}, {form}, {duration(result.seconds)}\n",
        table(HEADINGS, [cells(figure) for figure in result.outcome.figures]),
        *(f"- {note}" for note in result.outcome.notes),
        "" if result.outcome.notes else None,
        *(f"![{result.purpose}]({plot})\n" for plot in result.plots),
        f"{'; '.join(f'{name}: {value}' for name, value in result.machine.items())}.\n",
        '<details markdown="1"><summary>Versions</summary>\n',
        table(("what", "version"), list(result.versions.items())),
        "</details>\n",
    ]
    return "\n".join(line for line in lines if line is not None)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 110, break_on_hyphens=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped, columns that are empty everywhere are left out."""
    rows = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    used = [i for i, heading in enumerate(headings) if heading or any(row[i] for row in rows)]
    used = [i for i in used if not rows or any(row[i] for row in rows)]
    lines = [[headings[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
