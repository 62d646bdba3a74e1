"""The queries of the documentation are PromQL, and the series that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import promql_parser
import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
OURS = re.compile(r"\b(?:alertscale|flask|container)_\w+|\b\w+:\w+:\w+")
MADE_IN = ["prometheus/*.rules.yml", "scaler/state/metrics.py", "service/metrics.py", "exporter/*.py"]


def queries() -> list[str]:
    """Each query of a fence: it ends where a line begins with neither an operator nor a comment."""
    found: list[str] = []
    for fence in re.findall(r"^```promql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        for line in fence.splitlines():
            if line.startswith("/ "):
                found[-1] += f" {line}"
            elif line and not line.startswith("#"):
                found.append(line)
    return found


def names() -> set[str]:
    """Everything that is called like a series where series are made."""
    text = "".join(file.read_text() for pattern in MADE_IN for file in ROOT.glob(pattern))
    return set(re.findall(r"[a-z_]+:[a-z_]+:[a-z_]+|[a-z_]{6,}", text))


def test_there_are_queries() -> None:
    assert len(queries()) > 10


@pytest.mark.parametrize("query", queries())
def test_a_query_is_promql_and_asks_for_what_there_is(query: str) -> None:
    promql_parser.parse(query)

    for name in OURS.findall(query):
        if name.startswith("container_label_"):
            continue
        known = {name, re.sub(r"_(total|bucket|sum|count)$", "", name)}
        assert known & names(), name
