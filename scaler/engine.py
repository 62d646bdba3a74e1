"""The Docker SDK's errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker.errors
import requests

from scaler.errors import TargetError
from scaler.reasons import ErrorReason


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours.

    Args:
        doing: what was tried, for the message: "start flask-app-2".

    Raises:
        TargetError: with the reason ``engine_unavailable`` when there was no answer, else ``engine_refused``.
    """
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error).strip()
        raise TargetError(f"the engine refused to {doing}: {said}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise TargetError(
            f"no answer from the engine to {doing}: {error};"
            " is the Docker Engine running and its socket mounted?",
            reason=ErrorReason.ENGINE_UNAVAILABLE,
        ) from error
