"""Compose's hooks: where a service's are found, and how they are run.

``docker inspect`` shows none of them, and Compose runs them only in what it starts and stops itself.
"""

import contextlib
import re
import select
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from docker import APIClient

from scaler.engines.compose.project_files import Definition, ProjectFiles
from scaler.engines.connection import came_early, engine_errors
from scaler.model.errors import TargetError
from scaler.model.hooks import Hook, HookKind, hooks_of
from scaler.model.labels import HOOKS, PREFIX
from scaler.model.reasons import ErrorReason

_SHOWN: Final = 500
"""Letters of what a hook printed last, and of its command."""
_CHUNK: Final = 4096
_FRAME: Final = re.compile(rb"[\x00-\x02]\x00{3}.{4}", re.DOTALL)
"""What the engine puts before each piece: which output it is of, and its length."""
_LOOK_EVERY: Final = 0.1
_NOT_THERE: Final = frozenset({404, 409})
"""What the engine answers of a container that is gone, has ended or is paused."""


class Hooks:
    """Finds and runs the hooks of replicas.

    Args:
        client: of the Engine API.
        files: of the projects.
    """

    def __init__(self, *, client: APIClient, files: ProjectFiles) -> None:
        self._client = client
        self._files = files
        # By image, which never changes: after a build some engines do not know that of before any more.
        self._brought: dict[str, Mapping[str, str]] = {}
        # Runs of which no end is known, which nothing ends, by replica: another beside one would do it twice.
        self._open: dict[tuple[str, Hook], str] = {}

    def check(self, inspected: Mapping[str, Any]) -> None:
        """See that the hooks of a model are known, before it is copied.

        Args:
            inspected: the answer of ``GET /containers/<id>/json``.

        Raises:
            TargetError: there are some, and nobody can tell which; or it is the image that names them.
        """
        for kind, label in HOOKS.items():
            name = PREFIX + label.name
            if self._is_the_images(inspected, name):
                raise TargetError(
                    f"the image {inspected['Config']['Image']} brings the label {name}, and hooks are taken"
                    f" from the service alone; write another, or {name}: '[]', under labels: of the service",
                    reason=ErrorReason.CANNOT_CLONE,
                )
            self.find(inspected, kind)

    def doubt(self, labels: Mapping[str, str]) -> str:
        """Say which hooks a service may have, and nobody can tell; empty where all are known.

        Args:
            labels: of one of its containers.
        """
        definition = self._files.definition(labels)
        names = {kind: PREFIX + label.name for kind, label in HOOKS.items()}
        doubted = [kind for kind in HOOKS if names[kind] not in labels and not definition.says.get(kind)]
        if not definition.unread or not doubted:
            return ""
        asked = " and ".join(names[kind] for kind in doubted)
        return (
            f"{definition.unread} cannot be read here, so hooks that stand there ({', '.join(doubted)}) are"
            f" not run; give the service {asked} as a label: '[]' for none, else what alertscale check writes"
            " where the file is"
        )

    def find(self, inspected: Mapping[str, Any], kind: HookKind) -> tuple[Hook, ...]:
        """Find the hooks of one kind: those of the label, else those of the files, else none.

        Args:
            inspected: the answer of ``GET /containers/<id>/json``.
            kind: which.

        Raises:
            TargetError: there are some, and nobody can tell which, or whether the image names them.
        """
        labels = inspected["Config"]["Labels"]
        label = HOOKS[kind]
        name = PREFIX + label.name
        try:
            if name in labels and not self._is_the_images(inspected, name):
                return label.read(labels[name].strip()) or ()
            return _of_files(self._files.definition(labels), kind)
        except ValueError as error:
            raise TargetError(
                f"the service has {kind}, and nobody can tell which: what stands there is not {error};"
                f" give the service the label {name}, alertscale check writes it for you",
                reason=ErrorReason.CANNOT_CLONE,
            ) from error

    def run(
        self,
        inspected: Mapping[str, Any],
        kind: HookKind,
        *,
        timeout: float,
        ask: Callable[[], object],
    ) -> None:
        """Run a replica's hooks of one kind, one after the other.

        Args:
            inspected: the answer of ``GET /containers/<id>/json``.
            kind: which; a ``pre_stop`` has nothing to do in a replica that does not run.
            timeout: seconds, for all of them; one that was not waited for before and still runs is now.
            ask: called meanwhile, a few times a second; what it raises ends the wait, and no hook.

        Raises:
            TargetError: with the reason ``hook_failed`` when one failed or took too long.
        """
        deadline = time.monotonic() + timeout
        for hook in self.find(inspected, kind):
            said = f"{kind} {shlex.join(hook.command)[:_SHOWN]!r}"
            try:
                left = self._open.get((inspected["Id"], hook))
                begun = left is not None and self._runs(left)
                made = left if left and begun else self._create(inspected["Id"], hook)
            except TargetError as error:
                if getattr(error.__cause__, "status_code", None) not in _NOT_THERE:
                    raise
                if kind is HookKind.PRE_STOP:
                    return
                raise _failed(f"{said} could not be run: {error}", printed="") from error
            self._open[inspected["Id"], hook] = made
            code, printed = self._follow(made, deadline, ask, begun=begun)
            if code is None:
                raise _failed(f"{said} did not end within {timeout:g} s", printed=printed)
            self._open.pop((inspected["Id"], hook), None)
            if code:
                raise _failed(f"{said} ended with {code}", printed=printed)

    def _create(self, replica: str, hook: Hook) -> str:
        with engine_errors(f"run {hook.command[0]} in {replica[:12]}"):
            return str(
                self._client.exec_create(
                    replica,
                    list(hook.command),
                    user=hook.user,
                    privileged=hook.privileged,
                    workdir=hook.working_dir or None,
                    environment=list(hook.environment),
                )["Id"]
            )

    def _runs(self, made: str) -> bool:
        try:
            with engine_errors("look at a hook"):
                return bool(self._client.exec_inspect(made)["Running"])
        except TargetError as error:
            if error.reason is ErrorReason.ENGINE_UNAVAILABLE:
                raise
            return False

    def _follow(
        self, made: str, deadline: float, ask: Callable[[], object], *, begun: bool
    ) -> tuple[int | None, str]:
        """Run it; return its exit code, None if it has not ended in time, and what it printed last."""
        with engine_errors("run a hook"):
            output = _Output(None if begun else self._client.exec_start(made, socket=True))
            with contextlib.closing(output):
                while True:
                    # What it started may hold its output open, or it may have closed that and go on.
                    output.read(_LOOK_EVERY)
                    found = self._client.exec_inspect(made)
                    if found["ExitCode"] is not None and not found["Running"]:
                        output.read(_LOOK_EVERY)
                        return int(found["ExitCode"]), output.text
                    if time.monotonic() > deadline:
                        return None, output.text
                    ask()

    def _is_the_images(self, inspected: Mapping[str, Any], name: str) -> bool:
        """Whoever makes an image is not to say what is run in its containers, and with which rights."""
        said = inspected["Config"]["Labels"].get(name)
        if said is None:
            return False
        found = inspected["Image"]
        if found not in self._brought:
            with engine_errors(f"read the labels of {inspected['Config']['Image']}"):
                image = self._client.inspect_image(found)  # type: ignore[no-untyped-call]
            self._brought[found] = (image.get("Config") or {}).get("Labels") or {}
        return bool(said == self._brought[found].get(name))


