"""Results and benchmarks with nothing in them that a test did not ask for."""

from __future__ import annotations

from typing import Any

from bench.benchmark import SHIPPED, Benchmark
from bench.model import Figure, Outcome, Result


def a_result(*figures: Figure, **changed: Any) -> Result:  # noqa: ANN401 - any field
    given = {
        "name": "speed",
        "benchmark": "speed",
        "purpose": "It is fast",
        "quick": False,
        "started": "2026-11-23T07:00:00Z",
        "seconds": 61.0,
        "machine": {"processor": "one", "cores": "2"},
        "versions": {"alertscale": "abc"},
        "plots": ("speed.svg",),
        "outcome": Outcome(figures=figures, raw={"seen": [1, 2]}, notes=("a note",)),
    }
    return Result(**(given | changed))  # type: ignore[arg-type]


def a_benchmark(**changed: Any) -> Benchmark:  # noqa: ANN401 - any field
    given: dict[str, Any] = {
        "name": "speed",
        "purpose": "It is fast",
        "explained": "With a clock.",
        "quick": 10.0,
        "full": 300.0,
        "files": SHIPPED,
        "run": lambda _context: Outcome(figures=()),
        "plot": lambda *_: None,
    }
    return Benchmark(**(given | changed))
