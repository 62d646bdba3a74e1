"""Which stand-in is made for which tag, and when it says that it differs."""

from __future__ import annotations

import pytest

from machine.errors import ImageError
from machine.images import Image, parse
from machine.stand_ins import PACKAGES, RECIPES, candidates, differs, folder_of, packages_for


def image(reference: str) -> Image:
    return parse(reference, where="test")


def test_every_recipe_has_a_dockerfile() -> None:
    for repository in PACKAGES:
        assert (RECIPES / folder_of(repository) / "Dockerfile").is_file()


def test_python_comes_from_the_package_of_the_series_in_the_tag() -> None:
    python = image("python:3.14.7-slim")
    assert packages_for([python]) == {python: "python3.14"}


def test_images_without_a_recipe_are_all_named_with_the_way_out() -> None:
    with pytest.raises(ImageError) as caught:
        packages_for([image("nginx:1.30.6"), image("redis:8.0"), image("mysql:9.1")])
    assert "no stand-in: redis:8.0, mysql:9.1. Way out:" in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "debian", "other"),
    [
        ("nginx:1.30.6", "1.30.6-2", False),
        ("prom/prometheus:v3.5.3", "3.5.3+ds1-6", False),
        ("python:3.14.7-slim", "3.14.8-1", True),
        ("nginx:1.30.6", "1:1.30.6-2", False),
        ("nginx:1.3", "1.30.6-2", True),
    ],
)
def test_another_version_than_the_tag_says_is_noticed(tag: str, debian: str, other: bool) -> None:
    assert differs(image(tag), debian) is other


def test_the_candidates_of_apt_cache_policy_are_read() -> None:
    policy = """nginx:
  Installed: (none)
  Candidate: 1.30.6-2
  Version table:
     1.30.6-2 500
gone:
  Installed: (none)
  Candidate: (none)
prometheus:
  Installed: 3.5.3+ds1-5
  Candidate: 3.5.3+ds1-6
"""
    assert candidates(policy) == {"nginx": "1.30.6-2", "prometheus": "3.5.3+ds1-6"}
