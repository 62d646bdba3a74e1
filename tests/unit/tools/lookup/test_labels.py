"""docs/labels.md has every label that the code reads, and no other."""

from __future__ import annotations

import re

import pytest

from scaler.model.labels import ALL, PREFIX, Label, read_limits
from tools.lookup.labels import allowed, read_off_containers, shown
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/labels.md").read_text(encoding="utf-8")
# No labels of a service or a container: the lease's config, a module, click's memory.
OWN = {"alertscale.lease.", "alertscale.check", "alertscale.json"}


def test_the_labels_of_a_service_are_all_there_and_no_other() -> None:
    table = PAGE.partition("labels-of-services -->")[2].partition("<!-- /made")[0]
    assert re.findall(r"^\| `([^`]+)`", table, re.MULTILINE) == [PREFIX + label.name for label in ALL]


def test_a_label_that_the_page_names_in_its_prose_is_one_that_is_read() -> None:
    named = set(re.findall(r"`(alertscale\.[a-z.-]+)`", PAGE))
    known = {PREFIX + label.name for label in ALL} | {name for name, _ in read_off_containers()}
    assert named <= known


@pytest.mark.parametrize("label", ALL, ids=lambda label: label.name)
def test_a_default_that_is_shown_is_what_holds_without_the_label(label: Label[object]) -> None:
    assert bool(label.without) == (label.default is None)
    if not label.without:
        read_limits({PREFIX + label.name: shown(label.default)})
        assert label.read(shown(label.default)) == label.default


@pytest.mark.parametrize("label", ALL, ids=lambda label: label.name)
def test_what_a_label_may_be_is_in_the_words_of_its_own_complaint(label: Label[object]) -> None:
    assert allowed(label) in PAGE


def test_every_label_of_containers_that_the_code_names_is_told() -> None:
    named = {
        name
        for package in ("scaler", "exporter", "alertscale")
        for file in (REPOSITORY / package).rglob("*.py")
        for name in re.findall(r'"((?:com\.docker|alertscale)\.[a-z._-]+)"', file.read_text(encoding="utf-8"))
    }
    told = dict(read_off_containers())
    ours = {PREFIX + label.name for label in ALL}
    assert named - OWN - ours <= told.keys() | {PREFIX}
    assert all(f"| `{name}` | {meaning} |" in PAGE for name, meaning in told.items())
