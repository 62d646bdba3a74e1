"""Which rule files Prometheus reads, as its container sees them, and which are there and are not read."""

import posixpath
from pathlib import Path
from typing import Final

from alertscale.check import tree
from alertscale.check.disk import Disk, is_file, names_in
from alertscale.check.findings import Place, Rule, finding
from alertscale.check.seen import Scope, Seen, View
from alertscale.check.setup import Config
from alertscale.check.tree import DocumentError, Node

YAML: Final = (".yml", ".yaml", ".rules")
"""How files are called that may hold rules."""
_RULES: Final = ".rules.yml"
"""How rule files are called, where nothing says which there are."""
_OF_RULES: Final = ("groups", "rules", "expr")
"""Words without which a file has no rules."""
_LARGEST: Final = 1_000_000
"""Bytes of a file that nobody names, and that is looked into nevertheless."""
_MOST: Final = 200
"""Such files."""


def first_document(seen: Seen, *, reader: str, disk: Disk) -> tuple[Path, Node | None]:
    """The file that a container sees somewhere, and its first document: programs look for no more.

    Args:
        seen: what is there, a file.
        reader: the program.
        disk: reads.
    """
    if seen.source is None or seen.text is not None:
        assert seen.text is not None  # noqa: S101 - it is a file
        place = seen.text.place
        documents = disk.parsed(seen.text.value or "", file=place.file, line=place.line + 1)
        file = place.file
    else:
        documents, file = disk.documents(seen.source), seen.source
    for more in (documents or ())[1:]:
        disk.findings.append(
            finding(
                Rule.IGNORED_DOCUMENT,
                more.place,
                f"a second YAML document begins here, and {reader} reads only the first of a file",
                "take the line --- out, or put the second into a file of its own",
            )
        )
    empty = Node(place=Place(file=file, line=1))
    return file, None if documents is None else (*documents, empty)[0]


def find_rules(
    prometheus: Config, view: View, *, scope: Scope, disk: Disk
) -> tuple[tuple[Node, ...] | None, bool]:
    """Find and read the rule files that Prometheus reads.

    Args:
        prometheus: its own file.
        view: what its container sees.
        scope: what can be looked at.
        disk: reads.

    Returns:
        Their documents, None if it cannot be known which there are; and whether there are more.
    """
    if prometheus.file is None:
        return None, False
    if prometheus.document is None:
        folder = prometheus.file.parent
        paths = [folder / name for name in names_in(folder) if name.endswith(_RULES)]
        return tuple(d[0] for path in paths if (d := disk.documents(path))), True
    return _Finder(prometheus, prometheus.file, view, scope, disk).find(prometheus.document)


class _Finder:
    def __init__(self, prometheus: Config, file: Path, view: View, scope: Scope, disk: Disk) -> None:
        self._prometheus, self._file = prometheus, file
        self._view, self._scope, self._disk = view, scope, disk
        self._home = posixpath.dirname(prometheus.seen)

    def find(self, document: Node) -> tuple[tuple[Node, ...], bool]:
        nodes = [node for node in document.listed("rule_files") if node.text]
        found = {node: self._view.glob(posixpath.join(self._home, node.text or "")) for node in nodes}
        missing = [self._is_missing(node) for node, files in found.items() if not files]
        files = {seen.path: seen for several in found.values() for seen in several}.values()
        documents = [first_document(seen, reader="Prometheus", disk=self._disk)[1] for seen in files]
        whole = all(missing) and all(documents)
        if whole:
            self._tell_unread({self._file, *(seen.source for seen in files)})
        return tuple(document for document in documents if document), not whole

    def _is_missing(self, node: Node) -> bool:
        """Whether nothing is there for sure, which is told."""
        running = self._prometheus.running
        path = posixpath.join(self._home, node.text or "")
        seen = self._view.at(path)
        # Without a service, nothing but the folder of the file is known.
        official = running is not None and running.official
        if not (self._view.is_whole and self._scope.is_surely_absent(seen, official=official)):
            return False
        beside = self._file.parent / posixpath.basename(path)
        self._disk.findings.append(
            finding(
                Rule.MISSING_RULE_FILE,
                node.place,
                f"rule_files names {node.text}, but there is no such file"
                f"{' in its container' if running else ''}, and Prometheus does not complain",
                f"mount {beside} as {path}"
                if is_file(beside)
                else "put the file there, or take the name out",
            )
        )
        return True

    def _tell_unread(self, read: set[Path | None]) -> None:
        """Tell of rule files that are there, and not among those that are read."""
        for path, inside in self._near()[:_MOST]:
            number = 0 if path in read else _rules_in(path)
            if number:
                name = posixpath.relpath(inside, self._home) if inside else path.name
                mount = "" if inside else f", and mount it beside {self._prometheus.seen}"
                self._disk.findings.append(
                    finding(
                        Rule.RULE_FILE_NOT_READ,
                        Place(file=path, line=1),
                        f"Prometheus does not read this file and its {number} rules: no rule_files of "
                        f"{self._file} names it",
                        f"add {name} to rule_files{mount}",
                    )
                )

    def _near(self) -> list[tuple[Path, str]]:
        """Files near Prometheus' own, and where in its container; empty for those that it does not see."""
        inside = [posixpath.join(self._home, name) for name in self._view.names_in(self._home)]
        inside += [posixpath.join(path, name) for path in inside for name in self._view.names_in(path)]
        near: dict[Path | None, str] = {self._file.parent / name: "" for name in names_in(self._file.parent)}
        near |= {self._view.at(path).source: path for path in inside}
        return [(path, where) for path, where in near.items() if path and path.name.endswith(YAML)]


def _rules_in(path: Path) -> int:
    """How many rules of Prometheus' a file has; none if it is something else."""
    try:
        if not is_file(path) or path.stat().st_size > _LARGEST:
            return 0
        text = path.read_text(encoding="utf-8")
        # Most are something else, and reading YAML takes its time.
        documents = tree.read(text, file=path) if all(word in text for word in _OF_RULES) else ()
    except (OSError, ValueError, DocumentError):
        return 0
    groups = documents[0].listed("groups") if documents else ()
    rules = [rule for group in groups for rule in group.listed("rules")]
    return sum(bool((rule.word("alert") or rule.word("record")) and rule.word("expr")) for rule in rules)
