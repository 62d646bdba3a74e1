"""Each rule, with one change to a good stack that breaks it and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from alertscale.check import Rule, Severity, severity_of
from alertscale.check.rules import RULES
from tests.unit.alertscale.check.good import (
    ALERTMANAGER,
    ALERTS,
    COMPOSE,
    HEALTH,
    PROMETHEUS,
    RECORDS,
    SITE,
    Checkout,
)


@dataclass(frozen=True)
class Break:
    """One change to the good stack.

    Attributes:
        rule: the only one that may then report.
        file: which is changed.
        old: what stands there once.
        new: what stands there instead.
        at: a text that stands on the line of the finding, and nowhere else in the file.
        says: what text and way out hold between them.
        elsewhere: the file of the finding, if it is another one.
    """

    rule: Rule
    file: str
    old: str
    new: str
    at: str
    says: tuple[str, ...]
    elsewhere: str = ""


SCALING_ROUTE = """\
      receiver: scaler
      group_interval: 5s
      repeat_interval: 4s
    - matchers: [alertname="Watchdog"]
"""

BREAKS = {
    "a value that cannot be read": Break(
        Rule.UNREADABLE_LABEL, COMPOSE, 'max: "5"', "max: five", "max:", ("web", "'five'", "1 to 1000")
    ),
    "a word that is nearly right": Break(
        Rule.UNREADABLE_LABEL,
        COMPOSE,
        'alertscale.max: "5"',
        "alertscale.pause: dwon",
        "pause",
        ("'dwon'", "did you mean 'down'?"),
    ),
    "yes for true": Break(
        Rule.UNREADABLE_LABEL,
        COMPOSE,
        'enable: "true"',
        "enable: yes",
        "enable",
        ("'yes'", "did you mean 'true'?"),
    ),
    "bounds that contradict each other": Break(
        Rule.MIN_ABOVE_MAX, COMPOSE, 'min: "1"', 'min: "6"', "alertscale.min", ("min: 6", "max: 5")
    ),
    "a label of ours misspelt": Break(
        Rule.UNKNOWN_LABEL,
        COMPOSE,
        "alertscale.max",
        "alertscale.mx",
        "alertscale.mx",
        ("alertscale.mx", "did you mean alertscale.max?"),
    ),
    "our prefix misspelt": Break(
        Rule.NEARLY_OUR_LABEL,
        COMPOSE,
        "alertscale.max",
        "alertscal.max",
        "alertscal.max",
        ("alertscal.max", "did you mean alertscale.max?"),
    ),
    "a label of an alert misspelt": Break(
        Rule.NEARLY_OUR_LABEL,
        ALERTS,
        "{ scale: up, resource: memory }",
        "{ scale: up, resource: memory, services: web }",
        "services: web",
        ("HighMemory", "services", "did you mean service?"),
    ),
    "scale misspelt": Break(
        Rule.NEARLY_OUR_LABEL,
        ALERTS,
        "{ severity: critical }",
        "{ severity: critical, scal: up }",
        "scal: up",
        ("Errors", "scal", "did you mean scale?"),
    ),
    "a label with a colon in a list": Break(
        Rule.UNKNOWN_LABEL,
        COMPOSE,
        "{ alertscale.component: scaler }",
        "[alertscale.component=scaler, 'alertscale.max: 5']",
        "alertscale.max: 5'",
        ("has no label alertscale.max: 5", "write - alertscale.max=5: in a list, what stands before ="),
    ),
    "labels that only Swarm reads": Break(
        Rule.LABEL_FOR_SWARM,
        COMPOSE,
        "deploy: { resources:",
        'deploy: { labels: { alertscale.step: "1" }, resources:',
        "alertscale.step",
        ("web has labels of alertscale under deploy", "under labels of the service itself"),
    ),
    "a host port": Break(
        Rule.FIXED_HOST_PORT, COMPOSE, '["80"]', '["8080:80"]', "8080:80", ("web", "8080", "expose its port")
    ),
    "a host port on one address": Break(
        Rule.FIXED_HOST_PORT, COMPOSE, '["80"]', '["127.0.0.1:${PORT:-8080}:80/tcp"]', "PORT", ("8080",)
    ),
    "a host port in long form": Break(
        Rule.FIXED_HOST_PORT, COMPOSE, '["80"]', "[{ target: 80, published: 8080 }]", "published", ("8080",)
    ),
    "host ports one to one": Break(
        Rule.FIXED_HOST_PORT, COMPOSE, '["80"]', '["9000-9001:9000-9001"]', "9000-", ("web", "9000 to 9001")
    ),
    "a container name": Break(
        Rule.CONTAINER_NAME,
        COMPOSE,
        '    ports: ["80"]',
        "    container_name: the-web",
        "the-web",
        ("the-web", "remove container_name"),
    ),
    "a static address": Break(
        Rule.STATIC_ADDRESS,
        COMPOSE,
        "{ aliases: [shop] }",
        "{ ipv4_address: 10.0.0.9 }",
        "10.0.0.9",
        ("10.0.0.9", "remove ipv4_address"),
    ),
    "the host's network": Break(
        Rule.HOST_NETWORK,
        COMPOSE,
        '    ports: ["80"]',
        "    network_mode: host",
        "network_mode",
        ("network_mode: host", "a network of its own"),
    ),
    "a hook that no container shows": Break(
        Rule.HOOK_WITHOUT_LABEL,
        COMPOSE,
        '    ports: ["80"]',
        '    post_start: [{ command: sh -c "echo it\'s $$HOME", user: root, environment: { A: 1 } }]',
        "post_start",
        (
            "web",
            "post_start",
            """alertscale.post-start: '[{"command": ["sh", "-c", "echo it\'\'s $$HOME"], "user": "root",""",
            """ "environment": ["A=1"]}]'""",
        ),
    ),
    "a hook with a variable that nobody knows": Break(
        Rule.HOOK_WITHOUT_LABEL,
        COMPOSE,
        '    ports: ["80"]',
        "    pre_stop: [{ command: [bye, $WHOM] }]",
        "pre_stop",
        ("give it the label alertscale.pre-stop", "docker compose config --format json"),
    ),
    "a label that is another hook": Break(
        Rule.HOOK_WITHOUT_LABEL,
        COMPOSE,
        "cooldown.down: 60s",
        """cooldown.down: 60s\n      alertscale.pre-stop: '[{"command": ["old"]}]'\n"""
        "    pre_stop: [{ command: new }]",
        "alertscale.pre-stop",
        ("says something else", """'[{"command": ["new"]}]'"""),
    ),
    "a label that is shorter than the health check": Break(
        Rule.READY_TIMEOUT_TOO_SHORT,
        COMPOSE,
        HEALTH,
        "cooldown.down: 60s\n      alertscale.ready-timeout: 1m\n"
        "    healthcheck: { test: [CMD, x], retries: 1 }",
        "ready-timeout",
        ("1m is shorter", "1m30s"),
    ),
    "a host that may be away": Break(
        Rule.FIXED_HOST,
        SITE,
        "http://web;",
        "http://wiki:3000/x;",
        "wiki",
        ("the host wiki,", "resolver 127.0.0.11; set $there http://wiki:3000/x; proxy_pass $there;"),
    ),
    "a host that is no website": Break(
        Rule.FIXED_HOST,
        SITE,
        "proxy_pass http://web;",
        "fastcgi_pass php:9000;",
        "php",
        ("fastcgi_pass", "the host php,", "set $there php:9000; fastcgi_pass $there;"),
    ),
    "a host on the internet": Break(
        Rule.FIXED_HOST,
        SITE,
        "http://web;",
        "https://api.example.org/v1;",
        "api.",
        ("the host api.example.org,",),
    ),
    "a service that is not scaled, behind nginx": Break(
        Rule.FIXED_HOST, SITE, "http://web;", "http://database;", "database", ("the host database,",)
    ),
    "the other name of a service": Break(
        Rule.FIXED_HOST, SITE, "http://web;", "http://shop;", "http://shop;", ("the host shop,",)
    ),
    "a host in an upstream of the site's own": Break(
        Rule.FIXED_HOST,
        SITE,
        "server {",
        "upstream wiki { # by hand\n    server wiki:3000;\n}\nserver {",
        "wiki:3000",
        ("server names the host wiki,", "`resolve`", "resolver 127.0.0.11"),
    ),
    "a header that the include has too": Break(
        Rule.HEADER_TWICE,
        SITE,
        "proxy_pass http://web;",
        "\ninclude /etc/nginx/alertscale-proxy*.conf;\nproxy_set_header host $host; proxy_pass http://web;",
        "$host",
        ("proxy_set_header Host stands beside that of the include", "writes all four: Host, X-Real-IP"),
    ),
    "a header that nginx.conf has too": Break(
        Rule.HEADER_TWICE,
        SITE,
        "server {",
        "proxy_set_header X-Forwarded-Proto https;\nserver {",
        "https",
        ("X-Forwarded-Proto stands beside that of nginx.conf",),
    ),
    "a header that puts the others away": Break(
        Rule.HEADERS_LEFT_OUT,
        SITE,
        "proxy_pass http://web;",
        "\nproxy_set_header X-Own mine; proxy_pass http://web;",
        "X-Own",
        (
            "this location",
            "not told Host, X-Real-IP,",
            "begin it with include /etc/nginx/alertscale-proxy*.conf;",
        ),
    ),
    "a header of a server, of the four": Break(
        Rule.HEADERS_LEFT_OUT,
        SITE,
        "server {",
        "server {\n include alertscale-nothing; proxy_set_header Host $host;",
        "$host",
        ("this server", "not told X-Real-IP, X-Forwarded-For, X-Forwarded-Proto", "write these, too"),
    ),
    "two defaults of one address": Break(
        Rule.DEFAULT_SERVER_TWICE,
        SITE,
        "server {\n    listen 80;",
        "server { listen 0.0.0.0:80 default_server; }\nserver {\n    listen 80 default_server;",
        "    listen 80",
        ("default_server of *:80 stands in default.conf:1", "leave it away in one of them"),
    ),
    "two upstreams of one name": Break(
        Rule.UPSTREAM_TWICE,
        SITE,
        "server {",
        "upstream wiki { server 10.0.0.9; }\nupstream Wiki { server 10.0.0.8; }\nserver {",
        "Wiki",
        ("the upstream wiki stands in default.conf:1", "another name"),
    ),
    "two servers of one name": Break(
        Rule.SERVER_NAME_TWICE,
        SITE,
        "server {\n",
        "server { server_name a shop.Example.org; }\nserver {\n",
        "server_name shop.example",
        ("server_name shop.example.org on *:80 stands in default.conf:1", "the first one answers"),
    ),
    "an upstream that nobody has": Break(
        Rule.UNKNOWN_UPSTREAM,
        SITE,
        "http://web;",
        "http://weg;",
        "weg",
        ("proxy_pass http://weg", "503", "did you mean web?"),
    ),
    "an upstream that is like none": Break(
        Rule.UNKNOWN_UPSTREAM,
        SITE,
        "http://web;",
        "http://wiki;",
        "wiki",
        ("<project>.<service>",),
    ),
    "an upstream with a port": Break(
        Rule.UNKNOWN_UPSTREAM,
        SITE,
        "http://web;",
        "http://web:8000;",
        "web:8000",
        ("http://web:8000", "did you mean web?"),
    ),
    "an upstream of our own with its project": Break(
        Rule.UNKNOWN_UPSTREAM, SITE, "http://web;", "http://shop.web;", "shop.web", ("did you mean web?",)
    ),
    "a direction that does not exist": Break(
        Rule.BAD_SCALE,
        ALERTS,
        "      - alert: Watchdog",
        "      - alert: Queue\n        expr: queue > 5\n"
        "        labels: { scale: upp, service: web, resource: queue }\n      - alert: Watchdog",
        "upp",
        ("Queue", "'upp'", "did you mean up?"),
    ),
    "an aggregation that loses the service": Break(
        Rule.SCALE_WITHOUT_SERVICE,
        ALERTS,
        "expr: service:memory:ratio > 0.8\n        labels: { scale: up,",
        "expr: avg(service:memory:ratio) > 0.8\n        labels: { scale: up,",
        "scale: up, resource: memory",
        ("HighMemory", "label service"),
    ),
    "no resource": Break(
        Rule.SCALE_WITHOUT_RESOURCE,
        ALERTS,
        "      - alert: Watchdog",
        "      - alert: Queue\n        expr: avg by (service) (queue) > 5\n"
        "        labels: { scale: up, tier: a }\n      - alert: Watchdog",
        "tier: a",
        ("Queue", "resource"),
    ),
    "a service that no Compose file has": Break(
        Rule.UNKNOWN_SERVICE,
        ALERTS,
        "      - alert: Watchdog",
        "      - alert: High\n        expr: cpu > 5\n"
        "        labels: { scale: up, resource: cpu, service: wep }\n      - alert: Watchdog",
        "wep",
        ("'wep'", "did you mean web?"),
    ),
    "a service that is named in the expression": Break(
        Rule.UNKNOWN_SERVICE,
        ALERTS,
        "      - alert: Watchdog",
        '      - alert: High\n        expr: cpu{service="shopping"} > 5\n'
        "        labels: { scale: up, resource: cpu, tier: a }\n      - alert: Watchdog",
        "tier: a",
        ("'shopping'", "name a service"),
    ),
    "a service that is not scaled": Break(
        Rule.SERVICE_NOT_ENABLED,
        ALERTS,
        "      - alert: Watchdog",
        "      - alert: High\n        expr: cpu > 5\n"
        "        labels: { scale: up, resource: cpu, service: database }\n      - alert: Watchdog",
        "service: database",
        ("'database'", 'alertscale.enable: "true"'),
    ),
    "up, but never down": Break(
        Rule.UP_WITHOUT_DOWN,
        ALERTS,
        "      - alert: LowMemory\n        expr: service:memory:ratio < 0.2\n"
        "        labels: { scale: down, resource: memory }\n",
        "",
        "alert: HighMemory",
        ("HighMemory", "web", "scale: down", "resource: memory"),
    ),
    "down only for another service": Break(
        Rule.UP_WITHOUT_DOWN,
        ALERTS,
        "expr: service:memory:ratio < 0.2",
        'expr: service:memory:ratio{project="other", service="api"} < 0.2',
        "alert: HighMemory",
        ("HighMemory", "web"),
    ),
    "a signal of a service that does not name its resource": Break(
        Rule.RESOURCE_NOT_NAMED,
        ALERTS,
        "      - alert: Watchdog",
        "      - alert: Queue\n        expr: avg(queue) > 5\n"
        "        labels: { scale: up, resource: queue, service: web }\n"
        "      - alert: NoQueue\n        expr: avg(queue) < 1\n"
        "        labels: { scale: down, resource: queue, service: web }\n      - alert: Watchdog",
        "scale: up, resource: queue",
        ("Queue", "'queue'", "web", "alertscale.resources: cpu,memory,queue"),
    ),
    "a resource of which nothing tells": Break(
        Rule.RESOURCE_WITHOUT_RULE,
        COMPOSE,
        "cpu,memory",
        "cpu,memori",
        "alertscale.resources",
        ("'memori'", "no replica is ever removed", "did you mean memory?"),
    ),
    "no Watchdog": Break(
        Rule.WATCHDOG_MISSING,
        ALERTS,
        "      - alert: Watchdog\n        expr: vector(1)\n",
        "",
        "groups:",
        ("Watchdog", "blind", "vector(1)"),
        elsewhere=RECORDS,
    ),
    "thresholds that swing": Break(
        Rule.FLAPPING_THRESHOLDS,
        ALERTS,
        "service:cpu:ratio < 0.3",
        "service:cpu:ratio < 0.35",
        "< 0.35 and",
        ("LowCPU", "0.35", "from 2 to 1", "web", "becomes 0.7", "HighCPU", "above 0.7"),
    ),
    "a step that is too large for the thresholds": Break(
        Rule.FLAPPING_THRESHOLDS,
        COMPOSE,
        "alertscale.cooldown.up: 10s",
        'alertscale.step: "2"',
        "< 0.3 and",
        ("from 3 to 1", "becomes 0.9"),
        elsewhere=ALERTS,
    ),
    "a sum over replicas": Break(
        Rule.SUM_NOT_AVERAGE,
        ALERTS,
        "service:memory:ratio > 0.8",
        "sum by (project, service) (service:memory:ratio) > 0.8",
        "> 0.8",
        ("HighMemory", "sum", "avg"),
    ),
    "a rate over two scrapes": Break(
        Rule.SHORT_RATE_WINDOW,
        RECORDS,
        "[4s]",
        "[2s]",
        "[2s]",
        ("replica:cpu:cores", "2s", "containers every 1s", "4s or more"),
    ),
    "a job that is scraped more slowly": Break(
        Rule.SHORT_RATE_WINDOW,
        PROMETHEUS,
        "scrape_interval: 1s",
        "scrape_interval: 2s",
        "[4s]",
        ("containers every 2s", "8s or more"),
        elsewhere=RECORDS,
    ),
    "a global interval that is too long": Break(
        Rule.SHORT_RATE_WINDOW,
        PROMETHEUS,
        "scrape_interval: 5s",
        "scrape_interval: 15s",
        "[20s]",
        ("Errors", "web every 15s", "1m or more"),
        elsewhere=ALERTS,
    ),
    "an alert that waits longer than the cooldown": Break(
        Rule.FOR_EXCEEDS_COOLDOWN,
        ALERTS,
        "for: 2s",
        "for: 5m",
        "for: 5m",
        ("HighCPU", "5m", "cooldown.up", "web", "10s"),
    ),
    "an alert that fires on when its cause is over": Break(
        Rule.KEEP_FIRING_EXCEEDS_COOLDOWN,
        ALERTS,
        "for: 2s",
        "keep_firing_for: 10s",
        "keep_firing_for",
        ("HighCPU", "keep_firing_for: 10s", "cooldown.up"),
    ),
    "a receiver without integration": Break(
        Rule.UNDELIVERED_ALERT,
        ALERTMANAGER,
        "    email_configs: [{ to: me@example.org }]\n",
        "",
        "alert: Errors",
        ("Errors", "'operator'", "email_configs"),
        elsewhere=ALERTS,
    ),
    "a receiver that is not defined": Break(
        Rule.UNDEFINED_RECEIVER,
        ALERTMANAGER,
        "  receiver: operator\n",
        "  receiver: operater\n",
        "operater",
        ("'operater'", "did you mean operator?"),
    ),
    "a receiver that is not defined, of a route that no alert takes": Break(
        Rule.UNDEFINED_RECEIVER,
        ALERTMANAGER,
        "  routes:\n",
        "  routes:\n    - { matchers: [alertname=Nobody], receiver: pager }\n",
        "pager",
        ("'pager'", "Alertmanager refuses the file", "define it under receivers"),
    ),
    **{
        f"{key} on the first route": Break(
            Rule.ALERTMANAGER_REFUSES,
            ALERTMANAGER,
            "route:\n",
            f"time_intervals: [{{ name: night }}]\nroute:\n  {key}: {value}\n",
            f"  {key}:",
            (f"the first route has {key}", "Alertmanager refuses the file"),
        )
        for key, value in {
            "matchers": "[severity=critical]",
            "match": "{ severity: critical }",
            "match_re": "{ severity: c.* }",
            "mute_time_intervals": "[night]",
            "active_time_intervals": "[night]",
            "continue": "true",
        }.items()
    },
    "a time interval that is not defined": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "  routes:\n",
        "  routes:\n    - { matchers: [a=b], mute_time_intervals: [weekend], receiver: operator }\n",
        "weekend",
        ("no time interval is called 'weekend'", "define it under time_intervals"),
    ),
    "a time interval misspelt": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "route:\n  receiver: operator\n  group_interval: 1m\n  repeat_interval: 4h\n  routes:\n",
        "time_intervals: [{ name: night }]\nmute_time_intervals: [{ name: old }]\nroute:\n"
        "  receiver: operator\n  routes:\n"
        "    - { matchers: [a=b], mute_time_intervals: [old], receiver: operator }\n"
        "    - { matchers: [a=b], active_time_intervals: [nihgt], receiver: operator }\n",
        "nihgt",
        ("no time interval is called 'nihgt'", "did you mean night?"),
    ),
    "two receivers of one name": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "receivers:\n",
        "receivers:\n  - name: operator\n  - name: scaler\n",
        "",
        ("the receiver 'scaler' stands in line 16 already",),
    ),
    "two receivers of one name, the later an empty one": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "    email_configs: [{ to: me@example.org }]\n",
        "    email_configs: [{ to: me@example.org }]\n  - name: scaler\n",
        "",
        ("the receiver 'scaler' stands in line 15 already", "give one of them another name"),
    ),
    "a receiver without a name": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "receivers:\n",
        "receivers:\n  - email_configs: [{ to: you@example.org }]\n",
        "you@example.org",
        ("a receiver has no name",),
    ),
    "an interval of nothing": Break(
        Rule.ALERTMANAGER_REFUSES,
        ALERTMANAGER,
        "repeat_interval: 4h",
        "repeat_interval: 0s",
        "repeat_interval: 0s",
        ("repeat_interval: 0s is zero",),
    ),
    "no receiver at all": Break(
        Rule.UNDEFINED_RECEIVER,
        ALERTMANAGER,
        "  receiver: operator\n",
        "",
        "route:",
        ("the first route has no receiver",),
    ),
    **{
        f"a webhook {what}": Break(
            Rule.WEBHOOK_MISSES_SCALER, ALERTMANAGER, "http://scaler:8000/alerts", url, "url:", (url, *says)
        )
        for what, url, *says in [
            ("to localhost", "http://localhost:8000/alerts", "localhost is Alertmanager's own container"),
            ("to a loopback address", "http://127.0.0.1:8000/alerts", "127.0.0.1 is Alertmanager's own"),
            ("to another port", "http://scaler:8080/alerts", "listens on port 8000, not 8080"),
            ("without a port", "http://scaler/alerts", "listens on port 8000, not 80", "http://scaler:8000"),
            (
                "with a slash at the end",
                "http://scaler:8000/alerts/",
                "takes alerts at /alerts, not at /alerts/",
            ),
            ("to another path", "http://scaler:8000", "takes alerts at /alerts, not at /"),
            ("over TLS", "https://scaler:8000/alerts", "speaks http, not https"),
            ("to a name that nobody has", "http://scalar:8000/alerts", "no service that is called scalar"),
        ]
    },
    "a webhook to another port than the scaler's own": Break(
        Rule.WEBHOOK_MISSES_SCALER,
        COMPOSE,
        "ALERTSCALE_LOG_LEVEL: info",
        "ALERTSCALE_LISTEN: 0.0.0.0:9000",
        "url:",
        ("listens on port 9000, not 8000", "write url: http://scaler:9000/alerts"),
        elsewhere=ALERTMANAGER,
    ),
    "a webhook to a network where the scaler is not": Break(
        Rule.WEBHOOK_MISSES_SCALER,
        COMPOSE,
        "    image: scaler\n",
        "    image: scaler\n    networks: [apart]\n",
        "url:",
        ("no service that is called scaler",),
        elsewhere=ALERTMANAGER,
    ),
    "no Alertmanager": Break(
        Rule.ALERTMANAGER_NOT_REACHED,
        PROMETHEUS,
        """\
alerting:
  alertmanagers: [{ static_configs: [{ targets: ["alertmanager:9093"] }] }]
""",
        "",
        "global:",
        ("names no Alertmanager", "its 6 alerts", "targets: [alertmanager:9093]"),
    ),
    "a list of Alertmanagers with none": Break(
        Rule.ALERTMANAGER_NOT_REACHED,
        PROMETHEUS,
        'targets: ["alertmanager:9093"]',
        "targets: []",
        "alertmanagers:",
        ("names no Alertmanager",),
    ),
    **{
        f"an Alertmanager {what}": Break(
            Rule.ALERTMANAGER_NOT_REACHED, PROMETHEUS, '"alertmanager:9093"', f'"{target}"', target, says
        )
        for what, target, says in [
            ("on localhost", "localhost:9093", ("localhost is Prometheus' own container",)),
            ("at another port", "alertmanager:9094", ("listens on port 9093", "write alertmanager:9093")),
            ("without a port", "alertmanager", ("at alertmanager:80", "listens on port 9093")),
            ("that nobody is", "alertmanger:9093", ("no service that is called alertmanger",)),
        ]
    },
    **{
        f"an Alertmanager with {setting}": Break(
            Rule.ALERTMANAGER_NOT_REACHED,
            PROMETHEUS,
            "alertmanagers: [{ static",
            f"alertmanagers: [{{ {setting}, static",
            "alertmanagers:",
            says,
        )
        for setting, says in {
            "scheme: https": ("Alertmanager speaks http, not https", "put scheme, path_prefix"),
            "api_version: v1": ("api_version: v1 is gone",),
        }.items()
    },
    **{
        f"alerts that are relabelled with {entry}": Break(
            Rule.ALERT_RELABELLED,
            PROMETHEUS,
            "alerting:\n",
            f"alerting:\n  alert_relabel_configs: [{{ {entry} }}]\n",
            "alert_relabel_configs",
            (f"alert_relabel_configs takes {lost} from alerts",),
        )
        for entry, lost in {
            "action: labeldrop, regex: scale|replica": "scale",
            "action: labelkeep, regex: alertname|service|severity": "scale, resource, project",
            "target_label: service, replacement: ''": "service",
            "target_label: project, replacement: other": "project",
            "source_labels: [a], regex: .*, target_label: scale, replacement: up": "scale",
        }.items()
    },
    "alerts that are relabelled for one Alertmanager": Break(
        Rule.ALERT_RELABELLED,
        PROMETHEUS,
        "alertmanagers: [{ static",
        "alertmanagers: [{ alert_relabel_configs: [{ action: labeldrop, regex: s.* }], static",
        "alert_relabel_configs",
        ("takes scale, service from alerts",),
    ),
    "an Alertmanager below a path": Break(
        Rule.ALERTMANAGER_NOT_REACHED,
        COMPOSE,
        "    image: prom/alertmanager:v0.33.1",
        "    command: [--config.file=/etc/alertmanager/alertmanager.yml, --web.external-url=http://a/am/]\n"
        "    image: prom/alertmanager:v0.33.1",
        "alertmanagers:",
        ("begin with /am, which path_prefix has to say",),
        elsewhere=PROMETHEUS,
    ),
    "no limit": Break(
        Rule.NO_LIMITS,
        COMPOSE,
        '{ cpus: "1", memory: 64M }',
        '{ cpus: "1" }',
        "web:",
        ("no limit for memory", "limits: { memory: ... }"),
    ),
    "no health check": Break(
        Rule.NO_READINESS,
        COMPOSE,
        HEALTH,
        "cooldown.down: 60s",
        "web:",
        ("neither the label alertscale.ready nor a health check",),
    ),
    "a health check that is off": Break(
        Rule.NO_READINESS,
        COMPOSE,
        HEALTH,
        "cooldown.down: 60s\n    healthcheck: { disable: true }",
        "web:",
        ("unless its image has one",),
    ),
    "several ports": Break(
        Rule.SEVERAL_PORTS,
        COMPOSE,
        "cooldown.down: 60s",
        'cooldown.down: 60s\n      alertscale.ready: /\n    expose: ["9000"]',
        "web:",
        ("exposes 80, 9000, not one port", "alertscale.port"),
    ),
    "a short grace": Break(
        Rule.SHORT_STOP_GRACE,
        COMPOSE,
        '    ports: ["80"]',
        "    stop_grace_period: 1s",
        "stop_grace_period",
        ("web", "1s", "ended by force", "take it out (10s)"),
    ),
    "a database": Break(
        Rule.STATEFUL_SERVICE,
        COMPOSE,
        "    image: web\n",
        "    image: registry.example.org/postgres:17\n    volumes: ['pg:/var/lib/postgresql/data']\n",
        "alertscale.enable",
        ("web is scaled but keeps data (/var/lib/postgresql/data)", "would write into pg"),
    ),
    "a database without a volume of a name": Break(
        Rule.STATEFUL_SERVICE,
        COMPOSE,
        "    image: web\n",
        "    image: redis@sha256:0\n",
        "alertscale.enable",
        ("keeps data (redis)", "no copies of one another", "scale what asks it"),
    ),
    "a step down for each container": Break(
        Rule.DOWN_PER_REPLICA,
        ALERTS,
        "expr: service:cpu:ratio < 0.3 and service:replicas:max",
        'expr: rate(container_cpu_usage_seconds_total{image!=""}[4s]) < 0.3',
        "image!=",
        ("LowCPU fires for each container by itself", "avg by (project, service)"),
    ),
    "a step down of a record for each container": Break(
        Rule.DOWN_PER_REPLICA,
        ALERTS,
        "expr: service:cpu:ratio < 0.3 and",
        "expr: 100 * replica:cpu:cores / on (project, service, name) limits < 30 and",
        "limits",
        ("LowCPU",),
    ),
    **{
        f"a step down of the least busy replica, {what}": Break(
            Rule.DOWN_PER_REPLICA,
            ALERTS,
            "expr: service:cpu:ratio < 0.3 and service:replicas:max",
            f"expr: {expression}",
            expression,
            ("LowCPU looks at the least busy replica alone", "avg by (project, service)"),
        )
        for what, expression in {
            "by min": "min by (project, service) (replica:cpu:cores) < 0.3",
            "by a low quantile": "quantile by (project, service) (0.1, replica:cpu:cores) < 0.3",
            "in per cent, and where there are several": (
                "100 * min by (project, service) (replica:cpu:cores) < 30 and service:replicas > 1"
            ),
            "by what it has left": "1 - min by (project, service) (replica:cpu:cores) > 0.7",
            "as one of two": "service:cpu:ratio < 0.1 or min by (project, service) (replica:cpu:cores) < 0.3",
        }.items()
    },
    "a step down of a record of the least busy replica": Break(
        Rule.DOWN_PER_REPLICA,
        RECORDS,
        "expr: avg by (project, service) (replica:cpu:cores)",
        "expr: min by (project, service) (replica:cpu:cores)",
        "service:cpu:ratio < 0.3",
        ("LowCPU looks at the least busy replica alone",),
        elsewhere=ALERTS,
    ),
    "a second document": Break(
        Rule.IGNORED_DOCUMENT,
        PROMETHEUS,
        "scrape_configs:\n",
        "scrape_configs: []\n---\nscrape_configs:\n",
        "",
        ("Prometheus reads only the first",),
    ),
    "another name for a file": Break(
        Rule.CONFIG_NOT_FOUND,
        COMPOSE,
        '"./alertmanager:/etc/alertmanager:ro"',
        '"./alertmanager/alertmanager.yml:/etc/alertmanager/config.yml:ro"',
        "",
        ("which no mount brings", "--config.file=/etc/alertmanager/config.yml"),
    ),
    "a receiver whose only webhook leads to its own container": Break(
        Rule.UNDELIVERED_ALERT,
        ALERTMANAGER,
        "    email_configs: [{ to: me@example.org }]\n",
        "    webhook_configs: [{ url: 'http://localhost:5001/' }]\n",
        "alert: Errors",
        ("'operator'", "localhost is Alertmanager's own container"),
        elsewhere=ALERTS,
    ),
    "a receiver whose only webhook leads to nobody": Break(
        Rule.UNDELIVERED_ALERT,
        ALERTMANAGER,
        "    email_configs: [{ to: me@example.org }]\n",
        "    webhook_configs: [{ url: 'http://bot:5001/' }]\n",
        "alert: Errors",
        ("reaches no service that is called bot",),
        elsewhere=ALERTS,
    ),
    "an alert that the scaler does not get": Break(
        Rule.SCALER_NOT_REACHED,
        ALERTMANAGER,
        '[alertname="Watchdog"]\n      receiver: scaler',
        '[alertname="Watchdog"]\n      receiver: operator',
        "alert: Watchdog",
        ("Watchdog", "'operator'", "/alerts"),
        elsewhere=ALERTS,
    ),
    **{
        f"the only webhook, to {url}": Break(
            Rule.OWN_SCALER_NOT_TOLD,
            ALERTMANAGER,
            "http://scaler:8000/alerts",
            url,
            url,
            (f"{url} leads out of it", "write url: http://scaler:8000/alerts"),
        )
        for url in ("https://example.org/alerts", "http://host.docker.internal:8000/alerts")
    },
    "a webhook without a token": Break(
        Rule.WEBHOOK_WITHOUT_TOKEN,
        ALERTMANAGER,
        "{ authorization: { credentials_file: /run/token } }",
        "{ follow_redirects: false }",
        "url:",
        ("'scaler'", "token", "credentials_file"),
    ),
    "equal intervals": Break(
        Rule.REPEAT_NOT_BELOW_GROUP,
        ALERTMANAGER,
        SCALING_ROUTE,
        SCALING_ROUTE.replace("4s", "5s"),
        "repeat_interval: 5s",
        ("5s", "HighCPU", "every 10s", "shorter than 5s"),
    ),
    "a repetition that the scaler does not wait for": Break(
        Rule.TTL_BELOW_REPETITION,
        ALERTMANAGER,
        SCALING_ROUTE,
        SCALING_ROUTE.replace("5s", "20s"),
        "group_interval: 20s",
        ("15s of silence", "HighCPU", "every 20s", "ALERTSCALE_SIGNAL_TTL"),
    ),
    "a scaler that forgets quickly": Break(
        Rule.TTL_BELOW_REPETITION,
        COMPOSE,
        "ALERTSCALE_LOG_LEVEL: info",
        "ALERTSCALE_SIGNAL_TTL: 5s",
        "",
        ("5s of silence", "every 5s"),
        elsewhere=ALERTMANAGER,
    ),
    "a file that is not YAML": Break(
        Rule.INVALID_YAML,
        ALERTMANAGER,
        "  receiver: operator\n",
        "  receiver: [operator\n",
        "",
        ("alertmanager.yml",),
    ),
    "a key that is there twice": Break(
        Rule.INVALID_YAML,
        COMPOSE,
        'alertscale.max: "5"',
        'alertscale.min: "5"',
        'alertscale.min: "5"',
        ("'alertscale.min'", "twice"),
    ),
    "a duration that is none": Break(
        Rule.UNEXPECTED_FORM, ALERTS, "for: 30s", "for: 30", "for: 30", ("for", "'30'", "such as")
    ),
    "a matcher that is none": Break(
        Rule.UNEXPECTED_FORM,
        ALERTMANAGER,
        """['scale=~"up|down"']""",
        "['scale']",
        "['scale']",
        ("'scale'", "matchers such as"),
    ),
    "an expression that is no PromQL": Break(
        Rule.UNREADABLE_EXPRESSION, ALERTS, "vector(1)", "vector(1", "vector(1", ("Watchdog", "promtool")
    ),
    "a rule file that is not there": Break(
        Rule.MISSING_RULE_FILE,
        PROMETHEUS,
        "alert.rules.yml]",
        "alert.rules.yml, more/*.yml]",
        "more/",
        ("more/*.yml", "take the name out"),
    ),
}


