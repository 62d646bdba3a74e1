"""From a folder to the Compose files that ``docker compose`` itself would take there, in its order."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alertscale.check.disk import Disk, is_file, is_folder
from alertscale.check.findings import Place, Rule, finding
from alertscale.check.reading import unexpected
from alertscale.check.tree import Node
from alertscale.check.variables import interpolate, read_env

_NAMES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which Compose looks."""
_REMOTE: Final = ("git@", "oci:", "github.com/")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One document of a Compose file.

    Attributes:
        document: its tree.
        directory: what its paths start from.
        variables: for ``${...}``; None if they are not at hand.
        included: by which file; None for one of the project's own.
    """

    document: Node
    directory: Path
    variables: Mapping[str, str] | None
    included: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What Compose makes a project of.

    Attributes:
        layers: each laid over those before it.
        files: that were read, the project's own first.
        variables: of the project; None if they are not at hand.
        project: its name, if that is written anywhere.
        partial: there are more, which could not be read.
        unseen: of these, those that are not to be seen from here.
        unfollowed: of these, those of ``include`` that are no file of this machine, or not known.
    """

    layers: tuple[Layer, ...] = ()
    files: tuple[Path, ...] = ()
    variables: Mapping[str, str] | None = field(default_factory=dict)
    project: str | None = None
    partial: bool = False
    unseen: tuple[Path, ...] = ()
    unfollowed: tuple[str, ...] = ()


def find_layers(directory: Path, *, environment: Mapping[str, str] | None, disk: Disk) -> Layers:
    """Find and read the Compose files of a project.

    Args:
        directory: where ``docker compose`` would be called.
        environment: goes before ``.env``; None to take no variables from anywhere.
        disk: reads.

    Returns:
        The files that ``COMPOSE_FILE`` names or, without it, the one that Compose finds with its override
        file; and what they include. Nothing if there is none.
    """
    variables = None if environment is None else _with_env(directory, above=environment, disk=disk)
    paths = _named(directory, variables) or _found(directory)
    if not paths:
        return Layers(variables=variables)
    home = paths[0].parent
    if variables is not None and home != directory:
        variables = _with_env(home, above=variables, disk=disk)
    reader = _Reader(root=directory, disk=disk)
    layers = reader.read(paths, home, variables, included=None)
    return Layers(
        layers=layers,
        files=tuple(dict.fromkeys(reader.files)),
        variables=variables,
        project=_project(layers, variables),
        partial=reader.partial,
        unseen=tuple(reader.unseen),
        unfollowed=tuple(dict.fromkeys(reader.unfollowed)),
    )


def _with_env(directory: Path, *, above: Mapping[str, str], disk: Disk) -> dict[str, str]:
    path = directory / ".env"
    text = disk.text(path) if is_file(path) else None
    return {**read_env(text or "", above=above), **above}


def _named(directory: Path, variables: Mapping[str, str] | None) -> tuple[Path, ...]:
    known = variables or {}
    if "COMPOSE_FILE" not in known:
        return ()
    separator = known.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    return tuple(normal(directory / name) for name in known["COMPOSE_FILE"].split(separator))


def _found(directory: Path) -> tuple[Path, ...]:
    overrides = tuple(f"{Path(name).stem}.override{Path(name).suffix}" for name in _NAMES)
    found = [
        next((path for name in names if is_file(path := directory / name)), None)
        for names in (_NAMES, overrides)
    ]
    return tuple(path for path in found if path) if found[0] else ()


def _project(layers: tuple[Layer, ...], variables: Mapping[str, str] | None) -> str | None:
    if variables is None:
        # Any name in the files may be another one in .env.
        return None
    own = [layer.document.word("name") for layer in layers if layer.included is None]
    written = next((name for name in reversed(own) if name), "")
    return variables.get("COMPOSE_PROJECT_NAME") or interpolate(written, variables=variables) or None


def normal(path: Path) -> Path:
    """A path without ``..`` and the like, as relative as it was."""
    return Path(os.path.normpath(path))


