"""What a Dockerfile says of the image that it makes: its last stage alone. Pure."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Final

_CONTINUED: Final = re.compile(r"\\[ \t]*\n(?:[ \t]*#[^\n]*\n)*")
_FLAG: Final = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S+))?\s+")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What is put into the image.

    Attributes:
        sources: paths in the folder that the image is built of.
        target: where to; a folder if it ends with a slash, or there are several sources.
    """

    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """What an image is.

    Attributes:
        image: that it begins with.
        copies: of the folder that it is built of, in order.
        ports: that it exposes.
        checked: whether it has a health check.
        entrypoint: in words; None if that of the image that it begins with.
        command: likewise.
        directory: the last that it goes to; empty if none.
    """

    image: str = ""
    copies: tuple[Copy, ...] = ()
    ports: tuple[str, ...] = ()
    checked: bool = False
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    directory: str = ""


def read_dockerfile(text: str) -> Dockerfile:
    """Read a Dockerfile; what cannot be read of it says nothing."""
    said: dict[str, list[str]] = {}
    copies: list[Copy] = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        word = word.upper()
        if word == "FROM":
            said, copies = {}, []
        if word in {"COPY", "ADD"}:
            copies += _copy(rest)
        said.setdefault(word, []).append(rest.strip())
    checks, begins = said.get("HEALTHCHECK", [""]), said.get("FROM", [""])
    return Dockerfile(
        image=_FLAG.sub("", begins[-1] + " ").split(" ")[0],
        copies=tuple(copies),
        ports=tuple(port.partition("/")[0] for rest in said.get("EXPOSE", []) for port in rest.split()),
        checked=bool(checks[-1]) and checks[-1].upper() != "NONE",
        entrypoint=_words(said["ENTRYPOINT"][-1]) if "ENTRYPOINT" in said else None,
        command=_words(said["CMD"][-1]) if "CMD" in said else None,
        directory=said.get("WORKDIR", [""])[-1],
    )


def _copy(rest: str) -> list[Copy]:
    flags = dict(_FLAG.findall(rest))
    *sources, target = _words(_FLAG.sub("", rest)) or ("",)
    # From another stage or image: nobody here knows what it is.
    return [] if "from" in flags or not sources else [Copy(sources=tuple(sources), target=target)]


def _words(rest: str) -> tuple[str, ...]:
    try:
        if rest.strip().startswith("["):
            return tuple(str(word) for word in json.loads(rest))
        return tuple(shlex.split(rest))
    except ValueError:
        return tuple(rest.split())
