"""A service's definition as the files of its project say it, where the scaler can read them.

Mostly it cannot: Compose's labels name files of the machine, and the scaler's container has those of its own
project alone, at another place. What is not read here is told as not known, never as not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import structlog

from scaler.model.labels import COMPOSE_DIRECTORY, COMPOSE_FILES, COMPOSE_PROJECT, COMPOSE_SERVICE

_LARGEST: Final = 1_000_000
"""Bytes of one file."""
_DEEPEST: Final = 20
"""Services that extend one another."""


log = structlog.get_logger()


class _UnreadableError(Exception):
    """What it says, or what that leads to, cannot be read here."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What stands under a service's name.

    Attributes:
        says: of all files that can be read here; nothing if there are none, or none has the service.
        unread: a file, or what one extends, that cannot be read here and may say otherwise; empty for none.
    """

    says: Mapping[str, Any]
    unread: str = ""


class ProjectFiles:
    """Reads the Compose files that a container's labels name.

    Args:
        own_project: our own Compose project.
        stack: the directory that has its files.
    """

    def __init__(self, *, own_project: str, stack: Path) -> None:
        self._own_project = own_project
        self._stack = stack

    def definition(self, labels: Mapping[str, str]) -> Definition:
        """Read a service's definition as it is now, later files laid over earlier ones, variables as written.

        Args:
            labels: of one of its containers.

        Returns:
            What can be read of it here.
        """
        paths = [self._here(Path(file), labels) for file in labels.get(COMPOSE_FILES, "").split(",") if file]
        return _together([_defined(path, labels.get(COMPOSE_SERVICE, "")) for path in paths])

    def _here(self, path: Path, labels: Mapping[str, str]) -> Path:
        directory = labels.get(COMPOSE_DIRECTORY, "")
        ours = labels[COMPOSE_PROJECT] == self._own_project and directory and path.is_relative_to(directory)
        return self._stack / path.relative_to(directory) if ours and not path.is_file() else path


def _defined(path: Path, service: str, *, deep: int = 0) -> Definition:
    try:
        services = _read(path).get("services")
    except _UnreadableError:
        return Definition(says={}, unread=str(path))
    definition = services.get(service) if isinstance(services, dict) else None
    if not isinstance(definition, dict):
        return Definition(says={})
    extended = definition.get("extends")
    if not extended:
        return Definition(says=definition)
    named = extended if isinstance(extended, dict) else {"service": extended}
    base = Definition(says={})
    elsewhere = path.parent / str(named["file"]) if named.get("file") else path
    if deep < _DEEPEST and isinstance(named.get("service"), str):
        base = _defined(elsewhere, named["service"], deep=deep + 1)
    if not base.says and not base.unread:
        base = Definition(says={}, unread=f"service {named.get('service')} of {elsewhere}")
    return _together([base, Definition(says=definition)])


def _together(found: list[Definition]) -> Definition:
    unread = (one.unread for one in found if one.unread)
    return Definition(says=_laid_over([one.says for one in found]), unread=next(unread, ""))


def _laid_over(definitions: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """As Compose does: lists go on, all else is replaced."""
    result: dict[str, Any] = {}
    for definition in definitions:
        for key, value in definition.items():
            below = result.get(key)
            if isinstance(value, _Tagged):
                result[key] = None if value.tag == "!reset" else value.value
            elif isinstance(value, list) and isinstance(below, list):
                result[key] = [*below, *value]
            else:
                result[key] = value
    return result


def _read(path: Path) -> Mapping[str, Any]:
    try:
        stat = path.stat()
        if not stat.st_nlink:
            _warn_replaced(path)
        if not path.is_file() or stat.st_size > _LARGEST:
            raise _UnreadableError
        parsed = _parsed(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)
    except (OSError, ValueError) as error:
        raise _UnreadableError from error
    if parsed is None:
        raise _UnreadableError
    return parsed


@lru_cache(maxsize=32)
def _warn_replaced(path: Path) -> None:
    # A mount of a file by itself holds the file, not its name, and many an editor writes a new one. To refuse
    # every service after any edit would cost more than a hook of before the edit does.
    log.warning(
        "the scaler has an old copy of a file, and takes hooks without a label from it;"
        " docker compose up -d --force-recreate scaler gives it the one of today",
        file=str(path),
    )


class _Tagged:
    """A value under ``!reset`` or ``!override``."""

    def __init__(self, tag: str, value: object) -> None:
        self.tag, self.value = tag, value


@lru_cache(maxsize=32)
def _parsed(path: Path, _changed: int, _size: int, _inode: int) -> Mapping[str, Any] | None:
    """Once for each state of a file, since it is asked for at each listing; None for what is no YAML."""
    # A scaler that finds none of the files, as on Swarm, is to be without the memory that it takes.
    import yaml  # noqa: PLC0415

    class Loader(yaml.SafeLoader):
        """Knows Compose's tags."""

    def tagged(loader: yaml.SafeLoader, node: yaml.Node) -> _Tagged:
        if isinstance(node, yaml.SequenceNode):
            return _Tagged(node.tag, loader.construct_sequence(node, deep=True))
        if isinstance(node, yaml.MappingNode):
            return _Tagged(node.tag, loader.construct_mapping(node, deep=True))
        return _Tagged(node.tag, node.value)

    for tag in ("!reset", "!override"):
        Loader.add_constructor(tag, tagged)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return document if isinstance(document, dict) else {}
