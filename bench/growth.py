"""What must not grow in the scaler and the exporter, as figures. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.model import Figure, at_most
from bench.sampling import WATCHED, column
from bench.stats import growth, spread

MIB: Final = 1024**2
KEPT: Final = 10_000
"""Entries of the history that the scaler keeps as shipped (docs/scaler.md)."""
_PRUNED_EVERY: Final = 200
_TARGETS: Final = {"scaler": 64, "exporter": 48}
"""MiB of memory that each may use at most."""

Samples = list[Mapping[str, float]]
"""Of ``Sampler.sample``, each with its seconds as ``at``."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Something that must not grow.

    Attributes:
        column: in the samples.
        shown: its name in the table.
        unit: of the figure.
        scale: sample values in one unit.
        may_grow: over the last two thirds of the time, in the unit.
    """

    column: str
    shown: str
    unit: str
    scale: float
    may_grow: float


WATCHES: Final = (
    Watched(column="scaler resident", shown="scaler: memory", unit="MiB", scale=MIB, may_grow=2),
    Watched(column="exporter resident", shown="exporter: memory", unit="MiB", scale=MIB, may_grow=2),
    Watched(column="scaler files", shown="scaler: open files", unit="", scale=1, may_grow=5),
    Watched(column="exporter files", shown="exporter: open files", unit="", scale=1, may_grow=5),
    Watched(column="scaler threads", shown="scaler: threads", unit="", scale=1, may_grow=3),
    Watched(column="exporter threads", shown="exporter: threads", unit="", scale=1, may_grow=3),
    Watched(column="journal", shown="journal on disk", unit="MiB", scale=MIB, may_grow=0.25),
    # It is pruned every so many entries, and grows by as many in between.
    Watched(column="events", shown="events kept", unit="", scale=1, may_grow=_PRUNED_EVERY),
)
OF_SCALER: Final = tuple(watched for watched in WATCHES if not watched.column.startswith("exporter"))
"""Of the scaler alone: the exporter's files follow the number of containers, which may have a trend."""


def grown(samples: Samples, *, gate: bool, watches: Sequence[Watched] = WATCHES) -> list[Figure]:
    """How much each of what is watched grew over the last two thirds of the time.

    Args:
        samples: by time.
        gate: whether growth beyond what is allowed makes the run fail.
        watches: what is watched.
    """
    return [_grown(samples, watched, gate=gate) for watched in watches]


def _grown(samples: Samples, watched: Watched, *, gate: bool) -> Figure:
    more = growth(column(samples, watched.column)) / watched.scale
    return Figure(
        name=f"{watched.shown}: growth",
        # Held flat is what is shown: that something became less is no merit.
        value=round(max(0.0, more), 3),
        unit=watched.unit,
        target=at_most(watched.may_grow),
        gate=gate,
    )


def greatest(
    samples: Samples, *, services: Sequence[str] = WATCHED, watches: Sequence[Watched] = WATCHES
) -> list[Figure]:
    """The greatest working set of each service, and the greatest value of each of what is watched."""
    figures = []
    for service in services:
        values = [value / MIB for _, value in column(samples, f"{service} working set")]
        if values:
            target = at_most(_TARGETS[service]) if service in _TARGETS else None
            lie = spread(values)
            name = f"{service}: working set, greatest"
            figures.append(Figure(name=name, value=lie.high, unit="MiB", target=target, spread=lie))
    for watched in watches:
        values = [value / watched.scale for _, value in column(samples, watched.column)]
        lie = spread(values)
        name = f"{watched.shown}, greatest"
        figures.append(Figure(name=name, value=lie.high, unit=watched.unit, spread=lie))
    return figures


def columns(samples: Samples) -> dict[str, list[float | None]]:
    """Samples by name, for the raw data of a result; None where one lacks it."""
    names = sorted({name for sample in samples for name in sample})
    return {name: [sample.get(name) for sample in samples] for name in names}
