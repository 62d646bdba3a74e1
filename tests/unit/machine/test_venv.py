"""The environment is made anew when what it is made from changes."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from machine.errors import NotReadyError
from machine.state import Workplace
from machine.venv import REQUIREMENTS, STAMP, fingerprint, make

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/requirements.txt").write_text("flask==3\n", encoding="utf-8")
    (tmp_path / REQUIREMENTS).write_text("-r app/requirements.txt\npytest==9\n", encoding="utf-8")
    return tmp_path


def test_the_same_files_and_python_give_the_same_fingerprint(checkout: Path) -> None:
    file = checkout / REQUIREMENTS
    assert fingerprint(file, python="3.14.7") == fingerprint(file, python="3.14.7")


def test_a_change_in_an_included_file_changes_it(checkout: Path) -> None:
    before = fingerprint(checkout / REQUIREMENTS, python="3.14.7")
    (checkout / "app/requirements.txt").write_text("flask==4\n", encoding="utf-8")
    assert fingerprint(checkout / REQUIREMENTS, python="3.14.7") != before


def test_another_python_changes_it(checkout: Path) -> None:
    file = checkout / REQUIREMENTS
    assert fingerprint(file, python="3.11.2") != fingerprint(file, python="3.14.7")


def test_without_ensurepip_and_without_root_the_way_out_is_said(checkout: Path) -> None:
    with pytest.raises(NotReadyError, match="apt-get install python3-venv"):
        make(Workplace(checkout=checkout), ensurepip=False, may_install=False)


def test_an_environment_that_is_up_to_date_is_left_alone(checkout: Path) -> None:
    stamp = checkout / ".venv" / STAMP
    stamp.parent.mkdir()
    wanted = fingerprint(checkout / REQUIREMENTS, python=platform.python_version())
    stamp.write_text(wanted, encoding="utf-8")
    make(Workplace(checkout=checkout), ensurepip=False, may_install=False)
    assert list((checkout / ".venv").iterdir()) == [stamp]


def test_a_link_to_an_environment_of_others_is_not_cleared(checkout: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "bin").mkdir(parents=True)
    (checkout / ".venv").symlink_to(theirs)
    with pytest.raises(NotReadyError, match="theirs") as caught:
        make(Workplace(checkout=checkout), ensurepip=True, may_install=False)
    assert f"rm {checkout / '.venv'}" in str(caught.value)
    assert (theirs / "bin").is_dir()
