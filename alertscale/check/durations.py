"""Durations as Prometheus and Alertmanager write them: days, weeks and years besides Compose's units."""

import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_WHOLE: Final = re.compile(r"0|(?:[0-9]{1,9}(?:ms|[smhdwy]))+")
_PART: Final = re.compile(r"([0-9]+)(ms|[smhdwy])")


def parse(text: str) -> float:
    """Read a duration.

    Args:
        text: whole numbers with a unit, one or several: ``5s``, ``1h30m``, ``2w``; or ``0``.

    Returns:
        Seconds.

    Raises:
        ValueError: the text is of another form.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError("a duration such as 500ms, 10s or 1m30s")
    return float(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def show(seconds: float) -> str:
    """Write seconds as a person would: ``15s``, ``1m30s``, ``500ms``."""
    rest = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, rest = divmod(rest, round(_UNITS[unit] * 1000))
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
