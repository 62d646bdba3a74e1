"""Runs benchmarks one after the other; one that fails does not keep the others from running."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, stacks
from bench.benchmark import Benchmark, Context, Progress
from bench.errors import BenchError
from bench.model import Result


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Attributes:
        benchmarks: in this order.
        quick: the short forms.
        seed: of everything that is left to chance.
        minutes: for those whose length can be chosen; None for their own.
        out: folder of the results.
    """

    benchmarks: Sequence[Benchmark]
    quick: bool
    seed: int
    minutes: float | None
    out: Path


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A benchmark that could not be run."""

    benchmark: Benchmark
    why: str


def run_all(order: Order, *, made: stacks.Stacks, progress: Progress) -> Iterator[Result | Failure]:
    """Run what was ordered; yield how each went, as soon as it is over.

    Args:
        order: what.
        made: where stacks come from.
        progress: told of everything that takes long.
    """
    on = machine.machine()
    for benchmark in order.benchmarks:
        try:
            yield _run(benchmark, order=order, made=made, progress=progress, on=on)
        except BenchError as error:
            yield Failure(benchmark=benchmark, why=str(error))


def _run(
    benchmark: Benchmark,
    *,
    order: Order,
    made: stacks.Stacks,
    progress: Progress,
    on: dict[str, str],
) -> Result:
    stack = made.get(benchmark.files)
    minutes = order.minutes if benchmark.timed else None
    context = Context(stack=stack, progress=progress, quick=order.quick, seed=order.seed, minutes=minutes)
    started = datetime.now(UTC)
    begun = time.monotonic()
    with stacks.failures_told():
        outcome = benchmark.run(context)
    seconds = time.monotonic() - begun
    name = result_name(benchmark, minutes=minutes)
    return Result(
        name=name,
        benchmark=benchmark.name,
        purpose=benchmark.purpose,
        quick=order.quick,
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=round(seconds, 1),
        machine=on,
        versions=machine.versions(stacks.images(stack)),
        plots=(f"{name}.svg",),
        outcome=outcome,
    )


def result_name(benchmark: Benchmark, *, minutes: float | None) -> str:
    """What a result is kept as: one of a chosen length does not replace the one of the usual length."""
    return benchmark.name if minutes is None else f"{benchmark.name}-{minutes:g}m"


def expected_seconds(order: Order) -> float:
    """How long an order will take, a minute for each stack included."""
    fresh = len(list(itertools.groupby(benchmark.files for benchmark in order.benchmarks)))
    runs = sum(b.expected(quick=order.quick, minutes=order.minutes) for b in order.benchmarks)
    return runs + 60 * fresh
