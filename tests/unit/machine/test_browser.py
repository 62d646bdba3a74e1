"""A browser is installed where it can be, and missed with a word where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import browser, packages
from machine.errors import CommandFailedError
from machine.state import Workplace

PLACE = Workplace(checkout=Path("/nowhere"))


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was installed, in place of installing it."""
    asked: list[str] = []

    def install(names: list[str], *, place: Workplace) -> None:
        assert place == PLACE
        asked.extend(names)

    monkeypatch.setattr(packages, "install", install)
    return asked


def test_one_that_is_there_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: list[str]
) -> None:
    program = tmp_path / "chromium"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.find() == str(program)
    browser.provide(PLACE, may_install=True)
    assert installed == []


@pytest.mark.usefixtures("no_browser")
def test_root_on_debian_gets_it_installed(installed: list[str]) -> None:
    browser.provide(PLACE, may_install=True)
    assert installed == ["chromium"]


@pytest.mark.usefixtures("no_browser")
def test_anyone_else_is_told_the_way_out(installed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    browser.provide(PLACE, may_install=False)
    assert "way out: apt-get install chromium" in capsys.readouterr().out
    assert installed == []


@pytest.mark.usefixtures("no_browser")
def test_an_installation_that_fails_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(_names: list[str], *, place: Workplace) -> None:
        log = place.logs / "apt.log"
        raise CommandFailedError(title="Installing chromium", code=100, tail="no such package", log=log)

    monkeypatch.setattr(packages, "install", install)
    browser.provide(PLACE, may_install=True)
    assert "no such package" in capsys.readouterr().out
