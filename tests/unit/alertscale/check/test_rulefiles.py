"""Which rule files Prometheus reads, as its container sees them."""

from __future__ import annotations

import pytest

from tests.unit.alertscale.check.good import ALERTS, COMPOSE, PROMETHEUS, RECORDS, Checkout

MOUNT = '"./prometheus:/etc/prometheus:ro"'
NAMED = "rule_files: [recording.rules.yml, alert.rules.yml]"
MORE = "groups: [{ name: more, rules: [{ alert: More, expr: vector(1) }] }]\n"


def read(checkout: Checkout) -> list[str]:
    return [str(path.relative_to(checkout.directory)) for path in checkout.report().sources[2].files]


def test_patterns_and_paths_of_the_container_are_followed(checkout: Checkout) -> None:
    for name in ("prometheus/more/b.yml", "prometheus/more/a.yml"):
        checkout.write(name, MORE)
    checkout.change(PROMETHEUS, NAMED, "rule_files: ['/etc/prometheus/*.rules.yml', 'more/[^x]*.yml']")

    assert read(checkout) == [ALERTS, RECORDS, "prometheus/more/a.yml", "prometheus/more/b.yml"]
    assert checkout.check() == ()


def test_they_may_be_mounted_from_elsewhere(checkout: Checkout) -> None:
    checkout.write("rules/one.yml", MORE)
    checkout.write("two.yml", MORE)
    checkout.change(PROMETHEUS, NAMED, NAMED.replace("[", "[/etc/rules/*.yml, "))
    checkout.change(COMPOSE, MOUNT, f'{MOUNT}, "./rules:/etc/rules", "./two.yml:/etc/rules/two.yml"')

    assert read(checkout) == ["rules/one.yml", "two.yml", RECORDS, ALERTS]
    assert checkout.check() == ()


def test_they_are_found_by_name_if_prometheus_yml_cannot_be_read(checkout: Checkout) -> None:
    checkout.write(PROMETHEUS, "rule_files: [")

    assert read(checkout) == [ALERTS, RECORDS]


def test_one_that_is_beside_but_not_in_the_container_is_named(checkout: Checkout) -> None:
    mounts = ", ".join(
        f'"./prometheus/{name}:/etc/prometheus/{name}"' for name in ("prometheus.yml", "recording.rules.yml")
    )
    checkout.change(COMPOSE, MOUNT, mounts)

    found = next(f for f in checkout.check() if f.rule == "missing-rule-file")

    assert "in its container" in found.text
    assert found.way_out == f"mount {checkout.directory / ALERTS} as /etc/prometheus/alert.rules.yml"


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("prometheus/more.yml", "add more.yml to rule_files"),
        ("prometheus/rules/more.yaml", "add rules/more.yaml to rule_files"),
        ("prometheus/alert.rules", "add alert.rules to rule_files"),
    ],
)
def test_one_that_is_there_and_that_nobody_names_is_an_error(
    checkout: Checkout, name: str, way_out: str
) -> None:
    checkout.write(name, MORE)

    found = checkout.only()

    assert (found.rule, found.way_out) == ("rule-file-not-read", way_out)
    assert str(found.file.relative_to(checkout.directory)) == name
    assert "its 1 rules" in found.text


def test_one_that_is_neither_named_nor_mounted_is_to_be_both(checkout: Checkout) -> None:
    names = ("prometheus.yml", "recording.rules.yml", "alert.rules.yml")
    checkout.change(
        COMPOSE, MOUNT, ", ".join(f'"./prometheus/{name}:/etc/prometheus/{name}"' for name in names)
    )
    checkout.write("prometheus/more.yml", MORE)

    assert checkout.only().way_out == (
        "add more.yml to rule_files, and mount it beside /etc/prometheus/prometheus.yml"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("rule_files: [../alert.rules.yml]\ntests: []\n", id="a test of promtool's"),
        pytest.param("groups: [{ rules: [{ uid: a, title: expr }] }]\n", id="Grafana's rules"),
        pytest.param("groups: [rules, expr\n", id="no YAML"),
        pytest.param("groups: [{ rules: [{ alert: A, expr: '' }] }]\n", id="a rule without an expression"),
    ],
)
def test_what_is_beside_and_is_no_rule_file_is_left_alone(checkout: Checkout, text: str) -> None:
    checkout.write("prometheus/more.yml", text)

    assert checkout.check() == ()
