"""Tables within pages that people write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.lookup.filling import BlockError, Makers, filled

PAGE = Path("docs/page.md")
MAKERS: Makers = {"one": lambda: "| 1 |\n", "two": lambda: "| 2 |\n"}
EMPTY = (
    "# A page\n\n<!-- made from the code: one -->\n<!-- /made -->\n\nBetween.\n\n"
    "<!-- made from the code: two -->\nold\n<!-- /made -->\n"
)


def test_a_block_is_filled_and_what_stands_around_it_stays() -> None:
    assert filled(EMPTY, MAKERS, page=PAGE) == (
        "# A page\n\n<!-- made from the code: one -->\n\n| 1 |\n\n<!-- /made -->\n\nBetween.\n\n"
        "<!-- made from the code: two -->\n\n| 2 |\n\n<!-- /made -->\n"
    )


def test_filling_twice_changes_nothing_more() -> None:
    once = filled(EMPTY, MAKERS, page=PAGE)
    assert filled(once, MAKERS, page=PAGE) == once


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (EMPTY.replace("code: two", "code: one"), "the block one is there 2 times"),
        (EMPTY.partition("Between")[0], "the block two is there 0 times"),
        (EMPTY.replace("code: two", "code: three"), "there is no block three; there are one, two"),
        (EMPTY.removesuffix("<!-- /made -->\n"), "a block has no end"),
    ],
)
def test_a_page_that_has_not_each_block_once_is_refused_with_its_name(text: str, complaint: str) -> None:
    with pytest.raises(BlockError, match=complaint) as caught:
        filled(text, MAKERS, page=PAGE)
    assert str(caught.value).startswith("docs/page.md: ")
