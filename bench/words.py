"""Figures as people read them; the terminal's table and the page use the same words. Pure."""

from bench.benchmark import Benchmark
from bench.model import Compared, Figure, Target

HEADINGS = ("figure", "measured", "target", "", "compared with", "median", "p95", "min", "max", "runs")
_TEN, _HUNDRED, _MINUTE = 10, 100, 60


def number(value: float) -> str:
    """Three digits that matter, whole numbers with their thousands apart."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= _HUNDRED:
        return f"{value:,.0f}"
    if abs(value) >= _TEN:
        return f"{value:.1f}"
    # Not 0.00 for what is little but there, and no -0.00.
    return f"{value:.2f}" if abs(value) >= 1 / _HUNDRED else f"{value:.1g}"


def quantity(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{number(value)} {unit}".rstrip()


def counted(replicas: float) -> str:
    """Such as ``1 replica`` or ``10 replicas``."""
    return f"{replicas:.0f} replica{'' if replicas == 1 else 's'}"


def duration(seconds: float) -> str:
    """Such as ``40 s`` or ``6 min``; minutes from one and a half on."""
    if seconds < 1.5 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min"


def purpose(benchmark: Benchmark) -> str:
    """What a benchmark shows, and whether it is one of all."""
    return f"{benchmark.purpose} (only by name)" if benchmark.alone else benchmark.purpose


def cells(figure: Figure) -> tuple[str, ...]:
    """One figure as the cells of its row, as many as HEADINGS."""
    lie = figure.spread
    spread = (
        (*(number(v) for v in (lie.median, lie.p95, lie.low, lie.high)), str(lie.runs)) if lie else ("",) * 5
    )
    return (
        figure.name,
        quantity(figure.value, figure.unit),
        _target(figure.target, figure.unit),
        str(figure.verdict),
        _compared(figure.compared, figure.unit),
        *spread,
    )


def _target(target: Target | None, unit: str) -> str:
    return f"{target.bound} {quantity(target.value, unit)}" if target else ""


def _compared(compared: Compared | None, unit: str) -> str:
    return f"{compared.what}: {quantity(compared.value, unit)}" if compared else ""
