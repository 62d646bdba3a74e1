from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check import Files, check, find_files
from tests.unit.alertscale.check.good import ALERTMANAGER, ALERTS, ALERTS_MOVED, COMPOSE, PROMETHEUS, Checkout


def test_an_empty_directory_has_no_files_and_no_findings(tmp_path: Path) -> None:
    found = find_files(tmp_path)

    assert found == Files()
    assert check(Files()) == ()


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_a_compose_file_is_found_by_any_of_composes_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert find_files(tmp_path).compose == (tmp_path / name,)


def test_an_override_is_laid_over_as_compose_does(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "compose.override.yaml").touch()

    assert find_files(tmp_path).compose == (tmp_path / "compose.yaml", tmp_path / "compose.override.yaml")


def test_rule_files_are_those_that_prometheus_reads_patterns_and_paths_in_its_container(
    checkout: Checkout,
) -> None:
    checkout.write("prometheus/more/b.yml", "")
    checkout.write("prometheus/more/a.yml", "")
    checkout.write("prometheus/unused.rules.yml", "")
    checkout.write(PROMETHEUS, "rule_files: [/etc/prometheus/alert.rules.yml, more/*.yml]")

    found = [str(path.relative_to(checkout.directory)) for path in find_files(checkout.directory).rules]

    assert found == [ALERTS, "prometheus/more/a.yml", "prometheus/more/b.yml"]


def test_rule_files_are_found_by_name_if_prometheus_yml_cannot_be_read(checkout: Checkout) -> None:
    checkout.write(PROMETHEUS, "rule_files: [")

    assert [path.name for path in find_files(checkout.directory).rules] == [
        "alert.rules.yml",
        "recording.rules.yml",
    ]


def test_all_that_is_wrong_is_found_together_and_in_order(checkout: Checkout) -> None:
    checkout.change(COMPOSE, 'alertscale.max: "5"', "alertscale.max: five")
    checkout.change(COMPOSE, "alertscale.cooldown.up", "alertscale.cooldown.upp")
    checkout.change(ALERTS, "for: 30s", "for: 30")
    checkout.write(ALERTMANAGER, "route: [")

    assert [(f.rule, f.file.name) for f in checkout.check()] == [
        ("invalid-yaml", "alertmanager.yml"),
        ("unreadable-label", "docker-compose.yml"),
        ("unknown-label", "docker-compose.yml"),
        ("unexpected-form", "alert.rules.yml"),
    ]


def test_nothing_is_said_to_be_missing_while_a_rule_file_cannot_be_read(checkout: Checkout) -> None:
    checkout.write(ALERTS, "groups: [")

    assert checkout.only().rule == "invalid-yaml"


def test_no_service_is_said_to_be_missing_while_a_compose_file_cannot_be_read(checkout: Checkout) -> None:
    checkout.change(ALERTS, "expr: vector(1)", "expr: vector(1)\n" + ALERTS_MOVED)
    checkout.write("docker-compose.override.yml", "services: [")

    assert checkout.only().rule == "invalid-yaml"


@pytest.mark.parametrize("path", [Path("nowhere.yml"), Path("/"), Path("a\0b")])
def test_a_path_that_cannot_be_read_is_a_finding_whatever_it_is_given_as(path: Path) -> None:
    found = check(Files(compose=(path,), rules=(path,), prometheus=path, alertmanager=path))

    assert [f.rule for f in found] == ["unreadable-file"]


def test_variables_come_from_dot_env_and_first_from_the_environment(checkout: Checkout) -> None:
    checkout.change(COMPOSE, 'max: "5"', "max: $MOST")
    assert checkout.check() == ()

    checkout.write(".env", "# the most\nexport MOST='0'\n")
    assert checkout.only().text.startswith("web: alertscale.max: '0'")

    checkout.environment["MOST"] = "7"
    assert checkout.check() == ()
