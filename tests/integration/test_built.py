"""Images that rest on one parent without a name are all removed."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from machine import built
from machine.shell import capture

pytestmark = pytest.mark.engine

NAME = f"alertscale-test-built-{uuid.uuid4().hex[:8]}"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def build(folder: Path, *, number: int) -> str:
    lines = ("ARG N", "FROM python:3.14.7-slim", f"ENV SHARED={NAME}", "ARG N", "ENV N=$N")
    (folder / "Dockerfile").write_text("\n".join(lines))
    docker("build", "--quiet", "--build-arg", f"N={number}", "--tag", f"{NAME}-{number}", str(folder))
    return f"{NAME}-{number}"


def test_images_of_one_parent_are_removed_and_absent_ones_are_no_fault(tmp_path: Path) -> None:
    images = [build(tmp_path, number=number) for number in range(4)]

    assert built.remove([*images, f"{NAME}-absent"]) == []
    assert not capture("docker", "image", "ls", "--quiet", f"{NAME}-*").stdout


def test_an_image_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    image = build(tmp_path, number=9)
    container = docker("create", image, "true")
    try:
        assert built.remove([image]) == [image]
    finally:
        docker("rm", container)
    assert built.remove([image]) == []