def _failed(what: str, *, printed: str) -> TargetError:
    return TargetError(f"{what}; it printed {printed!r}" if printed else what, reason=ErrorReason.HOOK_FAILED)


class _Output:
    """The last of what a hook prints: the SDK's own reading has no limit in time, and leaves sockets open.

    Args:
        stream: the SDK's socket; None for one that nobody listens to any more.
    """

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - the SDK gives one of several, without a type
        self._stream = stream
        self._poll = select.poll()
        self._tail = b"" if stream is None else came_early(stream)
        self._ended = stream is None
        if not self._ended:
            self._poll.register(stream, select.POLLIN)

    def read(self, seconds: float) -> None:
        """Take in what comes within that time, or until it ends."""
        if self._ended:
            time.sleep(seconds)
        until = time.monotonic() + seconds
        while not self._ended and (left := until - time.monotonic()) > 0:
            if self._poll.poll(left * 1000):
                chunk = self._stream.read(_CHUNK)
                self._ended = not chunk
                self._tail = (self._tail + chunk)[-_CHUNK:]

    @property
    def text(self) -> str:
        """The last letters, in one line."""
        words = " ".join(_FRAME.sub(b"", self._tail).decode(errors="replace").split())
        return "".join(letter if letter.isprintable() else "?" for letter in words)[-_SHOWN:]

    def close(self) -> None:
        """Let go of the connection."""
        if self._stream is not None:
            self._stream._response.close()  # noqa: SLF001 - the SDK keeps it there, and closes it nowhere


def _of_files(definition: Definition, kind: HookKind) -> tuple[Hook, ...]:
    written = definition.says.get(kind) or []
    if written and definition.unread:
        raise ValueError(f"all, since {definition.unread} cannot be read here")
    return hooks_of(_without_variables(written))


def _without_variables(value: object) -> object:
    """Undo the doubling of what is no variable.

    Raises:
        ValueError: there are variables, whose values only Compose knew.
    """
    if isinstance(value, dict):
        return {key: _without_variables(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_variables(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if "$" in value.replace("$$", ""):
        raise ValueError(f"without a variable, as {value!r} is")
    return value.replace("$$", "$")
