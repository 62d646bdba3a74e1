"""What a Dockerfile says of the image that it makes. Pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
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


def read_dockerfile(text: str, *, target: str = "") -> Dockerfile:
    """Read a Dockerfile; what cannot be read of it says nothing.

    Args:
        text: of it.
        target: the stage that is meant, by name; the last if empty.
    """
    stages: dict[str, _Stage] = {}
    stage = _Stage()
    for line in _CONTINUED.sub(" ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            image, _, name = _FLAG.sub("", rest.strip() + " ").strip().partition(" ")
            stage = _Stage.on(stages.get(image.lower()), image)
            stages[name[len("as ") :].strip().lower()] = stage
        else:
            stage.say(word.upper(), rest.strip())
    return stages.get(target.lower(), stage).read() if target else stage.read()


@dataclass(kw_only=True)
class _Stage:
    image: str = ""
    said: dict[str, list[str]] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)

    @classmethod
    def on(cls, below: _Stage | None, image: str) -> _Stage:
        """One that begins with an image, or with a stage before it."""
        if below is None:
            return cls(image=image)
        said = {word: list(texts) for word, texts in below.said.items()}
        return cls(image=below.image, said=said, copies=list(below.copies))

    def say(self, word: str, rest: str) -> None:
        if word in {"COPY", "ADD"}:
            self.copies += _copy(rest)
        self.said.setdefault(word, []).append(rest)

    def read(self) -> Dockerfile:
        check = self.said.get("HEALTHCHECK", [""])[-1]
        ports = (port for rest in self.said.get("EXPOSE", []) for port in rest.split())
        return Dockerfile(
            image=self.image,
            copies=tuple(self.copies),
            ports=tuple(port.partition("/")[0] for port in ports if not port.endswith("/udp")),
            checked=bool(check) and check.upper() != "NONE",
            entrypoint=_words(self.said["ENTRYPOINT"][-1]) if "ENTRYPOINT" in self.said else None,
            command=_words(self.said["CMD"][-1]) if "CMD" in self.said else None,
            directory=self.said.get("WORKDIR", [""])[-1],
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
