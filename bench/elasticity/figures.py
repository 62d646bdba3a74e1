"""From what became of each variant to figures and a plot. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from bench import growth, plots
from bench.elasticity.calibration import SLO
from bench.elasticity.load import Tally
from bench.elasticity.metrics import Elasticity, changes, elasticity, speedup
from bench.elasticity.run import Followed, Played
from bench.elasticity.trace import ranges
from bench.elasticity.variants import FULL, HPA, MOST, ONE, OURS, VARIANTS
from bench.errors import BenchError
from bench.model import Compared, Figure, Outcome
from bench.stats import percentile

_OVER_ONE: Final = f"ε, elastic speedup over {ONE.shown}"
_OVER_FULL: Final = f"ε, elastic speedup over {FULL.shown}"
_UNITS: Final = {
    "θU, under-provisioning accuracy": "%",
    "θO, over-provisioning accuracy": "%",
    "τU, under-provisioned timeshare": "%",
    "τO, over-provisioned timeshare": "%",
    "υ, instability": "%",  # noqa: RUF001 - as its source writes it
    _OVER_ONE: "",
    _OVER_FULL: "",
    "SLO broken": "s",
    "lost requests": "",
    "replica-seconds": "s",
}
"""The rows and their units, in their order."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that a run of the benchmark has seen.

    Attributes:
        demand: replicas needed, in each second of the trace.
        capacity: requests a second that one replica serves at the SLO.
        played: what became of each variant, and the looks into the scaler.
        gate: whether it fails the run when something grows there.
        notes: to be shown too.
    """

    demand: tuple[int, ...]
    capacity: float
    played: Played
    gate: bool
    notes: tuple[str, ...] = ()


def broken(tally: Tally) -> list[int]:
    """The seconds in which the SLO was broken: p95 of their requests over it, or any of these lost."""
    slow = {second for second, took in tally.took.items() if percentile(took, 95) > SLO}
    return sorted(slow | {second for second, lost in tally.lost_in.items() if lost})


def outcome(seen: Seen) -> Outcome:
    """The figures of a run.

    Raises:
        BenchError: not one look into the scaler was answered.
    """
    if not seen.played.looks:
        raise BenchError(
            f"the scaler could not be looked into ({', '.join(seen.played.missed)}). "
            "Way out: leave the machine alone meanwhile, and run it again"
        )
    supplies = {service: elasticity(seen.demand, one.supply) for service, one in seen.played.followed.items()}
    rows = {service: _row(seen.played.followed[service], service, supplies) for service in supplies}
    figures = (
        *(figure for name in _UNITS for figure in _figures(name, rows)),
        Figure(name="replica-seconds: the demand itself", value=sum(seen.demand), unit="s"),
        Figure(name="capacity of one replica at the SLO", value=seen.capacity, unit="requests/s"),
        Figure(
            name="requests counted, all five", value=sum(f.tally.sent for f in seen.played.followed.values())
        ),
        Figure(
            name="a request was begun too late by, at most",
            value=round(1000 * max(f.tally.latest for f in seen.played.followed.values())),
            unit="ms",
        ),
        *growth.grown(seen.played.looks, gate=seen.gate, watches=growth.OF_SCALER),
        *growth.greatest(seen.played.looks, services=("scaler",), watches=growth.OF_SCALER),
    )
    return Outcome(figures=figures, raw=_raw(seen), notes=_notes(seen))


def _row(followed: Followed, service: str, supplies: Mapping[str, Elasticity]) -> dict[str, float | None]:
    one = supplies[service]
    values = (
        *(one.theta_u, one.theta_o, one.tau_u, one.tau_o, one.upsilon),
        None if service == ONE.service else speedup(one, over=supplies[ONE.service]),
        None if service == FULL.service else speedup(one, over=supplies[FULL.service]),
        *(len(broken(followed.tally)), sum(followed.tally.lost.values()), sum(followed.running)),
    )
    return dict(zip(_UNITS, values, strict=True))


def _figures(name: str, rows: Mapping[str, Mapping[str, float | None]]) -> list[Figure]:
    figures = []
    for variant in VARIANTS:
        value = rows[variant.service][name]
        rival = rows[HPA.service][name] if variant is OURS else None
        if value is not None:
            figures.append(
                Figure(
                    name=f"{name}: {variant.shown}",
                    value=round(value, 2),
                    unit=_UNITS[name],
                    compared=None if rival is None else Compared(what=HPA.shown, value=round(rival, 2)),
                )
            )
    return figures


def _notes(seen: Seen) -> tuple[str, ...]:
    lost = [
        f"{variant.shown} lost: {', '.join(f'{count:,} times {why}' for why, count in tally.lost.items())}."
        for variant in VARIANTS
        if (tally := seen.played.followed[variant.service].tally).lost
    ]
    return (
        f"SLO: 95 % of the requests of a second are answered within {1000 * SLO:.0f} ms, and none is lost.",
        (
            f"Demand, {min(seen.demand)} to {max(seen.demand)} of {MOST} replicas, changes "
            f"{len(changes(seen.demand)) - 1} times in {len(seen.demand)} s."
        ),
        *seen.notes,
        *lost,
        *(f"Left out, for nobody answered: {n} times {who}." for who, n in seen.played.missed.items()),
    )


def _raw(seen: Seen) -> dict[str, Any]:
    """Step series as their changes and seconds as ranges, so that the file stays small."""
    variants = {
        variant.service: {
            "supply": changes(followed.supply),
            "running": changes(followed.running),
            "broken": ranges(broken(followed.tally)),
            "lost": sum(followed.tally.lost.values()),
            "replica_seconds": sum(followed.running),
        }
        for variant in VARIANTS
        for followed in (seen.played.followed[variant.service],)
    }
    return {
        "seconds": len(seen.demand),
        "demand": changes(seen.demand),
        "variants": variants,
        "looks": growth.columns(seen.played.looks),
    }


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Demand against supply, one below the other; the seconds in which the SLO was broken are marked."""
    drawing.set_size_inches(9, 9)
    columns: Sequence[Axes] = drawing.subplots(len(VARIANTS), 1, sharex=True, sharey=True)
    for axes, variant in zip(columns, VARIANTS, strict=True):
        one = raw["variants"][variant.service]
        _steps(axes, raw, one, color=plots.OURS if variant is OURS else "#57606a")
        took = f"{sum(end - begin for begin, end in one['broken']):,} s with the SLO broken"
        cost = f"{one['replica_seconds']:,} replica-seconds"
        axes.set_title(
            f"{variant.shown}: {took}, {one['lost']:,} requests lost, {cost}", loc="left", fontsize=9
        )
        axes.set_yticks(range(MOST + 1))
        axes.set_ylim(-0.6, MOST + 0.4)
        axes.set_ylabel("replicas")
    columns[0].legend(fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.08))
    columns[-1].set_xlabel("seconds of the trace")
    columns[-1].set_xlim(0, raw["seconds"])


def _steps(axes: Axes, raw: Mapping[str, Any], one: Mapping[str, Any], *, color: str) -> None:
    end = raw["seconds"]
    demand, supply = (
        ([at for at, _ in steps] + [end], [count for _, count in steps] + [steps[-1][1]])
        for steps in (raw["demand"], one["supply"])
    )
    axes.fill_between(*demand, step="post", color="#d0d7de", label="demand")
    axes.step(*supply, where="post", color=color, linewidth=1.6, label="supply: replicas ready")
    spans = [(begin, after - begin) for begin, after in one["broken"]]
    axes.broken_barh(spans, (-0.45, 0.3), color=plots.BAD, label="SLO broken")
