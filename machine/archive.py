"""The file that `make backup` writes and `make restore` reads: a tar.gz that says what must be in it.

Inside are `volumes/<name>/...` and `files/...`, so that tar alone can take it apart, and last the manifest
with a checksum of each file: an archive that was cut short has none. Nothing here knows the engine.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from machine.errors import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
VOLUMES = ("scaler-data", "alertmanager-data", "prometheus-data", "token")
"""What cannot be made again. The others hold what is written anew at each start, or a load test's reports."""
FILES = (".env", "monitoring.hash", "secrets")
"""Settings that are in no commit: files, and folders of files."""
LONGEST_MANIFEST = 16 * 1024 * 1024
CHUNK = 1024 * 1024
# Fast; most of it is packed already.
LEVEL = 1
UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an archive says of itself.

    Attributes:
        project: Compose's name of the stack.
        made: When, as ISO 8601 in UTC.
        commit: Of the checkout; empty where git does not know.
        images: References that the stack was pinned to.
        volumes: Names of the volumes in it.
        checksums: SHA-256 of each file in it, by its name in the archive.
        format: The version of this form.
    """

    project: str
    made: str
    commit: str
    images: tuple[str, ...]
    volumes: tuple[str, ...]
    checksums: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def files(self) -> tuple[str, ...]:
        """Settings in it, as paths in the checkout."""
        return tuple(name.removeprefix("files/") for name in self.checksums if name.startswith("files/"))


class Writer:
    """Writes an archive; what it is given last is the manifest.

    Args:
        sink: Where to.
        tick: Called now and then, so that somebody can show that it goes on.
    """

    def __init__(self, sink: IO[bytes], *, tick: Callable[[], None]) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 - closed by finish(); left open, the archive is not whole
            fileobj=sink, mode="w:gz", compresslevel=LEVEL, format=tarfile.PAX_FORMAT
        )
        self._tick = tick
        self.checksums: dict[str, str] = {}

    def volumes(self, stream: IO[bytes]) -> None:
        """Add what a tar program says of volumes: their files and folders, with owners and modes.

        Args:
            stream: Tar; each name in it is that of a volume, any folder, and the path in the volume.

        Raises:
            BackupError: There is something else in it, such as a link or a socket.
        """
        with tarfile.open(fileobj=stream, mode="r|") as source:
            for member in source:
                volume, _folder, *inside = PurePosixPath(member.name).parts
                if not (member.isreg() or member.isdir()):
                    raise BackupError(
                        f"the volume {volume}: {'/'.join(inside)} is neither a file nor a folder. Way out: "
                        f"find out who put it there, and remove it."
                    )
                member.name = str(PurePosixPath("volumes", volume, *inside))
                self._add(member, source.extractfile(member))

    def file(self, path: Path, *, name: str) -> None:
        """Add a file of the checkout.

        Raises:
            OSError: It cannot be read.
        """
        with path.open("rb") as source:
            member = self._tar.gettarinfo(arcname=f"files/{name}", fileobj=source)
            member.mtime = int(member.mtime)
            self._add(member, source)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the end."""
        text = json.dumps({**asdict(manifest), "checksums": self.checksums}, indent=1).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size, member.mode = len(text), 0o600
        self._tar.addfile(member, io.BytesIO(text))
        self._tar.close()

    def _add(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        member.uname = member.gname = ""
        member.pax_headers = {}
        if content is None:
            self._tar.addfile(member)
        else:
            summed = Summed(content, tick=self._tick)
            self._tar.addfile(member, summed)
            self.checksums[member.name] = summed.sha256()
        self._tick()


class Summed:
    """A stream whose checksum is known when it has been read.

    Args:
        source: The stream.
        tick: Called at each read.
    """

    def __init__(self, source: IO[bytes], *, tick: Callable[[], None]) -> None:
        self._source = source
        self._tick = tick
        self._sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        self._tick()
        data = self._source.read(size)
        self._sum.update(data)
        return data

    def sha256(self) -> str:
        """Return the checksum of what was read, in hexadecimal."""
        return self._sum.hexdigest()


def verify(source: IO[bytes], *, name: str, tick: Callable[[], None]) -> Manifest:
    """Read a whole archive and hold it against its manifest; nothing of it is written anywhere.

    Args:
        source: The archive, at its beginning.
        name: What to call it in a message.
        tick: As for :class:`Writer`.

    Raises:
        BackupError: It is not a whole backup of ours, or holds what no backup of ours does.
    """
    sums: dict[str, str] = {}
    manifest: Manifest | None = None
    seen: set[str] = set()
    try:
        for member, content in members(source, name=name):
            if member.name in seen or manifest is not None:
                raise _refused(name, f"{member.name!r} comes twice, or after the manifest")
            seen.add(member.name)
            if member.name == MANIFEST:
                manifest = _manifest(member, content, name=name)
            elif content is not None:
                sums[member.name] = _sum(content, tick)
    except UNREADABLE as fault:
        raise _refused(name, f"it cannot be read to its end ({fault})") from fault
    if manifest is None:
        raise _refused(name, f"it has no {MANIFEST}, so it was cut short or is something else")
    _compare(sums, manifest.checksums, name=name)
    return manifest


def members(source: IO[bytes], *, name: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Go through an archive, one entry after the other, with the content of those that are files.

    Raises:
        BackupError: An entry is of a kind, or at a place, that no backup of ours has.
    """
    source.seek(0)
    # Through gzip itself: tarfile's own way does not look at the checksum at the end.
    with gzip.GzipFile(fileobj=source) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            wrong = _wrong(member)
            if wrong:
                raise _refused(name, f"{member.name!r} {wrong}")
            yield member, archive.extractfile(member) if member.isreg() else None
        while unpacked.read(CHUNK):
            pass


def _wrong(member: tarfile.TarInfo) -> str:
    if not (member.isreg() or member.isdir()):
        return "is neither a file nor a folder"
    if member.mode & 0o6000:
        return "would run as another user"
    path = PurePosixPath(member.name)
    # As it is written, too: a path object leaves out what does not matter to it, such as `./` and `//`.
    if path.is_absolute() or ".." in path.parts or str(path) != member.name:
        return "is not a plain path inside of the archive"
    if member.name == MANIFEST and member.isreg():
        return ""
    kind, *rest = path.parts
    allowed = {"volumes": VOLUMES, "files": FILES}.get(kind, ())
    if not rest or rest[0] not in allowed:
        return "is at a place where no backup has anything"
    return "is a file where a folder should be" if _misplaced(member, kind, rest) else ""


def _misplaced(member: tarfile.TarInfo, kind: str, rest: list[str]) -> bool:
    return kind == "volumes" and len(rest) == 1 and not member.isdir()


def _sum(content: IO[bytes], tick: Callable[[], None]) -> str:
    summed = Summed(content, tick=tick)
    while summed.read(CHUNK):
        pass
    return summed.sha256()


def _manifest(member: tarfile.TarInfo, content: IO[bytes] | None, *, name: str) -> Manifest:
    if content is None or member.size > LONGEST_MANIFEST:
        raise _refused(name, f"its {MANIFEST} is too large")
    read: Any = json.loads(content.read())
    if not isinstance(read, dict) or not isinstance(read.get("format"), int):
        raise _refused(name, f"its {MANIFEST} is not that of a backup")
    if read["format"] != FORMAT:
        raise BackupError(
            f"{name}: written in format {read['format']}, and this alertscale reads format {FORMAT}. Way "
            f"out: check out the version that wrote it (commit {read.get('commit') or 'unknown'})."
        )
    try:
        return Manifest(
            project=str(read["project"]),
            made=str(read["made"]),
            commit=str(read["commit"]),
            images=tuple(map(str, read["images"])),
            volumes=tuple(map(str, read["volumes"])),
            checksums={str(key): str(value) for key, value in read["checksums"].items()},
        )
    except (KeyError, TypeError, AttributeError) as fault:
        raise _refused(name, f"its {MANIFEST} is not that of a backup ({fault!r})") from fault


def _compare(found: dict[str, str], wanted: dict[str, str], *, name: str) -> None:
    for file, checksum in wanted.items():
        if file not in found:
            raise _refused(name, f"{file!r} is missing")
        if found[file] != checksum:
            raise _refused(name, f"{file!r} is damaged: its checksum is not that of the manifest")
    for file in found:
        if file not in wanted:
            raise _refused(name, f"{file!r} is not in its manifest")


def _refused(name: str, why: str) -> BackupError:
    return BackupError(
        f"{name}: not a whole backup: {why}. Nothing was changed. Way out: take another file, or copy this "
        f"one again from where it came."
    )
