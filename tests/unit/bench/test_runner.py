"""One benchmark after the other, and what a person is told before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench import stacks
from bench.benchmark import FAST, SHIPPED, Benchmark, Context
from bench.errors import BenchError
from bench.model import Figure, Outcome, Result
from bench.runner import Failure, Order, expected_seconds, run_all
from testkit.stack import Stack
from tests.unit.bench.builders import a_benchmark


class Silent:
    """Progress that nobody sees."""

    def stage(self, text: str, *, total: float | None = None) -> None: ...

    def at(self, done: float, note: str = "") -> None: ...


class Up(Stack):
    """A stack that is up without an engine, and has no images."""

    def compose(self, *_words: str, **_options: object) -> str:
        return '{"services": {}}'


class Ready(stacks.Stacks):
    """Has a stack ready for whatever is asked for."""

    def get(self, files: tuple[str, ...]) -> Stack:
        return Up(directory=Path("unused"), ports={}, files=files)


def an_order(*benchmarks: Benchmark, minutes: float | None = None, quick: bool = False) -> Order:
    return Order(benchmarks=benchmarks, quick=quick, seed=1, minutes=minutes, out=Path("unused"))


def ran(order: Order) -> Sequence[Result | Failure]:
    return list(run_all(order, made=Ready(progress=Silent(), keep=False), progress=Silent()))


def raising(error: BaseException) -> Callable[[Context], Outcome]:
    def run(_context: Context) -> Outcome:
        raise error

    return run


def failed() -> BaseException:
    with pytest.raises(pytest.fail.Exception) as caught:
        pytest.fail("not within 30 s: 2 ready replicas")
    return caught.value


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (BenchError("no cAdvisor here"), "no cAdvisor here"),
        (failed(), "not within 30 s"),
        (ConnectionRefusedError("refused"), "ConnectionRefusedError: refused"),
    ],
)
def test_one_that_cannot_be_run_is_told_and_the_next_one_runs(error: BaseException, why: str) -> None:
    first, second = ran(an_order(a_benchmark(name="broken", run=raising(error)), a_benchmark()))
    assert isinstance(first, Failure)
    assert why in first.why
    assert isinstance(second, Result)


def test_a_fault_in_a_benchmark_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        ran(an_order(a_benchmark(run=raising(ZeroDivisionError()))))


def test_a_benchmark_gets_what_was_ordered_and_its_outcome_is_kept() -> None:
    seen: list[Context] = []

    def run(context: Context) -> Outcome:
        seen.append(context)
        return Outcome(figures=(Figure(name="f", value=1),))

    (result,) = ran(an_order(a_benchmark(run=run), quick=True))
    assert isinstance(result, Result)
    assert (seen[0].quick, seen[0].seed, seen[0].stack.files) == (True, 1, SHIPPED)
    assert (result.name, result.quick, result.plots) == ("speed", True, ("speed.svg",))
    assert result.outcome.figures == (Figure(name="f", value=1),)


def test_a_chosen_length_reaches_only_those_that_have_one_and_names_the_result() -> None:
    minutes: list[float | None] = []

    def run(context: Context) -> Outcome:
        minutes.append(context.minutes)
        return Outcome(figures=())

    fixed, timed = a_benchmark(run=run), a_benchmark(name="soak", run=run, timed=True)
    names = [one.name for one in ran(an_order(fixed, timed, minutes=60)) if isinstance(one, Result)]
    assert minutes == [None, 60]
    assert names == ["speed", "soak-60m"]


def test_what_is_expected_is_each_ones_length_and_a_minute_a_stack() -> None:
    order = an_order(a_benchmark(), a_benchmark(), a_benchmark(files=FAST), a_benchmark())
    assert expected_seconds(order) == 4 * 300 + 3 * 60
    assert expected_seconds(an_order(a_benchmark(timed=True), minutes=60)) == 3600 + 60
    assert expected_seconds(an_order(a_benchmark(), quick=True)) == 10 + 60
