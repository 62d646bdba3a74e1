"""What is installed is recorded, so that it can be named when everything is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine import packages
from machine.state import State, Workplace

if TYPE_CHECKING:
    from pathlib import Path


def test_only_packages_that_were_not_there_before_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker-cli` is in no list of this machine's, so it is not asked for."""
    place = Workplace(checkout=tmp_path)
    place.store.save(State(packages=("mmdebstrap",)))
    run: list[list[str]] = []
    monkeypatch.setattr(packages, "logged", lambda _title, argv, **_more: run.append(argv))
    monkeypatch.setattr(packages, "known", lambda _name: False)
    monkeypatch.setattr(packages, "installed", lambda name: name == "iptables")
    packages.install(["docker.io", "docker-cli", "iptables"], place=place)
    assert run[-1][-2:] == ["docker.io", "iptables"]
    assert place.store.load().packages == ("mmdebstrap", "docker.io")
