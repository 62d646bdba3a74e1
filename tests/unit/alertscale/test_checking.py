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
    line: int = 20
    text: str = "HighCPU has no LowCPU"
    way_out: str = "add a rule with scale: down and resource: cpu"


@dataclass(frozen=True, kw_only=True)
class Sources:
    compose: tuple[Path, ...] = (Path("c"),)
    rules: tuple[Path, ...] = (Path("r"),)
    prometheus: Path | None = Path("p")
    alertmanager: Path | None = Path("a")


@dataclass
class Checker:
    """Stands for :mod:`alertscale.check`."""

    findings: tuple[Found, ...] = ()
    error: Exception | None = None
    files: Sources = Sources()
    asked: list[object] = field(default_factory=list)

    def find_files(self, directory: Path) -> Sources:
        self.asked.append(directory)
        if self.error:
            raise self.error
        return self.files

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
    assert checker.asked == [Path("here"), ((Path("c"),), (Path("r"),), Path("p"), Path("a"), {"TAG": "1"})]


def test_a_directory_that_cannot_be_looked_into_is_named_with_the_way_out() -> None:
    checker = Checker(error=PermissionError(13, "Permission denied"))
    with pytest.raises(UncheckableError, match=r"^here: cannot be looked into: .* denied") as caught:
        findings_in(Path("here"), checker, environment={})
    assert "make it readable for you, or " in caught.value.way_out
    assert caught.value.exit is Exit.REFUSED


def test_a_directory_with_none_of_the_files_is_not_called_well() -> None:
    checker = Checker(files=Sources(compose=(), rules=(), prometheus=None, alertmanager=None))
    with pytest.raises(UncheckableError, match=r"^here: there is no Compose file") as caught:
        findings_in(Path("here"), checker, environment={})
    assert "alertscale check DIRECTORY" in caught.value.way_out
    assert checker.asked == [Path("here")]


def test_the_json_counts_and_lists() -> None:
    shown = as_json([Found(), Found(severity="warning", line=21)])
    assert (shown["errors"], shown["warnings"]) == (1, 1)
    assert shown["findings"][0] == {
        "rule": "up-without-down",
        "severity": "error",
        "file": "prometheus/alert.rules.yml",
        "line": 20,
        "text": "HighCPU has no LowCPU",
        "way_out": "add a rule with scale: down and resource: cpu",
    }
    assert shown["findings"][1]["line"] == 21
