"""What is wrong with a page, as compilers print it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A place in a page that is not as it has to be.

    Attributes:
        file: relative to the repository.
        line: from 1 on.
        text: what is wrong, and the way out.
    """

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        """As compilers print it: ``docs/labels.md:12: ...``."""
        return f"{self.file}:{self.line}: {self.text}"
