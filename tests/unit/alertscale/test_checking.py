"""What the command hands to the package that checks, and what it makes of the findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check import Finding, Report, Rule, Source
from alertscale.check.findings import Place, finding
from alertscale.checking import UncheckableError, as_json, report_on
from alertscale.errors import Exit


def report(*findings: Finding) -> Report:
    sources = (Source(name="Compose files", files=(Path("compose.yml"),), note="project shop"),)
    return Report(findings=findings, sources=sources, services=3, scaled=1, alerts=4, routes=2)


def test_the_files_that_are_found_are_checked_with_the_variables(tmp_path: Path) -> None:
    compose = tmp_path / "docker-compose.yml"
    compose.write_text("services: {web: {image: w, labels: {alertscale.max: $MOST}}}")

    def found(**environment: str) -> set[tuple[Path, str]]:
        return {(one.file, one.rule) for one in report_on(tmp_path, environment=environment).findings}

    assert (compose, "unreadable-label") not in found(MOST="3")
    assert (compose, "unreadable-label") in found(MOST="many")


def test_a_directory_that_cannot_be_looked_into_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UncheckableError, match=r"^here: cannot be looked into: .* denied") as caught:
        report_on(Path("here"), environment={})
    assert "make it readable for you, or " in caught.value.way_out
    assert caught.value.exit is Exit.REFUSED


def test_a_directory_with_none_of_the_files_is_not_called_well(tmp_path: Path) -> None:
    with pytest.raises(UncheckableError, match=r": there is no Compose file") as caught:
        report_on(tmp_path, environment={})
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "alertscale check DIRECTORY" in caught.value.way_out


def test_the_json_counts_and_lists() -> None:
    place = Place(file=Path("prometheus/alert.rules.yml"), line=20)
    error = finding(Rule.UP_WITHOUT_DOWN, place, "HighCPU has no LowCPU", "add a rule with scale: down")
    warning = finding(Rule.SUM_NOT_AVERAGE, place, "a sum", "take avg")
    shown = as_json(report(error, warning))
    assert (shown["errors"], shown["warnings"]) == (1, 1)
    assert shown["findings"][0] == {
        "rule": "up-without-down",
        "severity": "error",
        "file": "prometheus/alert.rules.yml",
        "line": 20,
        "text": "HighCPU has no LowCPU",
        "way_out": "add a rule with scale: down",
    }
    assert shown["findings"][1]["severity"] == "warning"


def test_the_json_says_what_was_read() -> None:
    assert as_json(report())["read"] == {
        "files": [{"name": "Compose files", "files": ["compose.yml"], "note": "project shop"}],
        "services": 3,
        "scaled": 1,
        "alerts": 4,
        "routes": 2,
    }
