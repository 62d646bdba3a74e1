"""What a scaling script does: change the count, then reload nginx. Nothing waits, nothing drains.

nginx has the replicas by their DNS name, resolved when it loads its configuration, as in every
example of Compose behind nginx; hence the reload.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import requests

from bench import sites
from testkit.stack import Stack, wait_until

_UPSTREAM = "upstream flask-app { server flask-app:5000; keepalive 32; }"
_FILE = "/etc/nginx/upstreams/current/flask-app.conf"
_IN_A_ROW = 20
_DEAF = "bench/baselines/docker-compose.deaf.yml"


@contextlib.contextmanager
def in_charge(stack: Stack) -> Iterator[None]:
    """Take the scaler away and give nginx the name in the place of addresses; undo both at the end."""
    stack.compose("stop", "scaler")
    try:
        stack.compose("exec", "-T", "nginx", "sh", "-c", f"printf '%s\\n' '{_UPSTREAM}' > {_FILE}")
        sites.reload(stack)
        yield
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "scaler")


@contextlib.contextmanager
def deaf(stack: Stack) -> Iterator[Stack]:
    """The service without a handler for its stop signal, one replica of it; as it was at the end."""
    changed = replace(stack, files=(*stack.files, _DEAF))
    try:
        _recreate(changed)
        yield changed
    finally:
        _recreate(stack)


def scale(stack: Stack, count: int, *, service: str = "flask-app", proxy: str = "nginx") -> None:
    """Scale, then reload."""
    up(stack, count, "--no-recreate", service=service)
    sites.reload(stack, proxy=proxy)


def _recreate(stack: Stack) -> None:
    up(stack, 1, "--wait")
    sites.reload(stack)
    # A reload is over some time after the command: no drill may begin on the replica that is gone.
    wait_until(lambda: _serves(stack), within=60, what="nginx to serve the recreated service")


def _serves(stack: Stack) -> bool:
    url = stack.url("NGINX_PORT", "/health")
    return all(requests.get(url, timeout=10).ok for _ in range(_IN_A_ROW))


def up(stack: Stack, count: int, *words: str, service: str = "flask-app") -> None:
    """Have Compose bring a service to a count."""
    stack.compose("up", "--detach", "--no-deps", *words, "--scale", f"{service}={count}", service)
