"""What is read off the machine."""

from __future__ import annotations

import subprocess

from machine.facts import system_id


def test_the_system_is_the_id_of_os_release_as_a_shell_reads_it() -> None:
    script = '[ ! -f /etc/os-release ] || . /etc/os-release; printf %s "${ID:-}"'
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert system_id() == read.stdout
