"""What a real Prometheus says of alerts that it has sent, before and after their labels are edited."""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from scaler.policy.signals import Alert, AtSource
from scaler.prometheus.client import Prometheus
from testkit.stack import free_port, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

ROOT = Path(__file__).parents[3]
IMAGE: str = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["image"]
RULE = """
groups:
  - name: g
    interval: 100ms
    rules:
      - record: service:memory_utilization:ratio
        expr: vector(0.82)
        labels: {{ project: shop, service: web }}
      - {{ alert: HighCPU, expr: vector(1), labels: {{ scale: {scale}, service: web, resource: cpu }} }}
"""
CONFIG = """
global: {{ external_labels: {{ cluster: a, scale: sideways }} }}
rule_files: [rules.yml]
alerting:
  alert_relabel_configs: [{{ target_label: severity, replacement: info }}]
  alertmanagers: [{{ static_configs: [{{ targets: ["127.0.0.1:{port}"] }}] }}]
"""


class Told(http.server.ThreadingHTTPServer):
    """Stands for Alertmanager: keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keeps)
        self.alerts: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []


class _Keeps(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Told)
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        now = datetime.now(tz=UTC)
        self.server.alerts += told
        self.server.ended += [alert for alert in told if datetime.fromisoformat(alert["endsAt"]) <= now]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def told() -> Iterator[Told]:
    with Told() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def heard(told: Told, scale: str) -> Alert:
    """Wait for an alert, and return it as Alertmanager would send it on."""

    def found() -> list[dict[str, Any]]:
        return [alert for alert in told.alerts if alert["labels"]["scale"] == scale]

    wait_until(lambda: bool(found()), within=20, what=f"an alert with scale: {scale}")
    return Alert(firing=True, labels=found()[0]["labels"], generator_url=found()[0]["generatorURL"])


def test_an_alert_whose_labels_were_edited_gets_no_end_and_is_denied(told: Told, tmp_path: Path) -> None:
    port, name = free_port(), f"alertscale-source-{os.getpid()}"
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=told.server_port))
    (tmp_path / "rules.yml").write_text(RULE.format(scale="up"))
    tmp_path.chmod(0o755)
    flags = ["--config.file=/etc/prometheus/prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
    run = ["docker", "run", "--rm", "--detach", "--network=host", f"--name={name}"]
    run += [f"--volume={tmp_path}:/etc/prometheus:ro", IMAGE, "--storage.tsdb.path=/prometheus"]
    # The first time is before it has found whom to tell.
    run += ["--rules.alert.resend-delay=500ms"]
    subprocess.run([*run, *flags], check=True, capture_output=True)
    try:
        source = Prometheus(f"http://127.0.0.1:{port}", password_file=tmp_path / "none")

        def says() -> AtSource:
            said = source.alerts(frozenset({"HighCPU", "Unknown"}))
            assert said is not None
            return said

        begun, before = time.time(), heard(told, "up")
        assert before.labels["severity"] == "info"
        assert not says().denies(before)

        (tmp_path / "rules.yml").write_text(RULE.format(scale="down"))
        subprocess.run(["docker", "kill", f"--signal={signal.SIGHUP.value}", name], check=True)
        after = heard(told, "down")
        assert says().denies(before)
        assert not says().denies(after)
        assert says().rules == {"HighCPU"}
        now = time.time()
        for since in (now, begun, now - 100, now - 10**6):
            held = source.shares(("shop", "web"), before=now - 0.1, since=since, now=now)
            assert held is not None
            assert astuple(held) == pytest.approx((0.82, 0.82, 0.82))
        assert source.shares(("shop", 'we"b'), before=now - 0.1, since=begun, now=now) is None
        assert source.shares(("shop", "web"), before=begun - 3600, since=begun, now=now) is None
        assert told.ended == []
    finally:
        subprocess.run(["docker", "kill", name], check=False, capture_output=True)
