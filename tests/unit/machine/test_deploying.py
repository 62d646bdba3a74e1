"""What the tests of the deploy need is fetched where it can be, and missed with a word where not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from machine import deploying, packages
from machine.errors import CommandFailedError
from machine.state import Workplace


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workplace:
    """A checkout on a machine without any of it."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(deploying, "INSTALLED_SSHD", tmp_path / "no-sshd")
    return Workplace(checkout=tmp_path)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been run or installed, in place of doing it."""
    asked: list[str] = []

    def logged(title: str, argv: list[str], **_more: object) -> None:
        asked.append(" ".join(argv))

    def install(names: list[str], *, place: Workplace) -> None:
        asked.append(f"install {' '.join(names)}")

    monkeypatch.setattr(deploying, "logged", logged)
    monkeypatch.setattr(packages, "install", install)
    monkeypatch.setattr(packages, "known", lambda name: name != "libwrap0")
    return asked


def test_root_on_debian_gets_clients_installed_and_a_server_unpacked(
    bare: Workplace, commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed, Debian's package would open port 22 of the machine."""
    deploying.provide(bare, may_install=True)
    assert commands == [
        "install openssh-client rsync git curl",
        "apt-get update",
        "apt-get download openssh-server",
    ]
    assert "No npm, so the test of the pipeline is skipped" in capsys.readouterr().out


def test_anyone_else_is_told_what_is_skipped(
    bare: Workplace, commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    deploying.provide(bare, may_install=False)
    assert commands == []
    assert "the tests of the deploy are skipped: not root on Debian" in capsys.readouterr().out


def test_a_fetch_that_fails_ends_nothing(
    bare: Workplace, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(_names: list[str], *, place: Workplace) -> None:
        log = place.logs / "apt.log"
        raise CommandFailedError(title="Installing rsync", code=100, tail="no such package", log=log)

    monkeypatch.setattr(packages, "install", install)
    deploying.provide(bare, may_install=True)
    assert "The tests of the deploy will be skipped" in capsys.readouterr().out


def test_what_is_there_is_taken(
    bare: Workplace, commands: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program in ("sshd/usr/sbin/sshd", "pipeline/node_modules/.bin/gitlab-ci-local"):
        (bare.state / program).parent.mkdir(parents=True)
        (bare.state / program).touch()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    deploying.provide(bare, may_install=True)
    assert commands == []
    assert deploying.sshd(bare.state) == bare.state / "sshd/usr/sbin/sshd"
    assert deploying.runner(bare.state) == bare.state / "pipeline/node_modules/.bin/gitlab-ci-local"
