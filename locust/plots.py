"""`.venv/bin/python locust/plots.py`: draw each profile into docs/images/, from the functions that run."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from loadtest.plan import Plan, plan
from loadtest.profiles import NAMES
from loadtest.settings import read_settings
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE: Final = Path(__file__).resolve().parent
IMAGES: Final = HERE.parent / "docs/images"
POINTS: Final = 1500
STYLE: Final = HERE.parent / "tools/plots.mplstyle"


def planned(**environ: str) -> Plan:
    """The plan that an environment gives."""
    found = plan(read_settings(environ, read=lambda path: (HERE / path).read_text(encoding="utf-8")))
    assert found is not None  # noqa: S101 - a profile is given
    return found


def curve(axes: Axes, drawn: Plan) -> None:
    """Draw what a plan asks for."""
    times = [drawn.seconds * i / POINTS for i in range(POINTS)]
    axes.plot([t / 60 for t in times], [drawn.load(t) for t in times], color="#1f6feb")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, drawn.seconds / 60)
    axes.set_xlabel("minutes")


def draw(name: str) -> None:
    """Draw a profile, as 5 minutes with a peak of 100 percent, or the example trace."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(6, 2), layout="constrained")
        axes = figure.subplots()
        curve(axes, planned(LOCUST_PROFILE=name, LOCUST_USERS="100"))
        axes.set_ylabel("requests/s" if name == "trace" else "% of the peak")
        figure.savefig(IMAGES / f"load-{name}.svg", format="svg", metadata={"Date": None, "Creator": None})


def main() -> None:
    """Draw all of them."""
    IMAGES.mkdir(exist_ok=True)
    for name in NAMES:
        draw(name)


if __name__ == "__main__":
    main()
