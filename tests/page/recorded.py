"""Answers of a real Prometheus, recorded by ``tests/page/record.py``."""

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parents[1] / "testdata"


def answer(name: str) -> Any:  # noqa: ANN401 - JSON
    """``data`` of a recorded answer: ``rules``, ``query_range``, ``query`` or ``load``."""
    document = json.loads((_HERE / f"prometheus-{name}.json").read_text(encoding="utf-8"))
    assert document["status"] == "success"
    return document["data"]
