"""What is right, or cannot be known, is not reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alertscale.check import Files, check, find_files
from tests.unit.alertscale.check.good import ALERTMANAGER, ALERTS, COMPOSE, PROMETHEUS, Checkout

ONE_MORE = "      - alert: Watchdog"
SECOND_ROUTE = '    - matchers: [alertname="Watchdog"]'


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param(COMPOSE, 'max: "5"', "max: $MOST", id="a bound from an unknown variable"),
        pytest.param(COMPOSE, '["80"]', '["${PORT}:80"]', id="a port from an unknown variable"),
        pytest.param(COMPOSE, '["80"]', '["8080-8090:80"]', id="a range of ports"),
        pytest.param(
            COMPOSE, "SCALE_LOG_LEVEL: info", "SCALE_SIGNAL_TTL: $TTL", id="a TTL from an unknown variable"
        ),
        pytest.param(
            COMPOSE,
            'min: "1"\n      alertscale.max: "5"',
            'min: "3"\n      alertscale.max: "3"',
            id="a service whose count is fixed",
        ),
        pytest.param(
            ALERTS,
            ONE_MORE,
            "      - alert: High\n        expr: x > 1\n        labels: "
            "{ scale: up, resource: cpu, project: other, service: api }\n" + ONE_MORE,
            id="a service of another project",
        ),
        pytest.param(
            ALERTS,
            ONE_MORE,
            "      - alert: High\n        expr: x > 1\n        labels: "
            "{ scale: '{{ $labels.way }}', resource: '{{ $labels.r }}', service: '{{ $labels.s }}' }\n"
            + ONE_MORE,
            id="labels from a template",
        ),
        pytest.param(ALERTS, "{ severity: critical }", "{ source: web, scaler: x }", id="labels of others"),
        pytest.param(ALERTS, "cpu:ratio < 0.3", "cpu:slow:ratio < 0.4", id="thresholds on two measurements"),
        pytest.param(
            ALERTMANAGER,
            "  routes:\n",
            "  routes:\n    - { matchers: [team=x], receiver: nobody }\n",
            id="a route that an alert may or may not take",
        ),
        pytest.param(
            ALERTMANAGER,
            "  routes:\n",
            "  routes:\n    - { matchers: [a!=b], receiver: scaler, group_interval: 1h, continue: true }\n",
            id="a slow route beside a quick one",
        ),
        pytest.param(
            ALERTMANAGER, "http://scaler:8000/alerts", "http://10.0.0.7:8000/alerts", id="an address"
        ),
        pytest.param(
            ALERTMANAGER, "url: http://scaler:8000/alerts", "url_file: /run/url", id="a url in a file"
        ),
        pytest.param(PROMETHEUS, "job_name: web", "job_name: website", id="a job that nobody scrapes here"),
        pytest.param(
            PROMETHEUS, "[recording.rules.yml,", "[/rules/x.yml, recording.rules.yml,", id="a path elsewhere"
        ),
    ],
)
def test_one_change_that_is_no_fault_is_not_reported(
    checkout: Checkout, file: str, old: str, new: str
) -> None:
    checkout.change(file, old, new)

    assert checkout.check() == ()


@pytest.mark.parametrize(
    "without",
    [{"compose": ()}, {"rules": ()}, {"prometheus": None}, {"alertmanager": None}],
    ids=["compose", "rules", "prometheus", "alertmanager"],
)
def test_what_a_file_that_is_not_given_would_tell_is_left_out(
    checkout: Checkout, without: dict[str, Any]
) -> None:
    files: Files = replace(find_files(checkout.directory), **without)

    assert check(files) == ()
