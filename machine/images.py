"""Which images the stack is built from, read from the files that pin them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine.errors import ImageError

FROM_LINE = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
HUB_PREFIXES = ("docker.io/library/", "docker.io/", "library/")


@dataclass(frozen=True, kw_only=True)
class Image:
    """A pinned image.

    Attributes:
        repository: Its name without Docker Hub's prefixes, such as `prom/prometheus`.
        tag: Its tag, such as `v3.5.3`.
    """

    repository: str
    tag: str

    @property
    def reference(self) -> str:
        """The form that the engine's programs take."""
        return f"{self.repository}:{self.tag}"

    @property
    def version(self) -> str:
        """The version in the tag: digits and dots, without `v` or a suffix such as `-slim`."""
        found = re.match(r"v?(\d+(?:\.\d+)*)", self.tag)
        return found.group(1) if found else ""


def parse(reference: str, *, where: str) -> Image:
    """Read a reference; `where` names its place for the message.

    Raises:
        ImageError: It has no tag, or one that moves, or a variable in it.
    """
    name, _, tag = reference.rpartition(":")
    if not name or "/" in tag or "$" in reference or tag == "latest":
        raise ImageError(
            f"{where}: the image {reference!r} is not pinned. Way out: write it as name:version, "
            f"without variables."
        )
    for prefix in HUB_PREFIXES:
        name = name.removeprefix(prefix)
    return Image(repository=name, tag=tag)


def bases(dockerfile: str, *, where: str) -> tuple[Image, ...]:
    """Return the images that a Dockerfile's text starts from, its own stages left out.

    Raises:
        ImageError: One of them is not pinned, or there is no FROM line at all.
    """
    stages = {"scratch"}
    found: list[Image] = []
    lines = [match for line in dockerfile.splitlines() if (match := FROM_LINE.match(line))]
    if not lines:
        raise ImageError(f"{where}: no FROM line. Way out: restore the file.")
    for match in lines:
        reference, stage = match.groups()
        if reference.lower() not in stages:
            found.append(parse(reference, where=where))
        if stage:
            stages.add(stage.lower())
    return tuple(found)


def pinned(config: dict[str, Any]) -> tuple[Image, ...]:
    """Return every image that must be there before the stack can be built and started, each once.

    Args:
        config: What `docker compose config --format json` prints.

    Raises:
        ImageError: An image is not pinned, or a service's Dockerfile is absent or has no FROM line.
    """
    found: list[Image] = []
    for name, service in sorted(config["services"].items()):
        if "build" in service:
            file = dockerfile_of(service["build"])
            found += bases(_text(file, service=name), where=str(file))
        else:
            found.append(parse(service["image"], where=f"docker-compose.yml, service {name}"))
    return tuple(dict.fromkeys(found))


def _text(file: Path, *, service: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as fault:
        raise ImageError(
            f"docker-compose.yml, service {service}: its Dockerfile {file} cannot be read "
            f"({fault.strerror}). Way out: restore it, or correct `build:`."
        ) from fault


def dockerfile_of(build: dict[str, Any]) -> Path:
    """Return the Dockerfile of a service's `build` section as Compose resolves it."""
    return Path(str(build["context"])) / str(build.get("dockerfile", "Dockerfile"))


def select(images: Iterable[Image], repository: str) -> Image:
    """Return the one image of a repository.

    Raises:
        ImageError: There is none.
    """
    for image in images:
        if image.repository == repository:
            return image
    raise ImageError(f"docker-compose.yml: no service uses an image of {repository}. Way out: restore it.")
