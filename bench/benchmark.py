"""What one benchmark declares, and what it is given when it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from matplotlib.figure import Figure as Drawing

from bench.errors import BenchError
from bench.model import Outcome
from testkit.stack import Stack


class Progress(Protocol):
    """Tells the person who waits how far it is."""

    def stage(self, text: str, *, total: float | None = None) -> None:
        """Begin a part; ``total`` is what ``at`` counts to, None where that is not known."""

    def at(self, done: float, note: str = "") -> None:
        """So far of the part's total, with a word on what is going on."""


@dataclass(frozen=True, kw_only=True)
class StackNeeds:
    """The stack that a benchmark runs on. Benchmarks with equal needs in a row share one.

    Attributes:
        files: Compose files, relative to the repository; the first alone is what is shipped.
    """

    files: tuple[str, ...] = ("docker-compose.yml",)


SHIPPED = StackNeeds()
"""Shipped defaults."""
FAST = StackNeeds(files=("docker-compose.yml", "tests/e2e/docker-compose.fast.yml"))
"""Up to four replicas, and short cooldowns."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a benchmark's function is given.

    Attributes:
        running: the stack that it asked for, healthy, with one replica; None if it asked for none.
        progress: to be told of anything that takes over two seconds.
        quick: the short form.
        seed: of everything that is left to chance.
        minutes: how long, where the person chose; None for the benchmark's own length.
    """

    running: Stack | None
    progress: Progress
    quick: bool
    seed: int
    minutes: float | None = None

    @property
    def stack(self) -> Stack:
        """The stack.

        Raises:
            BenchError: the benchmark declared that it needs none.
        """
        if self.running is None:
            raise BenchError("this benchmark declares no stack (needs=None) but asks for it")
        return self.running


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: what it is run by.
        purpose: what it shows, in one line.
        explained: how it measures and how to read its figures; a paragraph for the page, which wraps it.
        quick: expected seconds of the short form, without making the stack.
        full: expected seconds of the long form.
        needs: the stack that it runs on; None to run without.
        run: measures. Raises BenchError if it cannot.
        plots: file name endings to functions that draw from raw data; "" is the only or first one.
        timed: whether its length can be chosen (``--minutes``).
        alone: whether it is run only by its name, and is not one of all (``--all``).
    """

    name: str
    purpose: str
    explained: str
    quick: float
    full: float
    needs: StackNeeds | None
    run: Callable[[Context], Outcome]
    plots: Mapping[str, Callable[[Drawing, Mapping[str, Any]], None]] = field(default_factory=dict)
    timed: bool = False
    alone: bool = False

    def expected(self, *, quick: bool, minutes: float | None = None) -> float:
        """Seconds that it will take."""
        if minutes is not None and self.timed:
            return minutes * 60
        return self.quick if quick else self.full
