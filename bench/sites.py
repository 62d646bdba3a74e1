"""More sites in a stack's nginx, each on a port of its own that nobody publishes."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testkit.stack import Stack, wait_until

_FIRST_PORT: Final = 9001
_FILE: Final = Path("nginx", "conf.d", "bench.conf")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site with an upstream of its own.

    Attributes:
        upstream: its name.
        servers: hosts with their ports; names are resolved when nginx loads its configuration.
    """

    upstream: str
    servers: tuple[str, ...]


def port(number: int) -> int:
    """Where nginx listens for the site of this place in the list."""
    return _FIRST_PORT + number


def render(sites: Sequence[Site]) -> str:
    """Write sites as nginx reads them, their upstreams as the scaler writes its own. Pure."""
    return "\n".join(_upstream(site) + _server(site, port(number)) for number, site in enumerate(sites))


def _upstream(site: Site) -> str:
    servers = "".join(f"    server {server} max_fails=0;\n" for server in site.servers)
    return f"upstream {site.upstream} {{\n    zone {site.upstream} 256k;\n{servers}    keepalive 32;\n}}\n"


def _server(site: Site, at: int) -> str:
    return f"server {{\n    listen {at};\n    location / {{ proxy_pass http://{site.upstream}; }}\n}}\n"


@contextlib.contextmanager
def opened(stack: Stack, sites: Sequence[Site]) -> Iterator[str]:
    """Open sites beside what the stack's nginx serves, and close them at the end.

    Yields:
        nginx's address on the stack's network: past any port of the machine, since none is published.
    """
    file = stack.directory / _FILE
    (address,) = stack.addresses("nginx")
    file.write_text(render(sites), encoding="utf-8")
    try:
        reload(stack)
        wait_until(lambda: _listens(address, port(0)), within=30, what="nginx to open the sites")
        yield address
    finally:
        file.unlink()
        reload(stack)


def reload(stack: Stack, *, proxy: str = "nginx", check: bool = True) -> None:
    """Have an nginx, by its service's name, load its configuration anew."""
    stack.compose("exec", "-T", proxy, "nginx", "-s", "reload", check=check)


def _listens(address: str, at: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, at), timeout=1):
        return True
    return False
