"""What a container sees under a path: mounts first, then what its image was built with."""

import fnmatch
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alertscale.check.compose import Mount, Program
from alertscale.check.disk import is_broken_link, is_file, is_folder, names_in
from alertscale.check.dockerfile import Dockerfile
from alertscale.check.findings import Place
from alertscale.check.layers import is_beyond, normal
from alertscale.check.reading import Text


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A path in a container, and what stands there.

    Attributes:
        path: in the container.
        source: the file of the machine, whether it is there or not; None if it is none.
        text: what it holds, if a Compose file has it.
        mount: which brings it; None if none does, and it is the image's.
    """

    path: str
    source: Path | None = None
    text: Text | None = None
    mount: Mount | None = None

    @property
    def is_file(self) -> bool:
        """Whether there is a file, which can be read here."""
        return self.text is not None or (self.source is not None and is_file(self.source))

    @property
    def is_named(self) -> bool:
        """Whether a file, or a link that leads nowhere, has this name."""
        return self.is_file or (self.source is not None and is_broken_link(self.source))


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What can be looked at from here.

    Attributes:
        directory: the folder of the Compose file.
        whole: all of the project is in it, so that what is not there is not there.
    """

    directory: Path
    whole: bool

    def is_surely_absent(self, seen: Seen, *, official: bool) -> bool:
        """Whether what cannot be read is not there for the container either.

        Args:
            seen: that which cannot be read.
            official: the container's image is one of which is known what is in it.
        """
        if seen.mount is None:
            return official
        return self.whole and seen.source is not None and not is_beyond(seen.source, self.directory)


class View:
    """The files of a container, as far as they can be seen from outside.

    Args:
        program: with its mounts.
        built: what its image was built by, and of which folder; None if that is not known.
    """

    def __init__(self, program: Program, built: Dockerfile | None = None) -> None:
        copied = _copied(program, built) if built else ()
        self._mounts = (*copied, *(mount for mount in program.mounts if mount.target))
        self._hidden = any(not mount.target for mount in program.mounts)

    @property
    def is_whole(self) -> bool:
        """Whether all mounts are known."""
        return not self._hidden

    def at(self, path: str) -> Seen:
        """What stands under a path."""
        over = [mount for mount in self._mounts if _is_below(path, mount.target)]
        if not over:
            return Seen(path=path)
        # The deepest hides the others; of two at one place the last does.
        mount = max(reversed(over), key=lambda one: len(one.target))
        rest = posixpath.relpath(path, mount.target)
        if mount.source is None:
            return Seen(path=path, text=mount.text if rest == "." else None, mount=mount)
        return Seen(path=path, source=normal(mount.source / rest), mount=mount)

    def glob(self, pattern: str) -> tuple[Seen, ...]:
        """The files whose path a pattern of Go's matches, in order."""
        return tuple(sorted(self._matching("/", pattern.strip("/").split("/")), key=lambda seen: seen.path))

    def _matching(self, folder: str, parts: list[str]) -> Iterator[Seen]:
        first, *rest = parts
        # Go begins a negated set as regular expressions do.
        pattern = first.replace("[^", "[!")
        names = self.names_in(folder) if any(sign in first for sign in "*?[") else (first,)
        for name in names:
            path = posixpath.join(folder, name)
            if name != first and not fnmatch.fnmatchcase(name, pattern):
                continue
            if rest:
                yield from self._matching(path, rest)
            elif (seen := self.at(path)).is_named:
                yield seen

    def names_in(self, folder: str) -> tuple[str, ...]:
        """The names in a folder of the container, as far as they are known."""
        seen = self.at(folder)
        mounted = [
            posixpath.relpath(mount.target, folder).partition("/")[0]
            for mount in self._mounts
            if mount.target != folder and _is_below(mount.target, folder)
        ]
        return tuple(sorted({*mounted, *(names_in(seen.source) if seen.source else ())}))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _copied(program: Program, built: Dockerfile) -> Iterator[Mount]:
    if program.build is None or program.dockerfile is None:
        return
    for copy in built.copies:
        target = posixpath.join(built.directory or "/", copy.target)
        for name in copy.sources:
            source = normal(program.build / name.lstrip("/"))
            into = (target.endswith("/") or len(copy.sources) > 1) and not is_folder(source)
            where = posixpath.join(target, source.name) if into else target
            yield Mount(
                place=Place(file=program.dockerfile, line=1),
                target=posixpath.normpath(where),
                source=source,
            )
