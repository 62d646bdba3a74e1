"""What is right, or cannot be known, is not reported."""

from __future__ import annotations

import pytest

from alertscale.check import Rule
from tests.unit.alertscale.check.good import (
    ALERTMANAGER,
    ALERTS,
    COMPOSE,
    HEALTH,
    PROMETHEUS,
    SITE,
    Checkout,
)

ONE_MORE = "      - alert: Watchdog"
SECOND_ROUTE = '    - matchers: [alertname="Watchdog"]'


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param(
            COMPOSE,
            "deploy: { resources:",
            "deploy: { labels: { alertscale.step: '1' }, placement: { constraints: [a == b] }, resources:",
            id="labels of a project for Swarm",
        ),
        pytest.param(COMPOSE, 'max: "5"', "max: $MOST", id="a bound from an unknown variable"),
        pytest.param(COMPOSE, '["80"]', '["${PORT}:80"]', id="a port from an unknown variable"),
        pytest.param(COMPOSE, '["80"]', '["8080-8090:80"]', id="a range of ports"),
        pytest.param(
            COMPOSE,
            "cooldown.down: 60s",
            """cooldown.down: 60s\n      alertscale.post-start: '[{"command": ["a", "$$b"],"""
            """ "environment": ["X", "Y=1"]}]'"""
            "\n    post_start: [{ command: a $$b, environment: { Y: 1, X: null } }]",
            id="a hook with its label",
        ),
        pytest.param(
            COMPOSE,
            "cooldown.down: 60s",
            'cooldown.down: 60s\n      alertscale.post-start: "[]"\n'
            "    post_start: [{ command: [a, $UNKNOWN] }]",
            id="a hook that may be that of its label",
        ),
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
        pytest.param(COMPOSE, "cpu,memory", "cpu", id="a resource that is left out"),
        pytest.param(COMPOSE, "cpu,memory", "cpu,$MORE", id="resources from an unknown variable"),
        pytest.param(ALERTS, "{ severity: critical }", "{ source: web, scaler: x }", id="labels of others"),
        pytest.param(ALERTS, "cpu:ratio < 0.3", "cpu:slow:ratio < 0.4", id="thresholds on two measurements"),
        *(
            pytest.param(ALERTS, "service:cpu:ratio < 0.3 and service:replicas:max", low, id=f"down: {low}")
            for low in (
                "max by (project, service) (replica:cpu:cores) < 0.3",
                "quantile by (project, service) (0.9, replica:cpu:cores) < 0.3",
                "1 - max by (project, service) (replica:cpu:cores) > 0.7",
                "min by (project, service) (replica:cpu:cores) < 0.2 and service:cpu:ratio < 0.3",
                "min by (project, service) (replica:cpu:cores) < 0.2 unless service:cpu:ratio > 0.3",
                "min by (project, service) (service:cpu:ratio) < 0.2",
            )
        ),
        *(
            pytest.param(ALERTS, "service:cpu:ratio > 0.7 and service:replicas:max", high, id=f"up: {high}")
            for high in (
                "max by (project, service) (replica:cpu:cores) > 0.7",
                "quantile by (project, service) (0.9, replica:cpu:cores) > 0.7",
            )
        ),
        pytest.param(
            ALERTMANAGER,
            "  routes:\n",
            "  routes:\n    - { matchers: [team=x], receiver: operator }\n",
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
        *(
            pytest.param(
                ALERTMANAGER,
                "email_configs: [{ to: me@example.org }]",
                f"webhook_configs: [{{ url: '{url}' }}]",
                id=f"a webhook to {url}",
            )
            for url in ("http://bot.example.org/alerts", "http://10.0.0.7/", "http://database:80/alerts")
        ),
        pytest.param(
            ALERTMANAGER,
            "  - name: scaler\n    webhook_configs:\n",
            "  - name: scaler\n    webhook_configs:\n      - url: https://example.org/alerts\n",
            id="one webhook that leads out, beside the one to the scaler",
        ),
        pytest.param(
            ALERTMANAGER, "url: http://scaler:8000/alerts", "url_file: /run/url", id="a url in a file"
        ),
        *(
            pytest.param(
                PROMETHEUS, "alerting:\n", f"alerting:\n  alert_relabel_configs: [{{ {entry} }}]\n", id=entry
            )
            for entry in (
                "action: labeldrop, regex: replica",
                "action: labelkeep, regex: alertname|scale|service|resource|project|severity",
                "source_labels: [x], target_label: service",
                "target_label: project, replacement: shop",
                "source_labels: [x], regex: y, target_label: scale, replacement: down",
                "target_label: cluster, replacement: a",
                "action: drop, source_labels: [severity], regex: info",
            )
        ),
        pytest.param(
            COMPOSE,
            "    image: prom/alertmanager:v0.33.1",
            "    command: [--config.file=/etc/alertmanager/alertmanager.yml, --web.config.file=/w.yml]\n"
            "    image: prom/alertmanager:v0.33.1",
            id="an Alertmanager with a file for TLS",
        ),
        pytest.param(PROMETHEUS, "job_name: web", "job_name: website", id="a job that nobody scrapes here"),
        pytest.param(
            PROMETHEUS,
            "[recording.rules.yml,",
            "[/prometheus/x.yml, recording.rules.yml,",
            id="a rule file in a volume",
        ),
        *(
            pytest.param(SITE, "proxy_pass http://web;", written, id=f"a site with {what}")
            for what, written in {
                "a header beside the include": (
                    "include /etc/nginx/alertscale-proxy*.conf; proxy_set_header Upgrade $http_upgrade;"
                ),
                "all four headers, as they are to be": (
                    "proxy_set_header Host $host; proxy_set_header X-Real-IP '';"
                    " proxy_set_header X-Forwarded-For $a;"
                    " proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Own mine;"
                ),
                "a header in one location and the include in another": (
                    "include /etc/nginx/alertscale-proxy*.conf; } location /a {"
                    " proxy_set_header Host a; proxy_set_header X-Real-IP a;"
                    " proxy_set_header X-Forwarded-For a; proxy_set_header X-Forwarded-Proto a;"
                ),
                "a host in a variable": "set $x http://wiki:3000; proxy_pass $x;",
                "a variable in a name": "proxy_pass http://$host:3000;",
                "an address": "proxy_pass http://10.0.0.7:3000;",
                "an address of IPv6": "proxy_pass http://[fd00::7]:3000/;",
                "a socket": "fastcgi_pass unix:/run/php.sock;",
                "this machine": "proxy_pass http://localhost:8082;",
                "a name of extra_hosts": "proxy_pass http://host.docker.internal:3000;",
                "a service in another case": "proxy_pass http://WEB;",
                "a service of another project": "proxy_pass http://blog.wiki/;",
                "a host in a comment": "# proxy_pass http://wiki:3000;",
                "a host in a text": "return 200 'proxy_pass http://wiki:3000;';",
            }.items()
        ),
        pytest.param(
            SITE,
            "server {",
            "upstream web-api { zone a 64k; resolver 127.0.0.11; server wiki:3000 resolve; }\n"
            "server { location /wiki/ { proxy_pass http://Web-API; }",
            id="an upstream of a site's own",
        ),
        pytest.param(
            COMPOSE, "{ alertscale.component: nginx }", "{ proxy: others }", id="the site of another nginx"
        ),
        pytest.param(
            COMPOSE, 'alertscale.enable: "true"', "alertscale.enable: $ON", id="a service that may be scaled"
        ),
    ],
)
def test_one_change_that_is_no_fault_is_not_reported(
    checkout: Checkout, file: str, old: str, new: str
) -> None:
    checkout.change(file, old, new)

    assert checkout.check() == ()


