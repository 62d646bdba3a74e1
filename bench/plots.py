"""Plots from raw data, as SVG that is the same for the same data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from bench.benchmark import Benchmark
from bench.model import Result

OURS: Final = "#1f6feb"
THEIRS: Final = "#8b949e"
BAD: Final = "#cf222e"
_STYLE: Final = Path(__file__).parents[1] / "tools/plots.mplstyle"


def draw(benchmark: Benchmark, result: Result, *, folder: Path) -> None:
    """Draw a result into its file of a folder."""
    with mpl.rc_context(fname=_STYLE):
        drawing = Drawing(figsize=(9, 4.5), layout="constrained")
        benchmark.plot(drawing, result.outcome.raw)
        # Neither the time nor the program: the same data gives the same file.
        metadata = {"Date": None, "Creator": None}
        drawing.savefig(folder / f"{result.name}.svg", format="svg", metadata=metadata)


def staircase(axes: Axes, times: Sequence[float], values: Sequence[float], *, label: str, color: str) -> None:
    """Draw a count that stays until it changes."""
    axes.step(times, values, where="post", label=label, color=color)
    axes.set_ylim(bottom=0)


def legend(axes: Axes) -> None:
    """From zero, with room for the legend above what is drawn."""
    axes.set_ylim(0, axes.get_ylim()[1] * 1.45)
    axes.legend(loc="upper left", ncols=2, fontsize=8)
