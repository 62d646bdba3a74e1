"""What we ship has no findings, and what the check takes from the scaler is still what the scaler has."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alertscale.check import check, find_files
from alertscale.check.promrules import WATCHDOG
from alertscale.check.rules.routes import DEFAULT_TTL
from scaler.policy import watchdog
from scaler.settings import read_settings

ROOT = Path(__file__).parents[4]
SHIPPED = find_files(ROOT)


def test_the_shipped_files_are_found() -> None:
    assert SHIPPED.compose == (ROOT / "docker-compose.yml",)
    assert SHIPPED.rules == (ROOT / "prometheus/recording.rules.yml", ROOT / "prometheus/alert.rules.yml")
    assert SHIPPED.prometheus == ROOT / "prometheus/prometheus.yml"
    assert SHIPPED.alertmanager == ROOT / "alertmanager/alertmanager.yml"


@pytest.mark.parametrize("overlays", [(), ("docker-compose.cadvisor.yml",)], ids=["plain", "cadvisor"])
def test_the_shipped_files_have_no_findings(overlays: tuple[str, ...]) -> None:
    files = replace(SHIPPED, compose=(*SHIPPED.compose, *(ROOT / name for name in overlays)))

    assert check(files) == ()


def test_what_is_wrong_with_a_copy_of_them_is_found(tmp_path: Path) -> None:
    for name in ("docker-compose.yml", "prometheus", "alertmanager"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    rules = tmp_path / "prometheus/alert.rules.yml"
    rules.write_text(rules.read_text().replace("ratio < 0.30", "ratio < 0.40"))

    found = check(find_files(tmp_path))

    assert [(f.rule, f.file) for f in found] == [("flapping-thresholds", rules)]


def test_the_time_after_which_the_scaler_forgets_an_alert_is_the_scalers_own() -> None:
    assert read_settings({}).signal_ttl == DEFAULT_TTL


def test_the_alert_that_always_fires_is_the_scalers_own() -> None:
    assert watchdog.WATCHDOG == WATCHDOG
