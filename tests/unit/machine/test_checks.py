"""Configuration files are checked by the pinned programs, whose failure is the check's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.checks import all_checks, run
from machine.errors import EngineError, ImageError
from machine.images import Image

if TYPE_CHECKING:
    from pathlib import Path

PINNED = (
    Image(repository="nginx", tag="1"),
    Image(repository="prom/prometheus", tag="v2"),
    Image(repository="prom/alertmanager", tag="v3"),
)


def test_every_kind_of_file_is_checked_with_the_pinned_image(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    for name in ("alert.rules.yml", "recording.rules.yml"):
        (tmp_path / "prometheus" / name).touch()
    found = all_checks(tmp_path, PINNED)
    assert list(found) == [
        "docker compose config: docker-compose.yml",
        "docker compose config: docker-compose.yml + docker-compose.cadvisor.yml",
        "docker compose config: docker-compose.yml + docker-compose.tls.yml",
        "promtool check config",
        "promtool check config, on Swarm",
        "promtool check rules",
        "amtool check-config",
        "nginx -t, on Swarm",
        "nginx -t",
        "nginx -t, with TLS",
    ]
    assert found["promtool check rules"][-2:] == (
        "/etc/prometheus/alert.rules.yml",
        "/etc/prometheus/recording.rules.yml",
    )
    assert found["amtool check-config"][-3:] == ("prom/alertmanager:v3", "/etc/alertmanager/run.sh", "check")
    assert found["nginx -t"][-3:-1] == ("nginx:1", "-c")
    assert found["nginx -t"][-1].startswith("/docker-entrypoint.sh nginx -t && ")


def test_a_program_that_is_pinned_nowhere_cannot_check(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="prom/prometheus"):
        all_checks(tmp_path, PINNED[:1])


def test_all_checks_run_and_all_that_fail_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError, match="failed: one, three"):
        run(
            {
                "one": ("sh", "-c", "echo because >&2; exit 1"),
                "two": ("true",),
                "three": ("false",),
            }
        )
    shown = capsys.readouterr().out
    assert "because" in shown
    assert "two" in shown
