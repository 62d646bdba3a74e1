"""What the tests of the deploy need is fetched where it can be, and missed with a word where not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from machine import deploying, packages
from machine.errors import CommandFailedError

LOGS = Path("/nowhere")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any of it; returns the state folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(deploying, "INSTALLED_SSHD", tmp_path / "no-sshd")
    return tmp_path / "state"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been run or installed, in place of doing it."""
    asked: list[str] = []

    def logged(title: str, argv: list[str], **_more: object) -> None:
        asked.append(" ".join(argv))

    def install(names: list[str], *, logs: Path) -> tuple[str, ...]:
        asked.append(f"install {' '.join(names)}")
        return tuple(names)

    monkeypatch.setattr(deploying, "logged", logged)
    monkeypatch.setattr(packages, "install", install)
    monkeypatch.setattr(packages, "known", lambda name: name != "libwrap0")
    return asked


def provide(state: Path, *, may_install: bool) -> tuple[str, ...]:
    return deploying.provide(checkout=Path("/"), state=state, may_install=may_install, logs=LOGS)


def test_root_on_debian_gets_clients_installed_and_a_server_unpacked(
    bare: Path, commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed, Debian's package would open port 22 of the machine."""
    assert provide(bare, may_install=True) == ("openssh-client", "rsync", "git", "curl")
    assert commands == [
        "install openssh-client rsync git curl",
        "apt-get update",
        "apt-get download openssh-server",
    ]
    assert "No npm, so the test of the pipeline is skipped" in capsys.readouterr().out


def test_anyone_else_is_told_what_is_skipped(
    bare: Path, commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert provide(bare, may_install=False) == ()
    assert commands == []
    assert "the tests of the deploy are skipped: not root on Debian" in capsys.readouterr().out


def test_a_fetch_that_fails_ends_nothing(
    bare: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(_names: list[str], *, logs: Path) -> tuple[str, ...]:
        raise CommandFailedError(title="Installing rsync", code=100, tail="no such package", log=logs)

    monkeypatch.setattr(packages, "install", install)
    assert provide(bare, may_install=True) == ()
    assert "The tests of the deploy will be skipped" in capsys.readouterr().out


def test_what_is_there_is_taken(
    bare: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program in ("sshd/usr/sbin/sshd", "pipeline/node_modules/.bin/gitlab-ci-local"):
        (bare / program).parent.mkdir(parents=True)
        (bare / program).touch()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert provide(bare, may_install=True) == ()
    assert commands == []
    assert deploying.sshd(bare) == bare / "sshd/usr/sbin/sshd"
    assert deploying.runner(bare) == bare / "pipeline/node_modules/.bin/gitlab-ci-local"
