"""Rules on the sites of alertscale's nginx: whom they hand requests to, and with which headers."""

from collections.abc import Iterator
from typing import Final

from alertscale.check.compose import Service, Stack
from alertscale.check.findings import Found, nearest
from alertscale.check.setup import Setup
from alertscale.check.sites import INCLUDE, OURS, SERVER, Asked, Headers, Once

_ALWAYS_THERE: Final = frozenset({"localhost"})
_A_DOMAIN: Final = 2
"""So many dots are a host's; one may be that between a project and its service."""


def fixed_host(setup: Setup) -> Iterator[Found]:
    """A host that nginx looks up once and cannot do without."""
    for asked, stack in _asked(setup):
        if _is_host(asked, stack):
            yield Found(
                asked.place,
                f"{asked.directive} names the host {asked.name}, which nginx looks up only when it starts "
                "and is reloaded: it refuses the site if the host is gone then, and keeps the address, "
                "whoever has it later",
                _way_out(asked),
            )


def unknown_upstream(setup: Setup) -> Iterator[Found]:
    """An upstream that no service has."""
    for asked, stack in _asked(setup):
        meant = _upstream_with_port(asked, stack) or _own_with_project(asked, stack)
        unknown = asked.directive != SERVER and not (asked.port or "." in asked.name or stack.partial)
        if meant or (unknown and not _named(asked, stack)):
            near = meant or nearest(asked.name, [s.name for s in stack.services.values() if s.enabled])
            yield Found(
                asked.place,
                f"{asked.directive} {asked.written}: nginx has no such upstream, so visitors get 503",
                f"did you mean {near}?"
                if near
                else "name a service that has the label alertscale.enable, of another project as "
                "<project>.<service>; a host goes into a variable",
            )


def header_twice(setup: Setup) -> Iterator[Found]:
    """A header that a site writes beside the include that has it."""
    for headers in _headers(setup):
        there = "the include" if headers.block else "nginx.conf"
        for name in OURS if headers.included else ():
            if name.lower() in headers.own:
                yield Found(
                    headers.own[name.lower()],
                    f"proxy_set_header {name} stands beside that of {there}, so a replica gets it twice: "
                    "many answer 400, or take the wrong one",
                    "leave it away; a server or location that needs another one has no include and writes "
                    f"all four: {', '.join(OURS)}",
                )


def headers_left_out(setup: Setup) -> Iterator[Found]:
    """A header of its own, with which a block puts all of ours away."""
    for headers in _headers(setup):
        missing = [name for name in OURS if name.lower() not in headers.own]
        if missing and not headers.included:
            yield Found(
                min(headers.own.values()),
                f"with a proxy_set_header of its own, this {headers.block} passes on none of alertscale's: "
                f"replicas are not told {', '.join(missing)}",
                f"begin it with {INCLUDE}"
                if len(missing) == len(OURS)
                else f"write these, too, or {INCLUDE} instead of those that it has",
            )


def default_server_twice(setup: Setup) -> Iterator[Found]:
    """Two servers that are the default of one address."""
    for first, again in _twice(setup, "default_server"):
        yield Found(
            again.place,
            f"default_server of {again.value} stands in {_where(first)} already: nginx refuses one of them",
            "leave it away in one of them; who has a server_name does not need it",
        )


def upstream_twice(setup: Setup) -> Iterator[Found]:
    """Two upstreams of one name."""
    for first, again in _twice(setup, "upstream"):
        yield Found(
            again.place,
            f"the upstream {again.value} stands in {_where(first)} already: nginx refuses one of them",
            "give one of them another name, or define it once: an upstream is every site's",
        )


def server_name_twice(setup: Setup) -> Iterator[Found]:
    """Two servers of one name on one address."""
    for first, again in _twice(setup, "server_name"):
        yield Found(
            again.place,
            f"server_name {again.value} stands in {_where(first)} already: nginx only warns, and the first "
            "one answers all visitors",
            "give one of them another name or port, or put the locations of both into one server",
        )


def _twice(setup: Setup, what: str) -> Iterator[tuple[Once, Once]]:
    """The first and each further one of a value."""
    nginx = setup.stack.nginx if setup.stack else None
    first: dict[str, Once] = {}
    for one in setup.sites.once if nginx and setup.sites else ():
        if one.what == what and first.setdefault(one.value, one) is not one:
            yield first[one.value], one


def _where(one: Once) -> str:
    return f"{one.place.file.name}:{one.place.line}"


def _headers(setup: Setup) -> tuple[Headers, ...]:
    nginx = setup.stack.nginx if setup.stack else None
    return setup.sites.headers if nginx and setup.sites else ()


def _asked(setup: Setup) -> Iterator[tuple[Asked, Stack]]:
    """What the sites of alertscale's own nginx ask for by a name that may be lost."""
    nginx = setup.stack.nginx if setup.stack else None
    if setup.stack is None or nginx is None or setup.sites is None:
        return
    for asked in setup.sites.asked:
        own = setup.sites.upstreams if asked.directive != SERVER else frozenset()
        if asked.name not in own | nginx.extra_hosts | _ALWAYS_THERE:
            yield asked, setup.stack


def _named(asked: Asked, stack: Stack) -> Service | None:
    """The service that has this name, as its own or as another one."""
    services = sorted(stack.services.values(), key=lambda s: s.name.lower() != asked.name)
    return next((s for s in services if asked.name in {name.lower() for name in s.names}), None)


def _is_host(asked: Asked, stack: Stack) -> bool:
    """Whether it is surely none of alertscale's upstreams."""
    if asked.directive == SERVER:
        return True
    named = _named(asked, stack)
    if named is not None:
        return named.enabled is False or named.name.lower() != asked.name
    if "." not in asked.name:
        return asked.port is not None and not stack.partial
    return asked.port is not None or asked.name.count(".") >= _A_DOMAIN


def _upstream_with_port(asked: Asked, stack: Stack) -> str | None:
    """A scaled service, asked for as nginx refuses it."""
    named = _named(asked, stack) if asked.port and asked.directive != SERVER else None
    return named.name if named and named.enabled and named.name.lower() == asked.name else None


def _own_with_project(asked: Asked, stack: Stack) -> str | None:
    """A service of the stack's own, whose upstream is called without the project."""
    project, _, service = asked.name.partition(".")
    named = stack.services.get(service) if project == stack.project and not asked.port else None
    return service if named and named.enabled and asked.name not in stack.services else None


def _way_out(asked: Asked) -> str:
    if asked.directive == SERVER:
        return (
            "let nginx look it up again: `resolve` behind the server, and in its upstream a `zone` and "
            "`resolver 127.0.0.11;`"
        )
    return (
        "put it into a variable, which nginx looks up when it is asked for: resolver 127.0.0.11; "
        f"set $there {asked.written}; {asked.directive} $there;"
    )
