"""Which ports are to be published, from which variables, and which of them somebody holds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from machine.ports import Published, published, taken, variables


@pytest.fixture
def held() -> Iterator[int]:
    """A port of loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def nginx(port: int, *, host: str = "") -> Published:
    return Published(service="nginx", host=host, port=port, target=80)


def test_the_published_ports_are_those_with_a_number_of_what_is_started() -> None:
    some = [{"target": 80, "published": "8080"}]
    config: dict[str, Any] = {
        "services": {
            "nginx": {"ports": [{"host_ip": "0.0.0.0", "target": 80, "published": "8080"}]},
            "own": {"ports": [{"target": 80}, {"target": 81, "published": "9000-9010"}]},
            "dns": {"ports": [{"target": 53, "published": "53", "protocol": "udp"}]},
            "none": {"ports": some, "deploy": {"replicas": 0}},
            "never": {"ports": some, "scale": 0},
            "chosen": {"ports": some, "profiles": ["chosen"]},
            "exporter": {},
        }
    }
    assert published(config) == (nginx(8080, host="0.0.0.0"),)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_a_port_that_somebody_listens_on_is_taken(held: int, host: str) -> None:
    assert taken(nginx(held, host=host))


def test_a_port_that_nobody_listens_on_is_free() -> None:
    assert not taken(nginx(free(), host="127.0.0.1"))


def test_the_variable_of_a_port_is_the_one_that_stands_before_the_containers_port() -> None:
    raw: dict[str, Any] = {
        "services": {
            "nginx": {"ports": ["${BIND:-0.0.0.0}:${NGINX_PORT:-8080}:80", "127.0.0.1:443:443/tcp"]},
            "own": {"ports": [{"published": "$OWN_PORT", "target": 81}, {"target": 82}]},
            "exporter": {},
        }
    }
    assert variables(raw) == {("nginx", 80): "NGINX_PORT", ("own", 81): "OWN_PORT"}
