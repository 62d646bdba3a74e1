"""What is taken back, and what is said about what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machine.clean import files, packages_note, rests_on

if TYPE_CHECKING:
    from pathlib import Path


def test_an_image_rests_on_a_base_when_its_layers_begin_with_the_base() -> None:
    assert rests_on(["a", "b", "c"], ["a", "b"])
    assert not rests_on(["a", "x", "c"], ["a", "b"])
    assert not rests_on(["a"], ["a", "b"])


def test_no_image_rests_on_a_base_that_is_absent() -> None:
    assert not rests_on(["a", "b"], [])


def test_files_and_folders_are_deleted_and_absent_ones_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").touch()
    (tmp_path / "file").touch()
    files([tmp_path / "folder", tmp_path / "file", tmp_path / "absent"])
    assert list(tmp_path.iterdir()) == []


def test_packages_that_stay_are_named_with_the_command_to_purge_them() -> None:
    note = packages_note(("docker.io", "iptables"))
    assert "apt-get purge --autoremove docker.io iptables" in note
    assert "/var/lib/docker" in note


def test_a_machine_where_nothing_was_installed_is_told_so() -> None:
    assert packages_note(()) == "No Debian package was installed from this checkout."
