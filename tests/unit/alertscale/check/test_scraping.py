from __future__ import annotations

from pathlib import Path

import promql_parser
import pytest

from alertscale.check.expressions import parse
from alertscale.check.findings import Finding
from alertscale.check.scraping import Scraping, read_scraping
from alertscale.check.tree import read

TEXT = """\
global: { scrape_interval: 10s, evaluation_interval: 2s, external_labels: { region: north } }
scrape_configs:
  - job_name: containers
    scrape_interval: 3s
    static_configs: [{ targets: ["exporter:8080"] }]
  - job_name: scaler
    scrape_interval: 2s
    static_configs: [{ targets: ["http://scaler:8000"] }]
  - { job_name: web }
  - { job_name: quick, scrape_interval: 1s }
"""


def scraping(text: str) -> Scraping:
    findings: list[Finding] = []
    result = read_scraping(read(text, file=Path("prometheus.yml"))[0], findings=findings)
    assert findings == []
    return result


def quickest(selector: str) -> str | None:
    expr = parse(selector)
    assert isinstance(expr, promql_parser.VectorSelector)
    job = scraping(TEXT).quickest(expr)
    return job.name if job else None


@pytest.mark.parametrize(
    ("selector", "job"),
    [
        ('x{job="web"}', "web"),
        ('x{job=~"web|containers"}', "containers"),
        ('x{job!="quick"}', "scaler"),
        ('x{job="unknown"}', None),
        ("x", "quick"),
        ("container_cpu_usage_seconds_total", "containers"),
        ("alertscale_replicas", "scaler"),
        ('container_cpu_usage_seconds_total{job="web"}', "web"),
    ],
)
def test_the_job_of_a_selector_is_the_one_it_names_or_the_likely_or_the_quickest(
    selector: str, job: str | None
) -> None:
    assert quickest(selector) == job


def test_a_job_without_an_interval_has_the_global_one() -> None:
    assert {job.name: job.interval.seconds for job in scraping(TEXT).jobs}["web"] == 10


def test_without_any_interval_both_are_prometheus_own() -> None:
    read = scraping("scrape_configs: [{ job_name: web }]")

    assert (read.jobs[0].interval.seconds, read.evaluation_interval) == (60, 60)


def test_what_is_said_for_all_is_read() -> None:
    read = scraping(TEXT)

    assert (read.evaluation_interval, read.external_labels) == (2, {"region": "north"})
