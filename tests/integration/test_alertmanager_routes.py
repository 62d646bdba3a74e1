"""The routes and every combination of receivers, by the amtool of the pinned image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from machine.checks import SOME_MAIL
from tests.integration import amtool
from tests.integration.amtool import IMAGE, ROOT, Amtool

pytestmark = pytest.mark.engine

ALERTS: dict[str, dict[str, str]] = {
    rule["alert"]: rule.get("labels", {})
    for group in yaml.safe_load((ROOT / "prometheus" / "alert.rules.yml").read_text())["groups"]
    for rule in group["rules"]
}
FROM_SERIES = {"project": "shop", "service": "web", "instance": "web:80", "job": "web"}
"""Labels that an alert may take over from its series."""
RECORDED_AND_TOLD = ["scaler", "operator"]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amtool]:
    with amtool.running(tmp_path_factory.mktemp("data")) as started:
        yield started


def receivers_of(tool: Amtool, labels: dict[str, str]) -> list[str]:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = tool("config", "routes", "test", "--config.file=/etc/alertmanager/alertmanager.yml", *pairs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().split(",")


def check(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    """Run the check of run.sh over a folder such as alertmanager/."""
    environment = [word for setting in settings for word in ("--env", setting)]
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        *environment,
        "-v",
        f"{folder}:/etc/alertmanager:ro",
    ]
    command += ["--entrypoint=sh", IMAGE, "/etc/alertmanager/run.sh", "check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of alertmanager/ that the user of the image may read."""
    tmp_path.chmod(0o755)
    return Path(shutil.copytree(ROOT / "alertmanager", tmp_path / "alertmanager"))


def test_the_configuration_is_valid(tool: Amtool) -> None:
    done = tool("check-config", "/etc/alertmanager/alertmanager.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


def test_it_is_valid_with_none_of_the_receivers_with_each_and_with_all() -> None:
    done = check(ROOT / "alertmanager", *SOME_MAIL)

    assert done.returncode == 0, done.stdout + done.stderr
    kinds = ("email", "slack", "telegram", "webhook")
    tried = [line for line in done.stdout.splitlines() if line.startswith("--- receivers:")]
    assert tried == [
        f"--- receivers: {kind} -> {on}"
        for kind, on in (("none", "none"), *zip(kinds, kinds, strict=True), ("all", " ".join(kinds)))
    ]
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("kind", ["slack", "webhook"])
def test_a_receiver_with_a_fault_fails_the_check_and_is_named(copy: Path, kind: str) -> None:
    with (copy / "receivers" / f"{kind}.yml").open("a") as file:
        file.write("    no_such_option: 1\n")

    done = check(copy, *SOME_MAIL)

    assert done.returncode == 1
    assert "no_such_option" in done.stdout
    parts = {part.split(maxsplit=1)[0]: part for part in done.stdout.split("--- receivers: ")[1:]}
    assert [name for name, part in parts.items() if "FAILED" in part] == [kind, "all"]


def test_a_receiver_whose_settings_are_missing_is_left_out_and_named() -> None:
    done = check(ROOT / "alertmanager", *SOME_MAIL[:2])

    assert "--- receivers: email -> none" in done.stdout
    assert "receivers/email.yml: its secret is there, but in .env there is no SMTP_TO" in done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_of_the_rules_reaches_the_receivers_that_are_meant_for_it(tool: Amtool, alert: str) -> None:
    plain = {k: v for k, v in ALERTS[alert].items() if "{{" not in v}
    meant = ["scaler"] if "scale" in plain or alert == "Watchdog" else RECORDED_AND_TOLD

    assert receivers_of(tool, {**FROM_SERIES, **plain, "alertname": alert}) == meant


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "NobodyForesawThis"},
        {"severity": "page", "team": "elsewhere"},
        {"alertname": "Misspelt", "scale": "sideways"},
        {},
    ],
    ids=["unknown name", "no name", "unknown direction", "no labels"],
)
def test_an_alert_that_nobody_foresaw_is_shown_and_told(tool: Amtool, labels: dict[str, str]) -> None:
    assert receivers_of(tool, labels) == RECORDED_AND_TOLD


def test_the_receivers_of_the_routes_are_those_that_are_defined() -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())

    assert [receiver["name"] for receiver in config["receivers"]] == RECORDED_AND_TOLD
