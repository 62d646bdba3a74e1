"""The images that Compose built for a project: which they are, and being rid of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from machine.shell import capture


def names(config: Mapping[str, Any]) -> list[str]:
    """Return the names that Compose gives to what it builds and the file does not name.

    Args:
        config: What `docker compose config --format json` prints; with `--profile *` for all of them.
    """
    services: Mapping[str, Mapping[str, Any]] = config["services"]
    unnamed = [name for name, one in services.items() if "build" in one and "image" not in one]
    return [f"{config['name']}-{name}" for name in unnamed]


def remove(images: Iterable[str]) -> list[str]:
    """Remove images that are there, one after another; return the names of those that stay.

    Not `docker compose down --rmi`, which removes them side by side: where two rest on one parent that
    has no name, each removal takes the parent along, and Engine 20.10 fails the later one with
    "unrecognized image ID".
    """
    wanted = list(dict.fromkeys(images))
    for image in wanted:
        capture("docker", "image", "rm", image)
    return [image for image in wanted if capture("docker", "image", "inspect", image).ok]
