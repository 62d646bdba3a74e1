"""Every command in the documentation does what the page says: run page by page, on a stack of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.clone import Clone, started
from tests.docs.running import failure
from tests.e2e.stack import REPOSITORY
from tools.blocks import pages, read

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

DEADLINE = 240.0
"""Seconds for a page's commands."""
PAGES = [
    page
    for file in pages(REPOSITORY)
    if (page := read((REPOSITORY / file).read_text(encoding="utf-8"), file=file)).runs
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    with started(tmp_path_factory.mktemp("documentation")) as running:
        yield running


@pytest.mark.parametrize("file", [str(page.file) for page in PAGES])
def test_the_commands_of_a_page_do_what_it_says(clone: Clone, file: str, tmp_path: Path) -> None:
    (page,) = (page for page in PAGES if str(page.file) == file)
    with clone.page(tmp_path) as places:
        failed = failure(page, places, environment=clone.environment, within=DEADLINE)
    assert not failed, failed
