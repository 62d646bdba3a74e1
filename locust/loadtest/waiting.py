"""Waiting until the service answers."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 1.0
_SAY_EVERY: Final = 5


class NotReadyError(Exception):
    """The service was not ready in time; the message names the URL, the last answer and the way out."""


def why_not_ready(url: str) -> str:
    """Return why the URL cannot be used yet, or an empty string when it answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the operator's own URL
            return "" if response.status == http.HTTPStatus.OK else f"it answered {response.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)


def await_ready(
    url: str,
    *,
    seconds: float,
    look: Callable[[str], str],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    say: Callable[[str], object],
) -> None:
    """Return once nothing stands against using the URL; say every few seconds what is waited for.

    Args:
        url: What is to answer 200.
        seconds: The longest time to wait.
        look: Returns why the URL cannot be used yet, empty when it can.
        monotonic: Seconds.
        sleep: Waits so many seconds.
        say: Takes a line.

    Raises:
        NotReadyError: The time is over.
    """
    began = monotonic()
    attempt = 0
    while reason := look(url):
        waited = monotonic() - began
        if waited >= seconds:
            raise NotReadyError(
                f"{url} was not ready within LOCUST_WAIT_SECONDS={seconds:g}: {reason}. "
                f"Way out: see `docker compose ps` for what is not healthy; LOCUST_READY_PATH sets the path."
            )
        if attempt % _SAY_EVERY == 0:
            say(f"load test: waiting for {url} to answer 200, {waited:.0f} of {seconds:g} s: {reason}")
        attempt += 1
        sleep(_PAUSE_SECONDS)
