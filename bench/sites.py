"""More sites in a stack's nginx, one for each service, on a port of its own that nobody publishes."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from testkit.stack import Stack, wait_until

_FIRST_PORT: Final = 9001
_FILE: Final = Path("nginx", "conf.d", "bench.conf")


# The upstream is as the scaler writes its own; nginx resolves the name when it loads its configuration.
_SITE: Final = """\
upstream {service} {{
    zone alertscale:{service} 256k;
    keepalive 32;
    keepalive_timeout 1000ms;
    server {service}:5000 max_fails=0;
}}
server {{
    listen {port};
    location / {{ proxy_pass http://{service}; }}
}}
"""


def port(number: int) -> int:
    """Where nginx listens for the service of this place in the list."""
    return _FIRST_PORT + number


def render(services: Sequence[str]) -> str:
    """Write a site for each service as nginx reads it. Pure."""
    sites = [_SITE.format(service=service, port=port(number)) for number, service in enumerate(services)]
    return "\n".join(sites)


@contextlib.contextmanager
def opened(stack: Stack, services: Sequence[str]) -> Iterator[str]:
    """Open a site for each service beside what the stack's nginx serves, and close them at the end.

    Yields:
        nginx's address on the stack's network: past any port of the machine, since none is published.
    """
    file = stack.directory / _FILE
    (address,) = stack.addresses("nginx")
    file.write_text(render(services), encoding="utf-8")
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
