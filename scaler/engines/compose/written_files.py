"""Files that Compose writes into a container before it starts it: secrets and configs that are no mounts.

A secret from ``environment`` and a config from ``content`` or ``environment`` are copied into the
container's own layer (Compose's ``pkg/compose/secrets.go``), and ``inspect`` shows nothing of them. They
are told from what the program wrote by their times: a tar archive holds whole seconds, and Compose
writes them between the container's creation and its start.
"""

import base64
import binascii
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors
from scaler.model.errors import TargetError
from scaler.model.labels import COMPOSE_CONFIG_HASH, COMPOSE_PROJECT, COMPOSE_SERVICE
from scaler.model.reasons import ErrorReason

_STAT_HEADER: Final = "X-Docker-Container-Path-Stat"
_DELETED: Final = 2
"""``Kind`` of a path in ``GET /containers/<id>/changes`` that is gone; 0 is modified, 1 added."""
_NOT_REGULAR: Final = sum(1 << bit for bit in (31, 27, 26, 25, 24, 21, 19))
"""The bits of Go's ``fs.ModeType``: every kind of file that is not a regular one."""
_ROUNDING: Final = timedelta(seconds=1)
_NOT_FOUND: Final = 404


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file as Compose wrote it.

    Attributes:
        path: absolute, in the container.
        mode: permission bits.
        uid: of its owner.
        gid: of its group.
        content: all of it.
    """

    path: str
    mode: int
    uid: int
    gid: int
    content: bytes


class WrittenFiles:
    """Finds the files in a model and gives them to its sibling.

    Which they are is asked once per definition of a service: the engine takes up to half a second to
    tell a layer from those below it (20.10 with an image of 300 MB).

    Args:
        client: of the Engine API.
    """

    def __init__(self, *, client: APIClient) -> None:
        self._client = client
        self._paths: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}

    def read(self, model: Mapping[str, Any]) -> tuple[WrittenFile, ...]:
        """Read the files of a container that has been started.

        Args:
            model: the answer of ``GET /containers/<id>/json``.

        Raises:
            TargetError: the engine did not comply, or the service's program removed such a file.
        """
        return tuple(self._read(model["Id"], path) for path in self.paths(model))

    def paths(self, model: Mapping[str, Any]) -> tuple[str, ...]:
        """Tell which files those are, without reading them; asked of the engine once per definition.

        Args:
            model: as for :meth:`read`.

        Raises:
            TargetError: the engine did not comply.
        """
        labels = model["Config"]["Labels"]
        service = labels[COMPOSE_PROJECT], labels[COMPOSE_SERVICE]
        version = f"{labels.get(COMPOSE_CONFIG_HASH, '')}/{model['Image']}"
        known, paths = self._paths.get(service, ("", ()))
        if known != version:
            paths = self._find(model)
            self._paths[service] = version, paths
        return paths

    def write(self, files: tuple[WrittenFile, ...], *, to: str) -> None:
        """Write files into a container that has not been started.

        Args:
            files: what to write; nothing is asked of the engine when there are none.
            to: the container's id.

        Raises:
            TargetError: the engine did not comply.
        """
        if not files:
            return
        with engine_errors(f"write {', '.join(file.path for file in files)} into {to[:12]}"):
            created = self._client.inspect_container(to)["Created"]
            self._client.put_archive(to, "/", packed(files, seconds=int(instant(created).timestamp())))

    def _find(self, model: Mapping[str, Any]) -> tuple[str, ...]:
        with engine_errors(f"tell what was written into {model['Name'].lstrip('/')}"):
            changes = self._client.diff(model["Id"]) or []
        mounts = [mount["Destination"] for mount in model["Mounts"]]
        created, started = instant(model["Created"]), instant(model["State"]["StartedAt"])
        return tuple(
            path
            for path in candidates(changes, mounts=mounts)
            if is_written(self._stat(model["Id"], path), created=created, started=started)
        )

    def _stat(self, container: str, path: str) -> Mapping[str, Any] | None:
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/archive"
        with engine_errors(f"look at {path} in {container[:12]}"):
            answer = self._client.head(url, params={"path": path}, timeout=self._client.timeout)
        if answer.status_code == _NOT_FOUND:
            return None
        try:
            stat: Mapping[str, Any] = json.loads(base64.b64decode(answer.headers[_STAT_HEADER]))
        except (KeyError, binascii.Error, ValueError) as error:
            raise TargetError(
                f"the engine refused to show {path} in {container[:12]}: status {answer.status_code}"
            ) from error
        return stat

    def _read(self, container: str, path: str) -> WrittenFile:
        try:
            with engine_errors(f"read {path} from {container[:12]}"):
                stream, _ = self._client.get_archive(container, path)
                archive = b"".join(stream)
        except TargetError as error:
            if not isinstance(error.__cause__, docker.errors.NotFound):
                raise
            raise TargetError(
                f"cannot make another replica: {path}, which Compose wrote into the container, is gone;"
                " let the service keep it, or make it a secret or config from a file",
                reason=ErrorReason.CANNOT_CLONE,
            ) from error
        return unpacked(archive, path=path)


def instant(text: str) -> datetime:
    """Read a time as the engine writes it, to the microsecond."""
    return datetime.fromisoformat(text)


def candidates(changes: Iterable[Mapping[str, Any]], *, mounts: Iterable[str]) -> tuple[str, ...]:
    """Choose the paths that may be files which Compose wrote.

    Args:
        changes: the answer of ``GET /containers/<id>/changes``.
        mounts: where something is mounted; what is there belongs to the mount.
    """
    covered = tuple(mounts)
    return tuple(
        change["Path"]
        for change in changes
        if change["Kind"] != _DELETED
        and not any(change["Path"] == at or change["Path"].startswith(f"{at}/") for at in covered)
    )


def is_written(stat: Mapping[str, Any] | None, *, created: datetime, started: datetime) -> bool:
    """Whether a file is one that Compose wrote.

    Args:
        stat: the engine's, with Go's ``mode`` and ``mtime``; None for a file that is gone.
        created: when the container was.
        started: when it was the last time; Compose writes before each start of its own.
    """
    if stat is None or stat["mode"] & _NOT_REGULAR:
        return False
    changed = instant(stat["mtime"])
    return changed.microsecond == 0 and created - _ROUNDING <= changed <= started + _ROUNDING


def unpacked(archive: bytes, *, path: str) -> WrittenFile:
    """Read the one file of an archive that the engine made."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        for member in source:
            held = source.extractfile(member)
            if held is not None:
                return WrittenFile(
                    path=path, mode=member.mode, uid=member.uid, gid=member.gid, content=held.read()
                )
    raise TargetError(f"the engine refused to read {path}: its archive holds no file")


def packed(files: Iterable[WrittenFile], *, seconds: int) -> bytes:
    """Make an archive to be unpacked at ``/``.

    Args:
        files: what to hold.
        seconds: since 1970, as the time of change; the container's creation, so that the sibling
            can be a model in its turn.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for file in files:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.size, member.mode, member.mtime = len(file.content), file.mode, seconds
            member.uid, member.gid = file.uid, file.gid
            archive.addfile(member, io.BytesIO(file.content))
    return target.getvalue()
