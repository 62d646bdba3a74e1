"""What one benchmark declares, and what it is given when it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from matplotlib.figure import Figure as Drawing

from bench.model import Outcome
from testkit.stack import Stack


class Progress(Protocol):
    """Tells the person who waits how far it is."""

    def stage(self, text: str, *, total: float | None = None) -> None:
        """Begin a part; ``total`` is what ``at`` counts to, None where that is not known."""

    def at(self, done: float, note: str = "") -> None:
        """So far of the part's total, with a word on what is going on."""


SHIPPED: Final = ("docker-compose.yml",)
"""Compose files of a stack with shipped defaults."""
FAST: Final = (*SHIPPED, "tests/e2e/docker-compose.fast.yml")
"""Of one with up to four replicas, and short cooldowns."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a benchmark's function is given.

    Attributes:
        stack: the one that it asked for, healthy, with one replica.
        progress: to be told of anything that takes over two seconds.
        quick: the short form.
        seed: of everything that is left to chance.
        minutes: how long, where the person chose; None for the benchmark's own length.
    """

    stack: Stack
    progress: Progress
    quick: bool
    seed: int
    minutes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: what it is run by.
        purpose: what it shows, in one line.
        explained: how it measures and how to read its figures; a paragraph for the page, which wraps it.
        quick: expected seconds of the short form, without making the stack.
        full: expected seconds of the long form.
        files: Compose files of the stack that it runs on, relative to the repository. Benchmarks with the
            same ones in a row share a stack.
        run: measures. Raises BenchError if it cannot.
        plot: draws its raw data.
        timed: whether its length can be chosen (``--minutes``).
        alone: whether it is run only by its name, and is not one of all (``--all``).
    """

    name: str
    purpose: str
    explained: str
    quick: float
    full: float
    files: tuple[str, ...]
    run: Callable[[Context], Outcome]
    plot: Callable[[Drawing, Mapping[str, Any]], None]
    timed: bool = False
    alone: bool = False

    def expected(self, *, quick: bool, minutes: float | None = None) -> float:
        """Seconds that it will take."""
        if minutes is not None and self.timed:
            return minutes * 60
        return self.quick if quick else self.full
