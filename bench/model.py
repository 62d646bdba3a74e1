"""What a benchmark measures, as values, and their way to and from JSON. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from bench.errors import ResultFileError
from bench.stats import Spread, spread

SCHEMA: Final = 1


class Verdict(StrEnum):
    """How a figure stands to its target."""

    OK = "ok"
    MISSED = "missed"
    NONE = "-"


class Bound(StrEnum):
    """On which side of its target a figure should be."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a figure should be, in its unit."""

    bound: Bound
    value: float

    def met_by(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value <= self.value if self.bound is Bound.AT_MOST else value >= self.value


def at_most(value: float) -> Target:
    """A target that is met from below."""
    return Target(bound=Bound.AT_MOST, value=value)


def at_least(value: float) -> Target:
    """A target that is met from above."""
    return Target(bound=Bound.AT_LEAST, value=value)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a figure is compared with.

    Attributes:
        what: such as "cron job, once a minute".
        value: in the figure's unit, measured in the same run.
    """

    what: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of a benchmark's table.

    Attributes:
        name: what was measured.
        value: the figure that the target is for.
        unit: of all its values; empty for a plain count.
        target: what it should be; None where it is only shown.
        compared: what it stands next to.
        spread: of the runs behind it; None for a single measurement.
        gate: a miss makes the whole run fail (exit code 1) instead of only being shown.
    """

    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    compared: Compared | None = None
    spread: Spread | None = None
    gate: bool = False

    @property
    def verdict(self) -> Verdict:
        """How the value stands to the target."""
        if self.target is None:
            return Verdict.NONE
        return Verdict.OK if self.target.met_by(self.value) else Verdict.MISSED


def median(
    name: str,
    values: Sequence[float],
    *,
    unit: str = "",
    compared: Compared | None = None,
) -> Figure:
    """The median of repeated measurements, with how they lie."""
    lie = spread(values)
    return Figure(name=name, value=lie.median, unit=unit, compared=compared, spread=lie)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one benchmark's function returns.

    Attributes:
        figures: the lines of its table.
        raw: what its plot is drawn from; JSON values only.
        notes: sentences under the table: what happened, what to keep in mind.
    """

    figures: tuple[Figure, ...]
    raw: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """An outcome with all that is needed to judge it later.

    Attributes:
        name: the benchmark's, with its length where that was chosen by hand.
        benchmark: the benchmark's name.
        purpose: what it shows, in one line.
        quick: whether it was the short form.
        started: UTC, ISO 8601.
        seconds: how long it took, without making the stack.
        machine: what it ran on, as shown names to values.
        versions: what it ran, as names to versions.
        plots: files of its plots, beside its own.
        outcome: what it measured.
    """

    name: str
    benchmark: str
    purpose: str
    quick: bool
    started: str
    seconds: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    plots: tuple[str, ...]
    outcome: Outcome

    @property
    def failed_gates(self) -> tuple[Figure, ...]:
        """The figures whose miss makes the run fail."""
        return tuple(f for f in self.outcome.figures if f.gate and f.verdict is Verdict.MISSED)


def to_json(result: Result) -> str:
    """Return the text of a result's file: JSON with its keys sorted, each value on a line of its own."""
    document = asdict(result)
    document["schema"] = SCHEMA
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def from_json(text: str, *, name: str) -> Result:
    """Read a result.

    Args:
        text: of its file.
        name: of the file, for the message.

    Raises:
        ResultFileError: it is not one, or one of another version of bench.
    """
    try:
        document = json.loads(text)
        if document.pop("schema") != SCHEMA:
            raise ResultFileError(
                f"{name}: written by another version of bench. Way out: run that benchmark again"
            )
        return msgspec.convert(document, Result)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultFileError(
            f"{name}: not a result of bench ({type(error).__name__}: {error}). "
            "Way out: remove the file, or run that benchmark again"
        ) from error
