"""Which service runs Prometheus or Alertmanager, and what its own flags say of files, port and path. Pure."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from alertscale.check.compose import Service, Stack
from alertscale.check.dockerfile import Dockerfile
from alertscale.check.reading import Text

_FLAG: Final = re.compile(
    r"(?:^|\s)--?(?P<name>[a-z][a-z.-]+)(?:=|\s+(?!-))(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"']+)"
)
_OFFICIAL: Final = re.compile(r"(?:docker\.io/)?(?:prom|quay\.io/prometheus)/[^/]+")
"""Images whose command is known: it names the file, which nothing else does."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A program of Prometheus' kind.

    Attributes:
        name: of its image, and of the program.
        title: as a sentence calls it.
        config: its file, as its image's command names it.
        home: where its image starts it.
        port: where it listens unless it is told.
    """

    name: str
    title: str
    config: str
    home: str
    port: int


PROMETHEUS: Final = Kind(
    name="prometheus",
    title="Prometheus",
    config="/etc/prometheus/prometheus.yml",
    home="/prometheus",
    port=9090,
)
ALERTMANAGER: Final = Kind(
    name="alertmanager",
    title="Alertmanager",
    config="/etc/alertmanager/alertmanager.yml",
    home="/alertmanager",
    port=9093,
)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service that runs such a program.

    Attributes:
        kind: which.
        service: that runs it.
        config: path of its file in the container; None if that cannot be known.
        sure: it is said so by a flag, or by the command of an image that is known.
        scripted: something of its own starts the program, and may write the file that it reads.
        guessed: it is, and nothing says where the file is.
        official: its image is one of which is known what is in it.
        port: where it listens; None if that cannot be known.
        prefix: what the paths of its API begin with, without a slash at the end.
        plain: it surely speaks http: nothing tells it otherwise.
        built: what its image was built by, if that is known.
    """

    kind: Kind
    service: Service
    config: str | None
    sure: bool
    scripted: bool
    guessed: bool
    official: bool
    port: int | None
    prefix: str
    plain: bool = True
    built: Dockerfile | None = field(default=None, compare=False)


def find_running(stack: Stack, kind: Kind, *, built: Mapping[str, Dockerfile]) -> tuple[Running, ...]:
    """Find the services that run a program, in the order of the files.

    Args:
        stack: all services.
        kind: the program.
        built: the Dockerfiles of the services that have one, by the service's name.
    """
    return tuple(_found(stack, kind, built))


def _found(stack: Stack, kind: Kind, built: Mapping[str, Dockerfile]) -> Iterator[Running]:
    for service in stack.services.values():
        dockerfile = built.get(service.name) if service.program.build else None
        image = service.program.image
        name = dockerfile.image if dockerfile else (image.value if image else None) or ""
        if _called(name) == kind.name or (service.name == kind.name and not name):
            yield _running(service, kind, name, dockerfile)


def _called(image: str) -> str:
    return re.sub(r"[:@].*", "", image.rpartition("/")[2])


def _running(service: Service, kind: Kind, image: str, built: Dockerfile | None) -> Running:
    program = service.program
    entrypoint, command = _said(program.entrypoint), _said(program.command)
    if built:
        # A new entrypoint puts the command away that the image has.
        command = command or (None if entrypoint else built.command)
        entrypoint = entrypoint or built.entrypoint
    words = (*(entrypoint or ()), *(command or ()))
    flags, known = _flags(words), None not in words
    scripted = entrypoint is not None and posixpath.basename(entrypoint[0] or "") != kind.name
    official = bool(_OFFICIAL.fullmatch(image))
    home = (program.directory and program.directory.value) or (built and built.directory) or kind.home
    listen = flags.get("web.listen-address", f":{kind.port}").rpartition(":")[2]
    outside = urlsplit(flags.get("web.external-url", "")).path
    config = _config(kind, flags.get("config.file"), home, bare=official and bool(command) and not scripted)
    return Running(
        kind=kind,
        service=service,
        config=config if known or "config.file" in flags else None,
        sure=known and not (scripted or service.partial) and (official or "config.file" in flags),
        scripted=scripted,
        guessed=scripted and "config.file" not in flags,
        official=official,
        port=int(listen) if known and listen.isdecimal() else None,
        prefix=flags.get("web.route-prefix", outside).rstrip("/"),
        plain=known and not scripted and "web.config.file" not in flags,
        built=built,
    )


def _said(words: tuple[Text, ...] | None) -> tuple[str | None, ...] | None:
    return tuple(word.value for word in words) if words else None


def _config(kind: Kind, named: str | None, home: str, *, bare: bool) -> str | None:
    """Where the file is: by its flag, else by the image's command; `bare`: by the program's own default."""
    if named is None:
        return posixpath.join(home, posixpath.basename(kind.config)) if bare else kind.config
    return None if "$" in named else posixpath.normpath(posixpath.join(home, named))


def _flags(words: Sequence[str | None]) -> dict[str, str]:
    """The flags of a command, also of one that a shell is given as one text."""
    text = "\n".join(word for word in words if word)
    return {found["name"]: found["value"].strip("\"'") for found in _FLAG.finditer(text)}
