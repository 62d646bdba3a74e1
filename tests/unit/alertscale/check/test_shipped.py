"""What we ship has no findings, and what the check takes from the scaler is still what the scaler has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alertscale.check import check
from alertscale.check.promrules import WATCHDOG
from alertscale.check.rules.routes import DEFAULT_TTL
from scaler.policy import watchdog
from scaler.settings import read_settings

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    "files",
    [
        "docker-compose.yml",
        "docker-compose.yml:docker-compose.cadvisor.yml",
        "docker-compose.yml:docker-compose.tls.yml",
        "docker-stack.yml",
    ],
)
def test_the_shipped_files_are_found_and_have_no_findings(files: str) -> None:
    report = check(ROOT, environment={"COMPOSE_FILE": files})

    assert report.findings == ()
    assert [[str(file.relative_to(ROOT)) for file in source.files] for source in report.sources] == [
        files.split(":"),
        ["prometheus/swarm/prometheus.yml" if "stack" in files else "prometheus/prometheus.yml"],
        ["prometheus/recording.rules.yml", "prometheus/alert.rules.yml"],
        ["alertmanager/alertmanager.yml"],
        ["nginx/conf.d/default.conf", *(["nginx/swarm/status.conf"] if "stack" in files else [])],
    ]
    assert (report.scaled, report.absent) == (1, ())


def test_what_is_wrong_with_a_copy_of_them_is_found(tmp_path: Path) -> None:
    for name in ("docker-compose.yml", "prometheus", "alertmanager", "nginx"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    rules = tmp_path / "prometheus/alert.rules.yml"
    rules.write_text(rules.read_text().replace("ratio < 0.30", "ratio < 0.40"))

    found = check(tmp_path).findings

    assert [(f.rule, f.file) for f in found] == [("flapping-thresholds", rules)]


def test_the_time_after_which_the_scaler_forgets_an_alert_is_the_scalers_own() -> None:
    assert read_settings({}).signal_ttl == DEFAULT_TTL


def test_the_alert_that_always_fires_is_the_scalers_own() -> None:
    assert watchdog.WATCHDOG == WATCHDOG
