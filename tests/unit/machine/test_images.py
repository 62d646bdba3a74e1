"""The pinned images are read from docker-compose.yml and the Dockerfiles, and from nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.errors import ImageError
from machine.images import Image, bases, parse, pinned, select

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "version"),
    [
        ("nginx:1.30.6", "nginx", "1.30.6", "1.30.6"),
        ("docker.io/library/nginx:1.30.6", "nginx", "1.30.6", "1.30.6"),
        ("prom/prometheus:v3.5.3", "prom/prometheus", "v3.5.3", "3.5.3"),
        ("python:3.14.7-slim", "python", "3.14.7-slim", "3.14.7"),
        ("registry.example:5000/a/b:2", "registry.example:5000/a/b", "2", "2"),
    ],
)
def test_a_reference_has_a_repository_a_tag_and_a_version(
    reference: str, repository: str, tag: str, version: str
) -> None:
    image = parse(reference, where="a file")
    assert (image.repository, image.tag, image.version) == (repository, tag, version)


@pytest.mark.parametrize(
    "reference",
    ["nginx", "nginx:latest", "registry.example:5000/nginx", "python:${VERSION}", "$BASE"],
)
def test_an_image_that_is_not_pinned_is_refused_with_its_place(reference: str) -> None:
    with pytest.raises(ImageError, match=r"service/Dockerfile: the image .* is not pinned"):
        parse(reference, where="service/Dockerfile")


def test_a_dockerfile_starts_from_its_bases_and_not_from_its_own_stages() -> None:
    text = """
    # FROM commented:1
    FROM --platform=linux/amd64 python:3.14.7-slim AS wheels
    RUN true
    from wheels as tested
    FROM scratch
    FROM nginx:1.30.6
    COPY --from=tested /a /a
    """
    assert [image.reference for image in bases(text, where="Dockerfile")] == [
        "python:3.14.7-slim",
        "nginx:1.30.6",
    ]


def test_a_dockerfile_without_from_is_refused() -> None:
    with pytest.raises(ImageError, match="x/Dockerfile: no FROM line"):
        bases("RUN true\n", where="x/Dockerfile")


def test_every_pinned_image_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.14.7-slim\n", encoding="utf-8")
    (tmp_path / "other").write_text("FROM python:3.14.7-slim\n", encoding="utf-8")
    context = str(tmp_path)
    config = {
        "services": {
            "a": {"build": {"context": context, "dockerfile": "Dockerfile"}},
            "b": {"build": {"context": context, "dockerfile": "other"}},
            "web": {"image": "nginx:1.30.6"},
        }
    }
    assert pinned(config) == (
        Image(repository="python", tag="3.14.7-slim"),
        Image(repository="nginx", tag="1.30.6"),
    )


def test_an_absent_dockerfile_is_named_with_its_service(tmp_path: Path) -> None:
    config = {"services": {"api": {"build": {"context": str(tmp_path)}}}}
    with pytest.raises(ImageError, match=r"service api: its Dockerfile .* cannot be read"):
        pinned(config)


def test_an_image_that_no_service_uses_cannot_be_selected() -> None:
    nginx = Image(repository="nginx", tag="1.30.6")
    assert select([nginx], "nginx") == nginx
    with pytest.raises(ImageError, match="no service uses an image of prom/prometheus"):
        select([nginx], "prom/prometheus")