@pytest.mark.parametrize("case", BREAKS.values(), ids=list(BREAKS))
def test_one_change_breaks_one_rule(checkout: Checkout, case: Break) -> None:
    checkout.change(case.file, case.old, case.new)

    found = checkout.check()

    assert {f.rule for f in found} == {case.rule}
    where = case.elsewhere or case.file
    assert {str(f.file.relative_to(checkout.directory)) for f in found} == {where}
    if case.at:
        assert [f.line for f in found] == [checkout.line_of(where, case.at)]
    for word in case.says:
        assert word in f"{found[0].text} {found[0].way_out}"


@pytest.mark.parametrize("label", ["", "      alertscale.resources: cpu\n"])
def test_a_signal_for_whichever_service_has_it_is_missed_where_the_label_is(
    checkout: Checkout, label: str
) -> None:
    checkout.change(COMPOSE, "      alertscale.resources: cpu,memory\n", label)
    for name, old, new in (("High", "scale: up", "> 5"), ("Low", "scale: down", "< 1")):
        rule = f"      - alert: {name}Queue\n        expr: avg by (project, service) (queue) {new}\n"
        checkout.change(
            ALERTS,
            "      - alert: Watchdog",
            f"{rule}        labels: {{ {old}, resource: queue }}\n      - alert: Watchdog",
        )

    found = checkout.check()

    assert [f.rule for f in found] == ([] if label else [Rule.RESOURCE_NOT_NAMED])