@dataclass(kw_only=True, eq=False)
class _Reader:
    root: Path
    disk: Disk
    files: list[Path] = field(default_factory=list)
    partial: bool = False
    unseen: list[Path] = field(default_factory=list)
    unfollowed: list[str] = field(default_factory=list)
    _open: list[Path] = field(default_factory=list)

    def read(
        self,
        paths: tuple[Path, ...],
        directory: Path,
        variables: Mapping[str, str] | None,
        *,
        included: Path | None,
    ) -> tuple[Layer, ...]:
        """The layers of files that stand side by side, those of what they include before them."""
        own: list[Layer] = []
        for path in paths:
            documents = self.disk.documents(path)
            self.partial = self.partial or documents is None
            if documents is not None:
                self.files.append(path)
            own += [
                Layer(document=document, directory=directory, variables=variables, included=included)
                for document in _or_nothing(documents, path)
            ]
        self._open += paths
        below = [self._below(entry, layer) for layer in own for entry in self._includes(layer)]
        del self._open[len(self._open) - len(paths) :]
        # Of two that are included, Compose lays the first over the second.
        return (*(layer for layers in reversed(below) for layer in layers), *own)

    def _includes(self, layer: Layer) -> Iterator[Node]:
        node = layer.document.get("include")
        if node is None or node.form == "a list":
            yield from node.items if node else ()
        else:
            self.disk.findings.append(unexpected(node, f"include is {node.form}", "write include as a list"))

    def _below(self, entry: Node, layer: Layer) -> tuple[Layer, ...]:
        written = entry.entries.get("path", entry)
        names = [interpolate(n.text or "", variables=layer.variables) for n in written.items or (written,)]
        paths = tuple(normal(layer.directory / name) for name in names if name and not _is_remote(name))
        if len(paths) < len(names):
            self.partial = True
            self.unfollowed += [node.text or "" for node in written.items or (written,)]
            return ()
        if set(paths) & set(self._open):
            self.disk.findings.append(
                unexpected(entry, f"include leads back to {paths[0]}", "take the name out")
            )
            return ()
        absent = [path for path in paths if not self._is_there(path, entry, layer)]
        if absent:
            return ()
        home = entry.word("project_directory")
        directory = normal(layer.directory / home) if home else paths[0].parent
        # Compose takes what is no folder for a file in the one that it means.
        directory = directory if is_folder(directory) else directory.parent
        return self.read(
            paths, directory, self._variables(entry, layer, directory), included=entry.place.file
        )

    def _is_there(self, path: Path, entry: Node, layer: Layer) -> bool:
        if is_file(path):
            return True
        self.partial = True
        if layer.variables is None or is_beyond(path, self.root):
            self.unseen.append(path)
        else:
            self.disk.findings.append(
                finding(
                    Rule.UNREADABLE_FILE,
                    entry.place,
                    f"include names {path}, which is not there",
                    "put the file there, or take the name out: Compose starts nothing without it",
                )
            )
        return False

    def _variables(self, entry: Node, layer: Layer, directory: Path) -> Mapping[str, str] | None:
        if layer.variables is None:
            return None
        named = entry.get("env_file")
        if named is None:
            return _with_env(directory, above=layer.variables, disk=self.disk)
        texts = [
            self.disk.text(normal(layer.directory / node.text))
            for node in named.items or (named,)
            if node.text
        ]
        return {**read_env("\n".join(t for t in texts if t), above=layer.variables), **layer.variables}


def _or_nothing(documents: tuple[Node, ...] | None, path: Path) -> tuple[Node, ...]:
    return () if documents is None else documents or (Node(place=Place(file=path, line=1)),)


def is_beyond(path: Path, root: Path) -> bool:
    """Whether a path leads out of a folder, which may be all of the machine that can be seen."""
    there, here = (os.path.abspath(one) for one in (path, root))  # noqa: PTH100 - no path need be there
    return not Path(there).is_relative_to(here)


def _is_remote(name: str) -> bool:
    return "://" in name or name.startswith(_REMOTE)
