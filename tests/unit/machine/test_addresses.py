"""The pages that `make up` prints are those that Compose publishes."""

from __future__ import annotations

from typing import Any

from machine.addresses import pages, table


def service(port: str, *, host: str = "127.0.0.1") -> dict[str, Any]:
    return {"ports": [{"host_ip": host, "target": 80, "published": port}]}


def test_the_known_pages_come_first_and_in_order_with_their_published_ports() -> None:
    config = {
        "services": {
            "api": service("7000"),
            "locust": service("8089"),
            "prometheus": service("10090"),
            "scaler": service("8000"),
            "nginx": service("18080", host="0.0.0.0"),
            "exporter": {},
        }
    }
    assert list(pages(config)) == [
        "http://localhost:18080/",
        "http://localhost:8000/",
        "http://localhost:10090/",
        "http://localhost:8089/",
        "http://localhost:7000/",
    ]


def test_a_page_on_one_address_is_shown_at_that_address() -> None:
    config = {"services": {"nginx": service("80", host="192.0.2.7")}}
    assert list(pages(config)) == ["http://192.0.2.7:80/"]


def test_a_port_that_docker_chooses_has_no_page() -> None:
    config = {"services": {"api": {"ports": [{"target": 80}]}}}
    assert pages(config) == {}


def test_the_table_lines_the_addresses_up() -> None:
    shown = table({"http://x/": "a", "http://y/": "longer"})
    assert shown == "  a       http://x/\n  longer  http://y/"


def test_a_page_behind_tls_is_shown_as_https() -> None:
    config = {"services": {"nginx": {"ports": [{"target": 443, "published": "8443"}]}}}
    assert list(pages(config)) == ["https://localhost:8443/"]
