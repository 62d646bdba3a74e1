"""What is read off the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.facts import system_id

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos"\n', "rocky"),
        ("NAME=nameless\n", ""),
    ],
)
def test_the_system_is_the_id_of_os_release(tmp_path: Path, text: str, system: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(text, encoding="utf-8")
    assert system_id(file) == system


def test_a_system_without_os_release_has_no_id(tmp_path: Path) -> None:
    assert system_id(tmp_path / "os-release") == ""
