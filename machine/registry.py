"""Which images are here, which can be pulled, and whether a registry answers at all."""

import select
import subprocess
from collections.abc import Sequence

from machine.images import Image
from machine.shell import announced, capture

# A registry that answers says so in the first line, long before the layers are here.
FIRST_LINE_SECONDS = 20.0
ABOUT_ONE_IMAGE = ("manifest unknown", "not found", "access denied", "toomanyrequests")


def present(image: Image) -> bool:
    """Whether the engine has the image."""
    return capture("docker", "image", "inspect", image.reference).ok


def pull(images: Sequence[Image]) -> tuple[list[Image], str]:
    """Pull images; once the registry itself does not answer, the rest is not tried.

    Returns:
        Those that could not be pulled, and why not, in the engine's words.
    """
    refused: list[Image] = []
    reason = ""
    for number, image in enumerate(images):
        if said := _pull_one(image):
            refused.append(image)
            reason = said
            if registry_is_away(said):
                refused += images[number + 1 :]
                break
    return refused, reason


def registry_is_away(said: str) -> bool:
    """Whether a failed pull speaks of the registry, not of that one image."""
    return not any(phrase in said.lower() for phrase in ABOUT_ONE_IMAGE)


def _pull_one(image: Image) -> str:
    """Pull one image; return the empty string, or the last line of what went wrong."""
    with (
        announced(f"Pulling {image.reference}"),
        subprocess.Popen(
            ["docker", "pull", image.reference],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as client,
    ):
        assert client.stdout is not None  # noqa: S101 - a pipe was asked for
        # Ending the client makes the engine give up the pull.
        if not select.select([client.stdout], [], [], FIRST_LINE_SECONDS)[0]:
            client.terminate()
            return f"the registry gave no answer within {FIRST_LINE_SECONDS:g} s"
        output = client.stdout.read()
    if client.returncode == 0:
        return ""
    lines = output.strip().splitlines()
    return lines[-1] if lines else f"docker pull ended with exit code {client.returncode}"
