"""The link to the Docker Engine: the SDK's errors as ours, and a socket that leads nowhere any more."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import docker.errors
import requests
import urllib3.exceptions
from docker import APIClient
from docker.utils import kwargs_from_env

from scaler.engines.refusals import refusal
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

_DEFAULT_ADDRESS: Final = "unix:///var/run/docker.sock"
_CHUNK: Final = 65_536
_LOOK_EVERY: Final = 1.0
_GRACE: Final = 5.0
"""Seconds for which /readyz still tells of an engine that is away, before the scaler ends over it."""


def engine_address() -> str:
    """Where the engine is, by the variable that the docker command reads too."""
    return os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS


def connect(*, timeout: int, answered: Callable[[], object] | None = None) -> APIClient:
    """Make a client of the Engine API, by the variables that the docker command reads too.

    Args:
        timeout: seconds for an answer.
        answered: called at each answer.

    Raises:
        TargetError: no engine is there.
    """
    with engine_errors("a first question"):
        client = APIClient(**kwargs_from_env(), timeout=timeout)
    if answered is not None:
        client.hooks["response"].append(lambda *_args, **_more: answered())
    return client


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours.

    Args:
        doing: what was tried, for the message: "start flask-app-2".

    Raises:
        TargetError: with the reason ``engine_unavailable`` when there was no answer, else the refusal's.
    """
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error).strip()
        raise refusal(f"the engine refused to {doing}: {said}") from error
    except (
        docker.errors.DockerException,
        requests.RequestException,
        # Not among those of requests: a stream that breaks off, as that of events does when the engine dies.
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise TargetError(
            f"no answer from the engine to {doing}: {error};"
            " is the Docker Engine running and its socket mounted?",
            reason=ErrorReason.ENGINE_UNAVAILABLE,
        ) from error


def came_early(stream: Any) -> bytes:  # noqa: ANN401 - the SDK gives one of several, without a type
    """Take what an exec printed before its stream was there: in one read with the head of the answer.

    The SDK looks for it on the socket alone (docker-py issue 3332), and so loses it.

    Args:
        stream: of the SDK's ``exec_start(socket=True)``, nothing of which has been read.
    """
    if not isinstance(stream, socket.SocketIO):  # of TLS, whose buffer is not to be had without waiting
        return b""
    reader, connection = stream._response.raw._fp.fp, stream._sock  # type: ignore[attr-defined]  # noqa: SLF001
    timeout = connection.gettimeout()
    connection.settimeout(0)  # where nothing came, it would be waited for
    try:
        return bytes(reader.peek())
    finally:
        connection.settimeout(timeout)


def exec_output(client: APIClient, made: str) -> bytes:
    """Run an exec that was made; return all that it prints."""
    stream: Any = client.exec_start(made, socket=True)
    with contextlib.closing(stream._response):  # noqa: SLF001 - the SDK keeps it there, and closes it nowhere
        pieces = [came_early(stream)]
        while piece := stream.read(_CHUNK):
            pieces.append(piece)
    return _without_frames(b"".join(pieces))


def _without_frames(framed: bytes) -> bytes:
    """Undo how the engine tells two outputs apart: by eight bytes before each piece, four of its length."""
    found, at = [], 0
    while at + 8 <= len(framed):
        end = at + 8 + int.from_bytes(framed[at + 4 : at + 8])
        found.append(framed[at + 8 : end])
        at = end
    return b"".join(found)


def is_replaced(address: str) -> bool:
    """Whether the socket at an address was deleted, and so can never lead to an engine again.

    A mount holds the file, not its name. An engine that is not started by systemd makes a new socket at
    each start; a container that lived on (live restore) keeps the old one until it is started anew.
    """
    scheme, _, path = address.partition("://")
    try:
        return scheme == "unix" and Path(path).stat().st_nlink == 0
    except OSError:
        return False


def await_replaced(
    address: str, *, stopping: threading.Event, every: float = _LOOK_EVERY, grace: float = _GRACE
) -> bool:
    """Wait until the socket at an address has been replaced; False when ``stopping`` came first.

    Args:
        address: as in ``DOCKER_HOST``.
        stopping: set when the scaler ends.
        every: seconds between two looks.
        grace: seconds to wait once it is.
    """
    while not is_replaced(address):
        if stopping.wait(every):
            return False
    return not stopping.wait(grace)