def test_no_upstream_is_said_to_be_missing_while_services_come_from_elsewhere(checkout: Checkout) -> None:
    checkout.change(COMPOSE, "name: shop", "name: shop\ninclude: [../more.yml]")
    checkout.change(SITE, "http://web;", "http://wiki;")

    assert checkout.check() == ()


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param("", id="no health check"),
        pytest.param("    healthcheck: { test: [NONE] }", id="one that is off"),
        pytest.param("    healthcheck: { test: [CMD, x], disable: true }", id="one that is disabled"),
        pytest.param("    healthcheck: { interval: 30s }", id="the image's own"),
        pytest.param("    healthcheck: { test: [CMD, x], interval: $EVERY }", id="one of unknown times"),
        pytest.param("    healthcheck: { test: x, interval: 1s, timeout: 1s, retries: 3 }", id="a quick one"),
        pytest.param("      alertscale.ready: /ready\n    healthcheck: { test: [CMD, x] }", id="a path"),
    ],
)
def test_a_short_time_is_no_fault_of_a_health_check_that_does_not_need_more(
    checkout: Checkout, instead: str
) -> None:
    checkout.change(COMPOSE, HEALTH, f"cooldown.down: 60s\n      alertscale.ready-timeout: 10s\n{instead}")

    assert Rule.READY_TIMEOUT_TOO_SHORT not in {found.rule for found in checkout.check()}


@pytest.mark.parametrize(
    ("service", "more"),
    [
        ("  database:\n", "  bot: { image: b, network_mode: 'service:alertmanager' }\n  database:\n"),
        (
            "    image: prom/alertmanager:v0.33.1\n",
            "    image: prom/alertmanager:v0.33.1\n    network_mode: host\n",
        ),
        (
            "    image: prom/alertmanager:v0.33.1\n",
            "    image: prom/alertmanager:v0.33.1\n    networks: [out]\n",
        ),
        (
            "    image: prom/alertmanager:v0.33.1\n",
            "    image: prom/alertmanager:v0.33.1\n    links: ['x:bot']\n",
        ),
    ],
)
def test_a_webhook_may_lead_to_what_cannot_be_seen(checkout: Checkout, service: str, more: str) -> None:
    host = "bot" if "out" in more or "links" in more else "localhost"
    checkout.change(COMPOSE, service, more)
    checkout.change(
        COMPOSE, "volumes: { metrics: {} }", "volumes: { metrics: {} }\nnetworks: { out: { external: true } }"
    )
    checkout.change(
        ALERTMANAGER,
        "email_configs: [{ to: me@example.org }]",
        f"webhook_configs: [{{ url: 'http://{host}:1/' }}]",
    )

    assert Rule.UNDELIVERED_ALERT not in {found.rule for found in checkout.check()}


def test_a_wait_that_is_longer_than_a_cooldown_for_which_nobody_has_asked(checkout: Checkout) -> None:
    checkout.change(ALERTS, "for: 2s", "for: 5m")
    assert checkout.only().rule == Rule.FOR_EXCEEDS_COOLDOWN

    checkout.change(COMPOSE, "      alertscale.cooldown.up: 10s\n", "")
    assert checkout.check() == ()


def test_what_speaks_tls_or_has_the_first_api_is_reached(checkout: Checkout) -> None:
    checkout.change(PROMETHEUS, "[{ static", "[{ api_version: v1, scheme: https, static")
    checkout.change(COMPOSE, "prometheus:v3.5.3", "prometheus:v2.45.0")
    checkout.change(
        COMPOSE,
        "prom/alertmanager:v0.33.1",
        "prom/alertmanager:v0.26.0\n"
        "    command: [--config.file=/etc/alertmanager/alertmanager.yml, --web.config.file=/etc/web.yml]",
    )

    assert checkout.check() == ()
