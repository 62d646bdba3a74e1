"""YAML as a tree in which every value knows its line. Scalars stay the text that was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import yaml

from alertscale.check.findings import Place

_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"
_LARGEST: Final = 200_000
"""Values in one file with its aliases followed; a few lines of nested aliases can stand for billions."""


class DocumentError(Exception):
    """A text that is not one YAML document we can use.

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


def read(text: str, *, file: Path) -> Node:
    """Read one YAML document.

    Args:
        text: of the file.
        file: for the places.

    Returns:
        The tree; an empty text gives nothing.

    Raises:
        DocumentError: it is no YAML, has a key twice, refers to itself, or is endless.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Node(place=Place(file=file, line=1))
        _Size().of(root)
        return _Reader(file).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(f"{error.problem or error.context}", line=mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(f"the character {error.character!r} is not allowed", line=line) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise DocumentError(str(error), line=1) from error
    except RecursionError as error:
        raise DocumentError("it is nested too deeply", line=1) from error


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
