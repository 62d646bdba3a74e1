"""What a service of one's own project needs, beside an alertscale that stands elsewhere or with one in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alertscale.check import Finding, check
from alertscale.check.rules.needs import OURS
from tests.unit.alertscale.check.good import COMPOSE, HEALTH, Checkout

ROOT = Path(__file__).parents[4]
SHOP = """\
services:
  web:
    image: web
    labels:
      alertscale.enable: "true"
      alertscale.ready: /
      alertscale.port: "8000"
    deploy: { resources: { limits: { cpus: "1", memory: 64M } } }
    networks: [default, alertscale]
  worker: { image: worker }
networks:
  alertscale: { external: true, name: alertscale_default }
"""
PROMETHEUS = """\
  prometheus:
    image: prom/prometheus:v3.5.3
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml"]
networks:
"""


def found(folder: Path, text: str, **files: str) -> list[Finding]:
    (folder / "compose.yml").write_text(text)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return list(check(folder).findings)


def rules(findings: list[Finding]) -> list[str]:
    return [one.rule for one in findings]


def nothing_scaled(checkout: Checkout, projects: str) -> None:
    checkout.change(COMPOSE, '      alertscale.enable: "true"\n', "")
    checkout.change(COMPOSE, "{ alertscale.component: nginx }", "{}")
    checkout.change(COMPOSE, "ALERTSCALE_LOG_LEVEL: info", f"ALERTSCALE_PROJECTS: '{projects}'")


def test_a_project_beside_alertscale_is_whole(tmp_path: Path) -> None:
    assert found(tmp_path, SHOP) == []

    report = check(tmp_path)
    assert (report.scaled, report.services) == (1, 2)
    assert report.absent == ("Prometheus' file", "rule files", "Alertmanager's file")


class TestNothingEnabled:
    def test_a_project_of_which_nothing_is_scaled_is_no_good_one(self, tmp_path: Path) -> None:
        (one,) = found(tmp_path, SHOP.replace('"true"', '"false"'))

        assert (one.rule, one.line) == ("nothing-enabled", 2)
        assert 'put alertscale.enable: "true" under labels' in one.way_out

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('alertscale.enable: "true"', "alertscale.enable: $UNKNOWN"),
            ("{ image: worker }", "{ extends: { file: x.yml, service: y } }"),
            ("services:\n", "include: [../x.yml]\nservices:\n"),
            ("{ image: worker }", "{ image: s, labels: [alertscale.component=scaler] }"),
        ],
    )
    def test_something_may_be_scaled_after_all(self, tmp_path: Path, old: str, new: str) -> None:
        text = SHOP.replace('enable: "true"', 'enable: "false"') if "enable" not in old else SHOP

        assert "nothing-enabled" not in rules(found(tmp_path, text.replace(old, new)))

    @pytest.mark.parametrize("told", ["", "shop"])
    def test_a_scaler_with_nothing_to_scale_is_told_of(self, checkout: Checkout, told: str) -> None:
        nothing_scaled(checkout, told)

        one = checkout.only()

        assert (one.rule, one.severity) == ("scaler-without-service", "warning")
        assert one.line == checkout.line_of(COMPOSE, "  scaler:")
        assert "no service beside scaler has the label alertscale.enable" in one.text
        assert "name them in ALERTSCALE_PROJECTS" in one.way_out

    @pytest.mark.parametrize(("told", "others"), [("shop, wiki", ("wiki",)), ("$UNKNOWN", ())])
    def test_a_scaler_may_be_for_projects_elsewhere(
        self, checkout: Checkout, told: str, others: tuple[str, ...]
    ) -> None:
        nothing_scaled(checkout, told)

        report = checkout.report()

        assert (report.findings, report.scaled, report.others) == ((), 0, others)


class TestPorts:
    def test_nothing_says_where_it_serves(self, tmp_path: Path) -> None:
        (one,) = found(tmp_path, SHOP.replace('      alertscale.port: "8000"\n', ""))

        assert (one.rule, one.line) == ("no-port", 2)
        assert "unless its image exposes one, and one only" in one.text

    @pytest.mark.parametrize(
        "instead",
        [
            '    expose: ["80"]\n',
            '    ports: ["80", "53/udp"]\n',
            "    expose: [$UNKNOWN]\n",
            "    build: ./gone\n",
            "    healthcheck: { test: [CMD, x] }\n",
        ],
    )
    def test_a_port_that_is_known_or_needed_by_nobody(self, tmp_path: Path, instead: str) -> None:
        text = SHOP.replace('      alertscale.port: "8000"\n', instead)
        if "healthcheck" in instead:
            text = text.replace("      alertscale.ready: /\n", "")

        assert found(tmp_path, text) == []

    def test_what_its_image_is_built_by_is_read(self, tmp_path: Path) -> None:
        text = SHOP.replace('      alertscale.port: "8000"\n', "    build: .\n").replace(
            "      alertscale.ready: /\n", ""
        )

        assert rules(found(tmp_path, text, Dockerfile="FROM x\n")) == ["no-port", "no-readiness"]
        assert rules(found(tmp_path, text, Dockerfile="FROM x\nEXPOSE 80 81\n")) == [
            "no-readiness",
            "several-ports",
        ]
        assert rules(found(tmp_path, text, Dockerfile="FROM x\nEXPOSE 80\nHEALTHCHECK CMD y\n")) == []
        assert rules(found(tmp_path, text, Dockerfile="FROM x\nEXPOSE $A 80\n")) == ["no-readiness"]


class TestNetworks:
    def test_one_that_is_on_no_network_of_alertscales_is_never_ready(self, tmp_path: Path) -> None:
        (one,) = found(tmp_path, SHOP.replace("    networks: [default, alertscale]\n", ""))

        assert (one.rule, one.line) == ("not-on-our-network", 2)
        assert "networks: [default, alertscale]" in one.way_out

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("name: alertscale_default", "name: other"),
            ("      alertscale.ready: /\n", "    healthcheck: { test: [CMD, x] }\n"),
        ],
    )
    def test_one_on_another_external_network_or_whose_health_check_decides(
        self, tmp_path: Path, old: str, new: str
    ) -> None:
        text = SHOP.replace(old, new)
        if "healthcheck" in new:
            text = text.replace('      alertscale.port: "8000"\n', "").replace(
                "[default, alertscale]", "[default]"
            )
            text = text.replace(new, "").replace(
                "    networks: [default]", f"    networks: [default]\n{new}".rstrip()
            )

        assert found(tmp_path, text) == []

    def test_the_scaler_may_be_in_the_project_itself(self, checkout: Checkout) -> None:
        checkout.change(COMPOSE, HEALTH, "cooldown.down: 60s\n      alertscale.ready: /")
        checkout.change(COMPOSE, "      default: { aliases: [shop] }", "      apart: { aliases: [shop] }")

        assert checkout.only().rule == "not-on-our-network"

    @pytest.mark.parametrize(
        ("old", "new", "name"),
        [
            ("  worker: { image: worker }", "  nginx: { image: n, networks: [alertscale] }", "nginx"),
            (
                "{ image: worker }",
                "{ image: w, networks: { alertscale: { aliases: [exporter] } } }",
                "exporter",
            ),
            ("{ image: worker }", "{ image: w, container_name: scaler, networks: [alertscale] }", "scaler"),
        ],
    )
    def test_a_name_of_ours_on_our_network_is_an_error(
        self, tmp_path: Path, old: str, new: str, name: str
    ) -> None:
        (one,) = found(tmp_path, SHOP.replace(old, new))

        assert one.rule == "name-of-ours"
        assert f"is called {name} on the network alertscale" in one.text

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("  worker: { image: worker }", "  nginx: { image: n }"),
            ("{ image: worker }", "{ image: w, networks: { default: { aliases: [scaler] }, alertscale: } }"),
        ],
    )
    def test_a_name_of_ours_elsewhere_is_none(self, tmp_path: Path, old: str, new: str) -> None:
        assert found(tmp_path, SHOP.replace(old, new)) == []

    def test_our_names_are_those_of_our_stack(self) -> None:
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

        assert {n for n, service in services.items() if service.get("network_mode") != "none"} == OURS


class TestTheLoop:
    def test_a_prometheus_that_never_adds_is_told_where_it_is_the_one_that_measures(
        self, tmp_path: Path
    ) -> None:
        alone = SHOP.replace("[default, alertscale]", "[default]").replace(
            "networks:\n  alertscale", f"{PROMETHEUS}  alertscale"
        )

        findings = found(tmp_path, alone, prometheus_yml="scrape_configs: []\n")

        assert rules(findings) == ["not-on-our-network", "nothing-adds", "watchdog-missing"]
        assert "no alert with scale: up can be about it" in findings[1].text

    def test_a_prometheus_of_ones_own_beside_alertscales_need_not_scale(self, tmp_path: Path) -> None:
        beside = SHOP.replace("networks:\n  alertscale", f"{PROMETHEUS}  alertscale")

        assert found(tmp_path, beside, prometheus_yml="scrape_configs: []\n") == []

    def test_a_webhook_of_somebody_elses_is_none_to_the_scaler(self, tmp_path: Path) -> None:
        urls = ("http://localhost:5001/alerts", "http://worker:8000/alerts", "http://bot.example.org/alerts")
        routes = "".join(f"      - url: {url}\n" for url in urls)
        timing = "group_interval: 5s, repeat_interval: 4s"
        alertmanager = (
            f"route: {{ receiver: a, {timing} }}\nreceivers:\n  - name: a\n    webhook_configs:\n{routes}"
        )
        watchdog = "groups: [{ rules: [{ alert: Watchdog, expr: vector(1) }] }]"
        prometheus = (
            "rule_files: [a.rules.yml]\n"
            "alerting: { alertmanagers: [{ static_configs: [{ targets: [am:9093] }] }] }\n"
        )

        findings = found(
            tmp_path, SHOP, alertmanager_yml=alertmanager, prometheus_yml=prometheus, a_rules_yml=watchdog
        )

        assert findings == []

    def test_a_service_whose_count_is_fixed_needs_no_alert(self, checkout: Checkout) -> None:
        checkout.change(COMPOSE, 'max: "5"', 'max: "1"')
        checkout.write(
            "prometheus/alert.rules.yml", "groups: [{ rules: [{ alert: Watchdog, expr: vector(1) }] }]"
        )

        assert checkout.check() == ()


class TestIncludes:
    OURS = "services: { nginx: { image: 'nginx:1' }, more: { image: m } }"

    def test_a_service_of_ones_own_that_is_called_as_an_included_one(self, checkout: Checkout) -> None:
        checkout.write("ours/compose.yml", self.OURS)
        checkout.change(COMPOSE, "name: shop", "name: shop\ninclude: [ours/compose.yml]")
        checkout.change(COMPOSE, "    image: nginx\n", "    image: caddy\n")

        one = checkout.only()

        assert (one.rule, one.line) == ("include-same-name", checkout.line_of(COMPOSE, "  nginx:"))
        assert f"stands in {checkout.directory / 'ours/compose.yml'} too" in one.text

    @pytest.mark.parametrize("image", ["nginx:2", "nginx@sha256:0"])
    def test_a_later_version_of_an_included_one_is_meant(self, checkout: Checkout, image: str) -> None:
        checkout.write("ours/compose.yml", self.OURS)
        checkout.change(COMPOSE, "name: shop", "name: shop\ninclude: [ours/compose.yml]")
        checkout.change(COMPOSE, "    image: nginx\n", f"    image: {image}\n")

        assert checkout.check() == ()

    def test_an_override_file_is_meant(self, checkout: Checkout) -> None:
        checkout.write("docker-compose.override.yml", "services: { nginx: { image: caddy } }")

        assert checkout.check() == ()
