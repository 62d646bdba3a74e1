"""Reading files: with what finds them, the one part of the check that touches the disk."""

from dataclasses import dataclass, field
from pathlib import Path

from alertscale.check import tree
from alertscale.check.findings import Finding, Place, Rule, finding
from alertscale.check.tree import DocumentError, Node


@dataclass(frozen=True, kw_only=True, eq=False)
class Disk:
    """Reads each file once.

    Args:
        findings: what cannot be read is added here.
    """

    findings: list[Finding]
    _known: dict[Path, tuple[Node, ...] | None] = field(default_factory=dict)

    def documents(self, path: Path) -> tuple[Node, ...] | None:
        """The YAML documents of a file; None if it cannot be read, which is a finding."""
        if path not in self._known:
            text = self.text(path)
            self._known[path] = None if text is None else self.parsed(text, file=path)
        return self._known[path]

    def parsed(self, text: str, *, file: Path, line: int = 1) -> tuple[Node, ...] | None:
        """The YAML documents of a text that begins at a line of a file; None if they cannot be read."""
        try:
            return tree.read("\n" * (line - 1) + text, file=file)
        except DocumentError as error:
            self.findings.append(
                finding(
                    Rule.INVALID_YAML,
                    Place(file=file, line=error.line),
                    f"{file.name} is not YAML: {error}",
                    "put the line right; nothing of this file is checked until then",
                )
            )
            return None

    def text(self, path: Path, *, errors: str = "strict") -> str | None:
        """The text of a file; None if it cannot be read, which is a finding."""
        try:
            return path.read_text(encoding="utf-8", errors=errors)
        except (OSError, ValueError) as error:
            self.findings.append(
                finding(
                    Rule.UNREADABLE_FILE,
                    Place(file=path, line=1),
                    f"{path.name or path} cannot be read: {error}",
                    "give the path of a text file in UTF-8 that you may read",
                )
            )
            return None


def is_file(path: Path) -> bool:
    """Whether there is such a file; a path that cannot be one is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a path that cannot be one is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_broken_link(path: Path) -> bool:
    """Whether there is a link that leads nowhere."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError):
        return False


def names_in(folder: Path) -> tuple[str, ...]:
    """The names in a folder, in order; none if it is none, or cannot be looked into."""
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir()))
    except (OSError, ValueError):
        return ()
