"""All that is generated in the documentation is current, page by page."""

from __future__ import annotations

import pytest

from tools.pages import PAGES, REPOSITORY


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (REPOSITORY / name).is_file(), "make it: make pages"
    assert (REPOSITORY / name).read_text(encoding="utf-8") == PAGES[name](), "make it anew: make pages"
