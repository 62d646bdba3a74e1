"""What stands in the files of upstreams, and what has no place in them."""

from dataclasses import replace

import pytest

from scaler.model.labels import Balance
from scaler.traffic.contract import Upstream
from scaler.traffic.rendering import owner_of, render
from tests.unit.scaler.traffic.test_nginx import web


class TestUpstream:
    @pytest.mark.parametrize("name", ["web", "shop.web", "flask-app", "Web_2", "2048", "_web", "-web"])
    def test_names_of_compose_services(self, name: str) -> None:
        assert web("10.0.0.2", name=name).name == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "../web",
            "/etc/passwd",
            "a/b",
            "a b",
            "web;",
            "web{",
            "web\n",
            "web\x00",
            ".web",
            "wéb",
        ],
    )
    def test_a_name_that_has_no_place_in_a_file_name_or_a_configuration(self, name: str) -> None:
        with pytest.raises(ValueError, match="is no name for an upstream"):
            Upstream(name=name, servers=(("10.0.0.2", 80),))

    @pytest.mark.parametrize(
        "fallback", ["web", "web:", ":80", "web:http", "web:80\n", "web:80;", "a b:80", "../web:80"]
    )
    def test_a_fallback_that_is_not_host_and_port(self, fallback: str) -> None:
        with pytest.raises(ValueError, match="is not host:port"):
            Upstream(name="web", servers=(("10.0.0.2", 80),), fallback=("web-1:80", fallback))

    @pytest.mark.parametrize("address", ["", "web", "10.0.0.2;", "10.0.0.2\n", "10.0.0", "fe80::1%e;\n}"])
    def test_an_address_that_is_none(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"does not appear to be|is no address"):
            Upstream(name="web", servers=((address, 80),))

    def test_a_service_that_is_more_than_a_line(self) -> None:
        with pytest.raises(ValueError, match="is no service"):
            Upstream(name="web", service="shop/web\nserver evil;")


def test_whose_it_is_can_be_read_back() -> None:
    assert owner_of(render(web("10.0.0.2"))) == "shop/web"
    assert owner_of("# Made at the start of nginx\nupstream web {\n}\n") == ""


def test_rendered() -> None:
    assert render(web("10.0.0.3", "10.0.0.2")) == (
        "# Made by alertscale; the scaler replaces it when replicas change. Do not edit.\n"
        "# service shop/web\n"
        "# replica shop-web-1:5000\n"
        "upstream web {\n"
        "    zone alertscale:web 256k;\n"
        "    keepalive 32;\n"
        "    keepalive_timeout 1000ms;\n"
        "    server 10.0.0.2:5000 max_fails=0;\n"
        "    server 10.0.0.3:5000 max_fails=0;\n"
        "}\n"
    )


@pytest.mark.parametrize(("servers", "zone"), [(1, 256), (256, 256), (257, 257), (1000, 1000)])
def test_nginx_has_a_kibibyte_for_each_server(servers: int, zone: int) -> None:
    """That 1000 fit into theirs is tested with nginx."""
    addresses = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(servers)]

    assert f"    zone alertscale:web {zone}k;\n" in render(web(*addresses))


@pytest.mark.parametrize(
    ("balance", "method"),
    [
        (Balance.ROUND_ROBIN, ""),
        (Balance.LEAST_CONN, "    least_conn;\n"),
        (Balance.IP_HASH, "    ip_hash;\n"),
        (Balance.CONSISTENT_HASH, "    hash $remote_addr consistent;\n"),
    ],
)
def test_how_a_replica_is_chosen_comes_before_what_keeps_connections_to_it(
    balance: Balance, method: str
) -> None:
    text = render(replace(web("10.0.0.2"), balance=balance))
    assert f"    zone alertscale:web 256k;\n{method}    keepalive 32;\n" in text


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [(0.0, "    keepalive 0;\n    server"), (0.5, "    keepalive 32;\n    keepalive_timeout 500ms;\n")],
)
def test_how_long_an_idle_connection_to_a_replica_is_kept(seconds: float, lines: str) -> None:
    assert lines in render(replace(web("10.0.0.2"), keepalive=seconds))


def test_without_a_replica_the_server_that_answers_503_is_in() -> None:
    assert "    server 127.0.0.1:8082 max_fails=0;\n" in render(web())


def test_ipv6_is_bracketed() -> None:
    assert "    server [fd00::2]:5000 max_fails=0;\n" in render(web("fd00::2"))


def test_the_order_of_replicas_makes_no_difference() -> None:
    assert render(web("10.0.0.2", "10.0.0.3")) == render(web("10.0.0.3", "10.0.0.2"))