def test_the_good_stack_has_no_findings(checkout: Checkout) -> None:
    assert checkout.check() == ()


def test_every_rule_is_broken_above_or_cannot_be_by_one_change_of_text() -> None:
    elsewhere = {
        Rule.UNREADABLE_FILE,
        # test_rulefiles.py
        Rule.RULE_FILE_NOT_READ,
        # test_needs.py
        Rule.NOTHING_ENABLED,
        Rule.SCALER_WITHOUT_SERVICE,
        Rule.INCLUDE_SAME_NAME,
        Rule.NAME_OF_OURS,
        Rule.NOT_ON_OUR_NETWORK,
        Rule.NO_PORT,
        Rule.NOTHING_ADDS,
    }

    assert {case.rule for case in BREAKS.values()} == set(Rule) - elsewhere


def test_a_file_that_cannot_be_opened_is_a_finding(checkout: Checkout) -> None:
    (checkout.directory / ALERTMANAGER).write_bytes(b"route: \xff\xfe")

    found = checkout.only()

    assert (found.rule, found.file.name, found.line) == (Rule.UNREADABLE_FILE, "alertmanager.yml", 1)


def test_every_finding_is_a_sentence_with_a_way_out_and_the_severity_of_its_rule(checkout: Checkout) -> None:
    for case in BREAKS.values():
        fresh = Checkout(directory=checkout.directory)
        fresh.change(case.file, case.old, case.new)
        for found in fresh.check():
            assert found.text
            assert found.way_out
            assert found.severity is severity_of(found.rule)


def test_what_stops_the_loop_is_an_error_and_what_worsens_it_a_warning() -> None:
    assert severity_of(Rule.UNDELIVERED_ALERT) is Severity.ERROR
    assert severity_of(Rule.SUM_NOT_AVERAGE) is Severity.WARNING


def test_every_rule_is_in_the_table_of_rules_or_about_reading_a_file() -> None:
    reading = {
        Rule.UNREADABLE_FILE,
        Rule.INVALID_YAML,
        Rule.UNEXPECTED_FORM,
        Rule.UNREADABLE_EXPRESSION,
        Rule.CONFIG_NOT_FOUND,
        Rule.IGNORED_DOCUMENT,
        Rule.MISSING_RULE_FILE,
        Rule.RULE_FILE_NOT_READ,
    }

    assert set(RULES) | reading == set(Rule)
    assert not set(RULES) & reading


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_in_the_documentation(rule: Rule) -> None:
    page = (Path(__file__).parents[4] / "docs" / "check.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(f"| `{rule}` |")]

    assert len(rows) == 1
    assert f"| {severity_of(rule)} |" in rows[0]
