"""What the command hands to the package that checks, and what it makes of the findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alertscale.checking import UncheckableError, as_json, findings_in
from alertscale.errors import Exit


@dataclass(frozen=True, kw_only=True)
class Found:
    rule: str = "up-without-down"
    severity: str = "error"
    file: Path = Path("prometheus/alert.rules.yml")
    line: int | None = 20
    text: str = "HighCPU has no LowCPU"
    way_out: str = "add a rule with scale: down and resource: cpu"


@dataclass(frozen=True, kw_only=True)
class Sources:
    compose: Path = Path("c")
    rules: tuple[Path, ...] = (Path("r"),)
    prometheus: Path = Path("p")
    alertmanager: Path = Path("a")


@dataclass
class Checker:
    """Stands for :mod:`alertscale.check`."""

    findings: tuple[Found, ...] = ()
    error: Exception | None = None
    asked: list[object] = field(default_factory=list)

    def find_files(self, directory: Path) -> Sources:
        self.asked.append(directory)
        if self.error:
            raise self.error
        return Sources()

    def check(
        self,
        *,
        compose: object,
        rules: object,
        prometheus: object,
        alertmanager: object,
        environment: Mapping[str, str] | None,
    ) -> tuple[Found, ...]:
        self.asked.append((compose, rules, prometheus, alertmanager, environment))
        return self.findings


def test_the_files_that_are_found_are_checked() -> None:
    checker = Checker(findings=(Found(),))
    assert findings_in(Path("here"), checker, environment={"TAG": "1"}) == (Found(),)
    assert checker.asked == [Path("here"), (Path("c"), (Path("r"),), Path("p"), Path("a"), {"TAG": "1"})]


@pytest.mark.parametrize("error", [FileNotFoundError("no docker-compose.yml"), ValueError("line 3: no YAML")])
def test_files_that_cannot_be_read_are_named_with_the_way_out(error: Exception) -> None:
    with pytest.raises(UncheckableError, match=str(error)) as caught:
        findings_in(Path("here"), Checker(error=error), environment={})
    assert "alertscale check DIRECTORY" in caught.value.way_out
    assert caught.value.exit is Exit.REFUSED


def test_the_json_counts_and_lists() -> None:
    shown = as_json([Found(), Found(severity="warning", line=None)])
    assert (shown["errors"], shown["warnings"]) == (1, 1)
    assert shown["findings"][0] == {
        "rule": "up-without-down",
        "severity": "error",
        "file": "prometheus/alert.rules.yml",
        "line": 20,
        "text": "HighCPU has no LowCPU",
        "way_out": "add a rule with scale: down and resource: cpu",
    }
    assert shown["findings"][1]["line"] is None
