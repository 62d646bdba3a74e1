"""What the scaler makes of ``alertscale check`` at its start."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scaler.config_check import COMMAND, CheckFailedError, SelfCheck, read_report
from scaler.model.errors import AlertscaleError

ROOT = Path(__file__).parents[3]
REAL = (sys.executable, "-m", *COMMAND)


def copy_stack(target: Path) -> Path:
    shutil.copy(ROOT / "docker-compose.yml", target)
    for name in ("prometheus", "alertmanager", "nginx/conf.d"):
        shutil.copytree(ROOT / name, target / name)
    return target


def checked(directory: Path, command: Sequence[str] = REAL) -> tuple[SelfCheck, list[AlertscaleError]]:
    survived: list[AlertscaleError] = []
    check = SelfCheck(
        directory=directory, survived=lambda _where, error: survived.append(error), command=command
    )
    check.run()
    return check, survived


def test_nothing_is_found_in_the_stack_as_shipped(tmp_path: Path) -> None:
    check, survived = checked(copy_stack(tmp_path))
    assert (check.findings(), survived) == ((), [])


def test_a_finding_has_its_place_in_the_stack_and_its_way_out(tmp_path: Path) -> None:
    compose = copy_stack(tmp_path) / "docker-compose.yml"
    compose.write_text(compose.read_text().replace('alertscale.min: "1"', 'alertscale.min: "7"'))

    check, survived = checked(tmp_path)

    (found,) = check.findings()
    assert (found.rule, found.severity, survived) == ("min-above-max", "error", [])
    assert re.fullmatch(r"docker-compose\.yml:\d+", found.place)
    assert found.text
    assert found.way_out


def test_what_a_variable_may_change_is_not_claimed(tmp_path: Path) -> None:
    compose = copy_stack(tmp_path) / "docker-compose.yml"
    compose.write_text(compose.read_text().replace('alertscale.min: "1"', 'alertscale.min: "${LEAST:-7}"'))

    check, survived = checked(tmp_path)

    assert (check.findings(), survived) == ((), [])


def test_where_no_files_are_given_nothing_is_checked(tmp_path: Path) -> None:
    check, survived = checked(tmp_path / "absent", command=("no-such-program",))
    assert (check.findings(), survived) == ((), [])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("no-such-program",), "cannot be run"),
        (("sh", "-c", "echo out of order >&2; exit 3"), "ended with 3: out of order"),
        (("sh", "-c", "echo no report"), "printed no report"),
    ],
)
def test_a_check_that_fails_is_survived_and_told(tmp_path: Path, command: Sequence[str], said: str) -> None:
    check, survived = checked(tmp_path, command=command)
    assert check.findings() == ()
    assert [said in str(error) for error in survived] == [True]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [{}]}', '{"findings": [1]}'])
def test_what_is_no_report_is_said(text: str, tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError, match="printed no report"):
        read_report(text, directory=tmp_path)


def test_an_empty_directory_is_told_with_the_way_out(tmp_path: Path) -> None:
    check, survived = checked(tmp_path)
    assert check.findings() == ()
    (error,) = survived
    assert str(error).startswith(f"check: {tmp_path}: there is no Compose file")
    assert "Way out: " in str(error)
