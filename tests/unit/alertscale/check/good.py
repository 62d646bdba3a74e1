"""A small stack in which nothing is wrong, to break one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alertscale.check import Finding, Report, check

COMPOSE: Final = "docker-compose.yml"
ALERTS: Final = "prometheus/alert.rules.yml"
RECORDS: Final = "prometheus/recording.rules.yml"
PROMETHEUS: Final = "prometheus/prometheus.yml"
ALERTMANAGER: Final = "alertmanager/alertmanager.yml"
SITE: Final = "nginx/conf.d/default.conf"

GOOD: Final[Mapping[str, str]] = {
    COMPOSE: """\
name: shop
services:
  web:
    image: web
    labels:
      alertscale.enable: "true"
      alertscale.min: "1"
      alertscale.max: "5"
      alertscale.resources: cpu,memory
      alertscale.cooldown.up: 10s
      alertscale.cooldown.down: 60s
    healthcheck: { test: [CMD, x], interval: 1s, timeout: 1s }
    ports: ["80"]
    networks:
      default: { aliases: [shop] }
    deploy: { resources: { limits: { cpus: "1", memory: 64M } } }
  database:
    image: database
    container_name: database
    ports: ["5432:5432"]
  prometheus:
    image: prom/prometheus:v3.5.3
    volumes: ["./prometheus:/etc/prometheus:ro", "metrics:/prometheus"]
  alertmanager:
    image: prom/alertmanager:v0.33.1
    volumes: ["./alertmanager:/etc/alertmanager:ro"]
  scaler:
    image: scaler
    labels: { alertscale.component: scaler }
    environment: { ALERTSCALE_LOG_LEVEL: info }
    ports: ["127.0.0.1:8000:8000"]
  nginx:
    image: nginx
    labels: { alertscale.component: nginx }
    volumes: ["./nginx/conf.d:/etc/nginx/conf.d:ro"]
    extra_hosts: ["host.docker.internal:host-gateway"]
volumes: { metrics: {} }
""",
    ALERTS: """\
groups:
  - name: scaling
    rules:
      - alert: HighCPU
        expr: service:cpu:ratio > 0.7 and service:replicas:max
        for: 2s
        labels: { scale: up, resource: cpu }
      - alert: LowCPU
        expr: service:cpu:ratio < 0.3 and service:replicas:max
        for: 30s
        labels: { scale: down, resource: cpu }
      - alert: HighMemory
        expr: service:memory:ratio > 0.8
        labels: { scale: up, resource: memory }
      - alert: LowMemory
        expr: service:memory:ratio < 0.2
        labels: { scale: down, resource: memory }
      - alert: Watchdog
        expr: vector(1)
      - alert: Errors
        expr: sum by (job) (rate(http_errors_total{job="web"}[20s])) > 3
        labels: { severity: critical }
""",
    RECORDS: """\
groups:
  - name: utilization
    rules:
      - record: replica:cpu:cores
        expr: sum by (project, service, name) (rate(container_cpu_usage_seconds_total[4s]))
      - record: service:cpu:ratio
        expr: avg by (project, service) (replica:cpu:cores)
      - record: service:memory:ratio
        expr: |
          sum by (project, service) (container_memory_working_set_bytes)
          / sum by (project, service) (container_spec_memory_limit_bytes)
""",
    PROMETHEUS: """\
global:
  scrape_interval: 5s
  evaluation_interval: 1s
rule_files: [recording.rules.yml, alert.rules.yml]
alerting:
  alertmanagers: [{ static_configs: [{ targets: ["alertmanager:9093"] }] }]
scrape_configs:
  - job_name: containers
    scrape_interval: 1s
    static_configs: [{ targets: ["exporter:8080"] }]
  - job_name: scaler
    scrape_interval: 500ms
    static_configs: [{ targets: ["scaler:8000"] }]
  - job_name: web
    dns_sd_configs: [{ names: [web], type: A, port: 80 }]
""",
    ALERTMANAGER: """\
route:
  receiver: operator
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - matchers: ['scale=~"up|down"']
      receiver: scaler
      group_interval: 5s
      repeat_interval: 4s
    - matchers: [alertname="Watchdog"]
      receiver: scaler
      group_interval: 5s
      repeat_interval: 4s
receivers:
  - name: scaler
    webhook_configs:
      - url: http://scaler:8000/alerts
        http_config: { authorization: { credentials_file: /run/token } }
  - name: operator
    email_configs: [{ to: me@example.org }]
""",
    SITE: """\
server {
    listen 80;
    server_name shop.example.org;
    location / { proxy_pass http://web; }
    location /blog/ {
        proxy_pass http://blog.site/;
    }
}
""",
}

HEALTH: Final = "cooldown.down: 60s\n    healthcheck: { test: [CMD, x], interval: 1s, timeout: 1s }"
"""The last label of the service, and its health check."""

ALERTS_MOVED: Final = """\
      - alert: Moved
        expr: cpu > 5
        labels: { scale: up, resource: cpu, service: moved }
"""
"""One more alert, of a service that the Compose file does not have."""


@dataclass(kw_only=True)
class Checkout:
    """The stack above on disk.

    Attributes:
        directory: where it is.
        environment: of the one who checks.
    """

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, text in GOOD.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Make a file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.directory / name).unlink()

    def change(self, name: str, old: str, new: str) -> None:
        """Replace what is in a file exactly once."""
        text = (self.directory / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))

    def check(self) -> tuple[Finding, ...]:
        """What is found there."""
        return self.report().findings

    def report(self) -> Report:
        """What a check of it says."""
        return check(self.directory, environment=self.environment)

    def only(self) -> Finding:
        """The one finding that there must be."""
        findings = self.check()
        assert len(findings) == 1, "\n".join(f"{f.rule} {f.file.name}:{f.line} {f.text}" for f in findings)
        return findings[0]

    def line_of(self, name: str, text: str) -> int:
        """The line, from 1, of the only place where a text stands."""
        lines = (self.directory / name).read_text(encoding="utf-8").splitlines()
        (line,) = [number for number, content in enumerate(lines, start=1) if text in content]
        return line
