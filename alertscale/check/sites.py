"""From nginx' sites to the hosts that they hand requests to. Pure."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alertscale.check.findings import Place

SERVER: Final = "server"
"""What a server of an upstream is called; the others are those below."""
OURS: Final = ("Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto")
"""The headers of ``nginx/proxy.conf``."""
INCLUDE: Final = "include /etc/nginx/alertscale-proxy*.conf;"
"""What brings them into a block that has headers of its own."""

_PASSES: Final = frozenset(
    {"proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass"}
)
_UPSTREAM: Final = "upstream"
_HEADER: Final = "proxy_set_header"
_DEFAULT: Final = frozenset({"default_server", "default"})
_ANYWHERE: Final = "*:80"
"""Where a server without ``listen`` does."""
_INCLUDED: Final = "/alertscale-proxy"
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<mark>[;{}])"""
    r"""|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<word>(?:\\.|\$\{|[^\s;{])+)""",
    re.DOTALL,
)
_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NAME: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]*[A-Za-z_-][A-Za-z0-9._-]*)(?::(?P<port>\d+))?")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A host, or an upstream, that a site names without a variable.

    Attributes:
        place: where.
        directive: ``proxy_pass`` and the like, or ``server`` in an upstream of the site's own.
        written: what stands behind it.
        name: of the host or the upstream.
        port: if it has one.
    """

    place: Place
    directive: str
    written: str
    name: str
    port: str | None


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What one block of a site itself says to be told to replicas.

    Attributes:
        block: ``server``, ``location`` and the like.
        own: where each header stands, by its name in lower case.
        included: whether those of ``nginx/proxy.conf`` are in it, too.
    """

    block: str
    own: Mapping[str, Place]
    included: bool


@dataclass(frozen=True, kw_only=True)
class Once:
    """Something that nginx takes once only.

    Attributes:
        place: where.
        what: ``default_server``, ``upstream`` or ``server_name``.
        value: the address, the name of the upstream, or the name and the address.
    """

    place: Place
    what: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Sites:
    """All sites of an nginx.

    Attributes:
        asked: in the order of files and lines.
        headers: of each block that has some of its own.
        upstreams: that they define themselves, in lower case: nginx does not see the case.
        once: what may be there once, in the order of files and lines.
    """

    asked: tuple[Asked, ...]
    headers: tuple[Headers, ...]
    upstreams: frozenset[str]
    once: tuple[Once, ...]


@dataclass(frozen=True, kw_only=True)
class _Directive:
    line: int
    words: tuple[str, ...]
    inside: str
    """The name of the block that it is in; empty for none."""
    block: int
    """A number that no other block of the file has."""


def read_sites(texts: Mapping[Path, str]) -> Sites:
    """Read sites; what is no configuration gives nothing, since nginx itself names it best.

    Args:
        texts: by file.
    """
    found = [(file, one) for file, text in texts.items() for one in _directives(text)]
    own = {one.words[1].lower() for _, one in found if one.words[0] == _UPSTREAM and len(one.words) > 1}
    asked = (_asked(file, one) for file, one in found)
    return Sites(
        asked=tuple(one for one in asked if one),
        headers=tuple(_headers(found)),
        upstreams=frozenset(own),
        once=tuple(sorted(_once(found), key=lambda one: one.place)),
    )


def _directives(text: str) -> Iterator[_Directive]:
    words: list[str] = []
    line, begun, blocks = 1, 1, [("", 0)]
    for number, token in enumerate(_TOKEN.finditer(text), start=1):
        mark = token["mark"]
        if mark and words:
            yield _Directive(line=begun, words=tuple(words), inside=blocks[-1][0], block=blocks[-1][1])
        if mark == "{":
            blocks.append((words[0] if words else "", number))
        elif mark == "}":
            del blocks[max(len(blocks) - 1, 1) :]
        elif not token["space"]:
            begun = begun if words else line
            words.append(token[token.lastgroup or 0])
        words = [] if mark else words
        line += token[0].count("\n")


def _headers(found: list[tuple[Path, _Directive]]) -> Iterator[Headers]:
    blocks: dict[tuple[Path, int], list[_Directive]] = {}
    for file, one in found:
        blocks.setdefault((file, one.block), []).append(one)
    for (file, block), directives in blocks.items():
        own = {
            one.words[1].lower(): Place(file=file, line=one.line)
            for one in reversed(directives)
            if one.words[0] == _HEADER and len(one.words) > 1
        }
        included = any(one.words[0] == "include" and _INCLUDED in one.words[-1] for one in directives)
        # What stands outside of a server stands beside those of nginx.conf.
        if own:
            yield Headers(block=directives[0].inside, own=own, included=included or not block)


def _once(found: list[tuple[Path, _Directive]]) -> Iterator[Once]:
    servers: dict[tuple[Path, int], list[_Directive]] = {}
    for file, one in found:
        if one.words[0] == _UPSTREAM and len(one.words) > 1:
            yield Once(place=Place(file=file, line=one.line), what=_UPSTREAM, value=one.words[1].lower())
        if one.inside == SERVER:
            servers.setdefault((file, one.block), []).append(one)
    for (file, _), directives in servers.items():
        yield from _once_in(file, directives)


def _once_in(file: Path, server: list[_Directive]) -> Iterator[Once]:
    listens = [one for one in server if one.words[0] == "listen" and len(one.words) > 1]
    for one in listens:
        if not _DEFAULT.isdisjoint(one.words):
            place = Place(file=file, line=one.line)
            yield Once(place=place, what="default_server", value=_address(one.words[1]))
    addresses = {_address(one.words[1]) for one in listens} or {_ANYWHERE}
    named = [one for one in server if one.words[0] == "server_name"]
    # The same name again in one server is no second one.
    names = {name.lower(): Place(file=file, line=one.line) for one in named for name in one.words[1:]}
    for name, place in names.items():
        for address in sorted(addresses):
            yield Once(place=place, what="server_name", value=f"{name} on {address}")


def _address(written: str) -> str:
    """Where a ``listen`` listens, always with host and port."""
    if written.isdecimal():
        return f"*:{written}"
    if written.startswith("unix:"):
        return written
    host, colon, port = written.rpartition(":")
    if not colon or written.endswith("]"):
        host, port = written, "80"
    return f"{'*' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - read, not bound


def _asked(file: Path, one: _Directive) -> Asked | None:
    directive, *words = one.words
    in_upstream = directive == SERVER and one.inside == _UPSTREAM and "resolve" not in words
    if not words or not (directive in _PASSES or in_upstream):
        return None
    named = _NAME.fullmatch(re.split(r"[/?]", _SCHEME.sub("", words[0]), maxsplit=1)[0])
    # A variable, a socket and an address are no names.
    if "$" in words[0] or named is None or _is_address(named["name"]):
        return None
    return Asked(
        place=Place(file=file, line=one.line),
        directive=directive,
        written=words[0],
        name=named["name"].lower(),
        port=named["port"],
    )


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
