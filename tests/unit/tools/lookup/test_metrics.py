"""docs/metrics.md has every metric that the programs serve, and every one that the rules read."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry

from scaler.state.metrics import Metrics
from scaler.state.metrics import Metrics as ScalerMetrics
from service.metrics import Metrics as ServiceMetrics
from tools.lookup.metrics import OTHERS, of_exporter, registered
from tools.lookup.rules import ALERTS, RECORDS, recorded
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/metrics.md").read_text(encoding="utf-8")
OURS = [*registered(ScalerMetrics), *of_exporter(), *registered(ServiceMetrics)]
RECORDED = dict(recorded())
_SUFFIX = re.compile(r"_(bucket|count|sum)$")


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric[0])
def test_every_metric_has_a_row_with_its_type_and_a_help(
    metric: tuple[str, str, tuple[str, ...], str],
) -> None:
    name, kind, _, text = metric
    assert text
    assert any(line.startswith(f"| `{name}` | {kind} |") and text in line for line in PAGE.splitlines())


def test_the_scalers_metrics_are_all_that_it_registers() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    named = {name for name, *_ in registered(ScalerMetrics)}
    assert {family.name for family in registry.collect()} == {name.removesuffix("_total") for name in named}


def test_every_metric_of_the_exporters_source_is_in_what_is_rendered_for_the_page() -> None:
    source = "".join(
        (REPOSITORY / "exporter" / name).read_text(encoding="utf-8")
        for name in ("exposition.py", "metrics.py")
    )
    named = set(re.findall(r'"((?:container|machine|alertscale)_[a-z_]+)"', source))
    assert named == {name for name, *_ in of_exporter()}


def test_a_metric_with_labels_is_shown_with_them() -> None:
    assert ("alertscale_replicas", "gauge", ("project", "service", "state")) in {one[:3] for one in OURS}
    assert "| `flask_http_request_duration_seconds` | histogram | `route`, `method`, `status` |" in PAGE


def test_every_metric_that_a_rule_reads_is_on_the_page() -> None:
    rules = "\n".join(
        line
        for file in (ALERTS, RECORDS)
        for line in file.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("#")
    )
    named = set(re.findall(r"\b(?:up|ALERTS)(?=\{)", rules))
    named |= set(re.findall(r"\b(?:[a-z]+_[a-z_]+)(?=[\[{])|\b[a-z]+(?::[a-z_]+)+\b", rules))
    named |= set(re.findall(r"\b(?:nginx|prometheus|alertmanager|alertscale)_[a-z_]+", rules))
    known = {name for name, *_ in OURS} | OTHERS.keys() | RECORDED.keys()
    assert {_SUFFIX.sub("", name) for name in named} <= known
    assert OTHERS.keys() <= named


def test_every_recorded_series_is_there_with_its_comment() -> None:
    assert all(f"| `{name}` | {meaning} |" in PAGE for name, meaning in RECORDED.items())
