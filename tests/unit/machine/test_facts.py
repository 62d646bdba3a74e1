"""What is read off the machine."""

from __future__ import annotations

import platform
import subprocess

import pytest

from machine.facts import system_id


def test_the_system_is_the_id_of_os_release_as_a_shell_reads_it() -> None:
    script = '[ ! -f /etc/os-release ] || . /etc/os-release; printf %s "${ID:-}"'
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert system_id() == read.stdout


def test_a_system_without_os_release_has_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    assert system_id() == ""
