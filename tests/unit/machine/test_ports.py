"""When the stack does not come up, ports that another program holds are named."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from machine.ports import Published, published, taken, way_out


@pytest.fixture
def held() -> Iterator[int]:
    """A port of loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def nginx(port: int, *, host: str = "") -> Published:
    return Published(service="nginx", host=host, port=port)


def test_the_published_ports_are_those_with_a_number() -> None:
    config: dict[str, Any] = {
        "services": {
            "nginx": {"ports": [{"host_ip": "0.0.0.0", "target": 80, "published": "8080"}]},
            "own": {"ports": [{"target": 80}, {"target": 81, "published": "9000-9010"}]},
            "exporter": {},
        }
    }
    assert published(config) == (nginx(8080, host="0.0.0.0"),)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_a_port_that_somebody_listens_on_is_taken(held: int, host: str) -> None:
    assert taken([nginx(held, host=host)], running=()) == (nginx(held, host=host),)


def test_a_port_of_a_service_that_runs_is_its_own(held: int) -> None:
    assert taken([nginx(held)], running={"nginx"}) == ()


def test_a_port_that_nobody_listens_on_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    assert taken([nginx(port, host="127.0.0.1")], running=()) == ()


def test_the_way_out_names_port_and_service() -> None:
    assert "8080 (for nginx)" in way_out([nginx(8080)])
    assert ".env" in way_out([nginx(8080)])
