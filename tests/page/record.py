"""Records the answers that the tests of the status page take for Prometheus'.

    python -m tests.page.record <address of a Prometheus that runs our rules> <project> <service>

The expressions are those that the scaler asks; write-outs go to tests/testdata/prometheus-*.json.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from scaler.prometheus import chart, load
from scaler.prometheus import lamps as pipeline
from scaler.prometheus.thresholds import read_thresholds

TESTDATA = Path(__file__).parents[1] / "testdata"


def main(address: str, project: str, service: str) -> None:
    step = 5
    end = int(time.time() / step) * step
    asked = {
        "rules": ("/api/v1/rules", {"type": "alert"}),
        "query": ("/api/v1/query", {"query": pipeline.QUERY}),
        "query_range": (
            "/api/v1/query_range",
            {
                "query": chart.query((project, service), step),
                "start": str(end - 60),
                "end": str(end),
                "step": str(step),
            },
        ),
    }
    for name, (path, query) in asked.items():
        _write(name, _asked(address + path, query))
    rules = _asked(address + "/api/v1/rules", {"type": "alert"})
    now = {"query": load.query(read_thresholds(rules["data"]))}
    _write("load", _asked(address + "/api/v1/query", now))


def _asked(url: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url, params=query, timeout=10)
    answer.raise_for_status()
    return answer.json()


def _write(name: str, answer: object) -> None:
    text = json.dumps(answer, indent=1) + "\n"
    (TESTDATA / f"prometheus-{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
