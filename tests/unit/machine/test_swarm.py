"""What `make swarm-up` builds, reads and prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import swarm
from machine.errors import ImageError
from machine.images import Image
from machine.swarm import Count, bases, digests, parse_counts, port, tags

ROOT = Path(__file__).parents[3]


def test_the_tally_of_each_service_is_read_without_the_stacks_name() -> None:
    text = "alertscale_nginx 2/3\nalertscale_flask-app 4/4 (max 1 per node)\nalertscale_scaler 0/0\n"
    assert parse_counts(text) == {
        "nginx": Count(running=2, wanted=3),
        "flask-app": Count(running=4, wanted=4),
        "scaler": Count(running=0, wanted=0),
    }


@pytest.mark.parametrize(
    ("running", "wanted", "complete"), [(3, 3, True), (2, 3, False), (0, 0, False), (5, 4, True)]
)
def test_a_service_that_swarm_has_not_begun_with_is_not_up(
    running: int, wanted: int, *, complete: bool
) -> None:
    assert Count(running=running, wanted=wanted).complete is complete


def test_our_own_images_are_named_as_the_stack_names_them() -> None:
    text = (ROOT / "docker-stack.yml").read_text()
    for tag in tags("latest"):
        name = tag.removeprefix("alertscale/").removesuffix(":latest")
        assert f"${{ALERTSCALE_IMAGES:-alertscale}}/{name}:${{ALERTSCALE_VERSION:-latest}}" in text


def test_the_other_images_are_those_that_compose_pins() -> None:
    pinned = [Image(repository=name, tag="1") for name in (*swarm.BASES, "python")]
    assert bases(pinned) == [f"{name}:1" for name in swarm.BASES]
    with pytest.raises(ImageError, match="prom/alertmanager"):
        bases(pinned[:2] + pinned[2:3])


def test_every_config_variable_of_the_stack_has_a_digest() -> None:
    found = digests(ROOT)
    assert set(found) == {"NGINX_CONFIG", "PROMETHEUS_CONFIG", "ALERTMANAGER_CONFIG"}
    assert all(len(digest) == 12 for digest in found.values())


def test_a_port_that_was_moved_is_printed_where_it_is() -> None:
    assert port("nginx", {}) == "8080"
    assert port("nginx", {"NGINX_PORT": "80"}) == "80"
    assert port("nginx", {"NGINX_PORT": ""}) == "8080"


def test_an_address_where_nothing_listens_does_not_answer() -> None:
    assert not swarm.answers("http://127.0.0.1:9/")
