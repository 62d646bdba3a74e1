"""Plots from raw data, as SVG that is the same for the same data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from bench.benchmark import Benchmark
from bench.model import Result

OURS: Final = "#1f6feb"
THEIRS: Final = "#8b949e"
BAD: Final = "#cf222e"
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "alertscale",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def file_names(benchmark: Benchmark, *, name: str) -> tuple[str, ...]:
    """The files that a result of this name has for plots."""
    return tuple(_file(name, ending) for ending in benchmark.plots)


def draw(benchmark: Benchmark, result: Result, *, folder: Path) -> None:
    """Draw all plots of a result into a folder."""
    for ending, function in benchmark.plots.items():
        with mpl.rc_context(_STYLE):
            drawing = Drawing(figsize=(9, 4.5), layout="constrained")
            function(drawing, result.outcome.raw)
            # Neither the time nor the program: the same data gives the same file.
            drawing.savefig(
                folder / _file(result.name, ending), format="svg", metadata={"Date": None, "Creator": None}
            )


def staircase(axes: Axes, times: Sequence[float], values: Sequence[float], *, label: str, color: str) -> None:
    """Draw a count that stays until it changes."""
    axes.step(times, values, where="post", label=label, color=color)
    axes.set_ylim(bottom=0)


def legend(axes: Axes) -> None:
    """From zero, with room for the legend above what is drawn."""
    axes.set_ylim(0, axes.get_ylim()[1] * 1.45)
    axes.legend(loc="upper left", ncols=2, fontsize=8)


def _file(name: str, ending: str) -> str:
    return f"{name}-{ending}.svg" if ending else f"{name}.svg"
