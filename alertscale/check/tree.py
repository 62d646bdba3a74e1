"""YAML as a tree in which every value knows its line. Scalars stay the text that was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from alertscale.check.findings import Place

if yaml.__with_libyaml__:
    # What Compose, Prometheus and Alertmanager read with is this library in Go; ten times as fast as Python.
    from yaml._yaml import CParser as Events
else:
    from yaml import SafeLoader as Events  # type: ignore[assignment]

_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"
_LARGEST: Final = 200_000
"""Values in one file with its aliases followed; a few lines of nested aliases can stand for billions."""


class DocumentError(Exception):
    """A text that is not YAML we can use.

    Attributes:
        line: where, from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One value: a text, a list, a mapping or nothing.

    Attributes:
        place: the line of its key, or of itself in a list.
        text: of a scalar, as written; None for the others.
        items: of a list.
        entries: of a mapping, with what ``<<`` merges in.
        form: "a text", "a list", "a mapping" or "nothing".
        tag: YAML's, such as ``!reset``.
    """

    place: Place
    text: str | None = None
    items: tuple[Node, ...] = ()
    entries: Mapping[str, Node] = field(default_factory=dict)
    form: str = "nothing"
    tag: str = _NULL

    def get(self, *keys: str) -> Node | None:
        """The value behind these keys, one after the other; None where there is none or nothing."""
        node = self
        for key in keys:
            if key not in node.entries:
                return None
            node = node.entries[key]
        return None if node.form == "nothing" else node

    def listed(self, *keys: str) -> tuple[Node, ...]:
        """The items of the list behind these keys; none where there is no list."""
        node = self.get(*keys)
        return node.items if node else ()

    def word(self, *keys: str) -> str | None:
        """The text behind these keys; None where there is no text."""
        node = self.get(*keys)
        return node.text if node else None


def read(text: str, *, file: Path) -> tuple[Node, ...]:
    """Read YAML documents.

    Args:
        text: of the file.
        file: for the places.

    Returns:
        A tree for each document; an empty text has none, an empty document gives nothing.

    Raises:
        DocumentError: it is no YAML, has a key twice, refers to itself, or is endless.
    """
    try:
        roots = tuple(_documents(text))
        size, reader = _Size(), _Reader(file)
        for root in roots:
            size.of(root)
        return tuple(reader.node(root) for root in roots)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        raise DocumentError(f"{error.problem or error.context}", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.encode(errors="replace").count(b"\n", 0, error.position) + 1
        raise DocumentError(f"a character is not allowed: {error.reason}", line=line) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise DocumentError(str(error), line=1) from error
    except RecursionError as error:
        raise DocumentError("it is nested too deeply", line=1) from error


class _Loader(Composer, Events, Resolver):
    """Reads as Go's YAML does: an anchor may stand twice, and counts in the documents after its own."""

    anchors: dict[str, yaml.Node]

    def __init__(self, text: str) -> None:
        Events.__init__(self, text)
        Composer.__init__(self)
        Resolver.__init__(self)

    def compose_document(self) -> yaml.Node | None:
        self.get_event()
        node = self.compose_node(None, 0)
        self.get_event()
        return node

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor or "", None)
        return super().compose_node(parent, index)


def _documents(text: str) -> Iterator[yaml.Node]:
    loader = _Loader(text)
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            yield node


class _Size:
    """Counts values with aliases followed, each node once, and refuses cycles."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node) -> int:
        if id(node) in self._open:
            raise DocumentError("a value contains itself", line=_line(node))
        if id(node) not in self._known:
            self._open.add(id(node))
            self._known[id(node)] = 1 + sum(self.of(child) for child in _children(node))
            self._open.remove(id(node))
            if self._known[id(node)] > _LARGEST:
                raise DocumentError(f"its aliases stand for over {_LARGEST} values", line=_line(node))
        return self._known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[int, Node] = {}

    def node(self, node: yaml.Node, *, line: int | None = None) -> Node:
        if id(node) not in self._known:
            self._known[id(node)] = self._make(node)
        made = self._known[id(node)]
        return made if line is None else replace(made, place=Place(file=self._file, line=line))

    def _make(self, node: yaml.Node) -> Node:
        place = Place(file=self._file, line=_line(node))
        if isinstance(node, yaml.MappingNode):
            return Node(place=place, form="a mapping", tag=node.tag, entries=self._entries(node))
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.node(item) for item in node.value)
            return Node(place=place, form="a list", tag=node.tag, items=items)
        if node.tag == _NULL:
            return Node(place=place)
        return Node(place=place, form="a text", tag=node.tag, text=str(node.value))

    def _entries(self, node: yaml.MappingNode) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = self._merged(value) | merged
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError("a key is not a text", line=_line(key))
            if key.value in own:
                raise DocumentError(f"the key {key.value!r} is there twice", line=_line(key))
            own[key.value] = self.node(value, line=_line(key))
        return merged | own

    def _merged(self, value: yaml.Node) -> dict[str, Node]:
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        result: dict[str, Node] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise DocumentError("what << merges is not a mapping", line=_line(source))
            # The first of several wins.
            result = dict(self.node(source).entries) | result
        return result
