"""Tables within pages that people write: filled in, and told when they are not current.

A block stands between two comments on lines of their own:

    <!-- made from the code: NAME -->
    <!-- /made -->
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

Makers = dict[str, Callable[[], str]]

_BLOCK: Final = re.compile(
    r"^(<!-- made from the code: (\S+) -->\n)(.*?)^(<!-- /made -->)$", re.MULTILINE | re.DOTALL
)
_BEGIN: Final = re.compile(r"^<!-- made from the code: .*$", re.MULTILINE)


class BlockError(Exception):
    """A page's blocks are not those that it is to have; ``str()`` names the page and the block."""


def filled(text: str, makers: Makers, *, page: Path) -> str:
    """Return a page with its blocks as the code says.

    Args:
        text: the page's Markdown.
        makers: of each block that the page is to have, once: its Markdown.
        page: its file, for the message.

    Raises:
        BlockError: a block is missing, there twice, not ended, or not known.
    """
    names = [match[2] for match in _BLOCK.finditer(text)]
    if len(_BEGIN.findall(text)) != len(names):
        raise BlockError(f"{page}: a block has no end. Way out: put <!-- /made --> on a line of its own")
    for name in names:
        if name not in makers:
            raise BlockError(f"{page}: there is no block {name}; there are {', '.join(makers)}")
    for name in makers:
        if names.count(name) != 1:
            begin, end = f"<!-- made from the code: {name} -->", "<!-- /made -->"
            raise BlockError(
                f"{page}: the block {name} is there {names.count(name)} times. Way out: have it once, as the "
                f"lines {begin} and {end}, then: make pages"
            )
    return _BLOCK.sub(lambda match: f"{match[1]}\n{makers[match[2]]()}\n{match[4]}", text)
