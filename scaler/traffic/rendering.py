"""The files of a generation of upstreams as nginx reads them: values in, text out, and back."""

import re
from typing import Final

from scaler.engines.contract import GENERATION_PORT
from scaler.model.labels import Balance
from scaler.traffic.contract import Upstream

PLACEHOLDER: Final = ("127.0.0.1", 8082)
"""The server that answers 503, which nginx itself runs: see nginx/accept.sh."""

_ZONE: Final = 256
"""KiB of the memory that nginx' workers share of an upstream, at least. A server takes up to 0.92 KiB of it
(1.30.6, IPv6), and one that does not fit is refused with all others, no file named: so 1 KiB each."""
_OF: Final = "# service "
_METHODS: Final = {
    Balance.ROUND_ROBIN: "",
    Balance.LEAST_CONN: "    least_conn;\n",
    Balance.IP_HASH: "    ip_hash;\n",
    Balance.CONSISTENT_HASH: "    hash $remote_addr consistent;\n",
}
_SERVER: Final = re.compile(r"^\s*server \[?([^\s\]]+)\]?:(\d+)\b", re.MULTILINE)


def render(upstream: Upstream) -> str:
    """Write one upstream.

    ``max_fails=0``: the scaler alone decides who is in; nginx's own guess would take out every
    replica of an overloaded service. The zone's prefix keeps it from being a user's: the zone of a
    directive such as ``limit_req_zone`` ends at its first colon. ``keepalive`` comes after the method: it
    wraps that. Without it nginx keeps connections by a default of its own.
    """
    servers = "".join(
        f"    server {_bracketed(address)}:{port} max_fails=0;\n"
        for address, port in sorted(upstream.servers) or [PLACEHOLDER]
    )
    replicas = "".join(f"# replica {host}\n" for host in sorted(upstream.fallback))
    return (
        "# Made by alertscale; the scaler replaces it when replicas change. Do not edit.\n"
        f"{_OF}{upstream.service}\n"
        f"{replicas}"
        f"upstream {upstream.name} {{\n"
        f"    zone alertscale:{upstream.name} {max(_ZONE, len(upstream.servers))}k;\n"
        f"{_METHODS[upstream.balance]}"
        f"{_kept(upstream.keepalive)}"
        f"{servers}"
        "}\n"
    )


def servers_of(text: str) -> frozenset[tuple[str, int]]:
    """Read host and port of each replica that a file of an upstream names."""
    return frozenset((host, int(port)) for host, port in _SERVER.findall(text)) - {PLACEHOLDER}


def owner_of(text: str) -> str:
    """Read whose a file of an upstream is; empty where it does not say."""
    return next((line.removeprefix(_OF) for line in text.splitlines() if line.startswith(_OF)), "")


def says(generation: str) -> str:
    """Write the server that says which generation answers, to nginx itself alone."""
    return (
        "# Made by alertscale. By this the scaler knows which upstreams nginx serves with. Do not edit.\n"
        "server {\n"
        f"    listen 127.0.0.1:{GENERATION_PORT};\n"
        "    access_log off;\n"
        "    keepalive_timeout 0;\n"
        "    default_type text/plain;\n"
        f'    return 200 "{generation}\\n";\n'
        "}\n"
    )


def _kept(seconds: float) -> str:
    if not seconds:
        return "    keepalive 0;\n"
    return f"    keepalive 32;\n    keepalive_timeout {seconds * 1000:.0f}ms;\n"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
