"""Notifications as Alertmanager sends them, and how long the scaler takes to answer."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from http import HTTPStatus

from bench.errors import BenchError


def notification(count: int, *, series: str) -> bytes:
    """A webhook's body: so many firing alerts that ask for more of a service that nobody knows. Pure.

    Args:
        count: of alerts.
        series: told apart by; the same text gives the same alerts again.
    """
    alerts = [
        {
            "status": "firing",
            "labels": {
                "alertname": "HighCPU", "scale": "up", "resource": "cpu", "severity": "info",
                "project": "bench", "service": f"nobody-{series}-{number}",
            },
            "annotations": {
                "summary": f"nobody-{number} uses 91.2% of its CPU limit",
                "description": "Mean over all replicas. One replica is added, up to alertscale.max.",
                "runbook": "docs/monitoring.md#highcpu",
            },
            "startsAt": "2026-11-23T07:00:00.5Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://localhost:10090/graph?g0.expr=service%3Acpu_utilization%3Aratio",
            "fingerprint": f"{number:016x}",
        }
        for number in range(count)
    ]  # fmt: skip
    body = {
        "version": "4",
        "groupKey": '{}/{scale=~"up|down"}:{alertname="HighCPU"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "scaler",
        "groupLabels": {"alertname": "HighCPU"},
        "commonLabels": {"alertname": "HighCPU", "scale": "up"},
        "commonAnnotations": {},
        "externalURL": "http://localhost:9093/",
        "alerts": alerts,
    }
    return json.dumps(body).encode()


def latencies(bodies: Iterator[bytes], *, port: int, token: str) -> Iterator[float]:
    """Post bodies one after the other over one connection; yield each one's milliseconds.

    Raises:
        BenchError: one is not accepted.
    """
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for body in bodies:
            begun = time.perf_counter()
            connection.request("POST", "/alerts", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            yield 1000 * (time.perf_counter() - begun)
            if answer.status != HTTPStatus.ACCEPTED:
                raise BenchError(f"the scaler answered {answer.status} to a webhook: {said[:200]!r}")
