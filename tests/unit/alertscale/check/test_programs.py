from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.dockerfile import read_dockerfile
from alertscale.check.layers import Layer, Layers
from alertscale.check.programs import PROMETHEUS, Running, find_running
from alertscale.check.stacking import read_stack
from alertscale.check.tree import read


def running(body: str, *, dockerfile: str = "", name: str = "p") -> tuple[Running, ...]:
    (document,) = read(f"services: {{ {name}: {{ {body} }} }}", file=Path("compose.yml"))
    layer = Layer(document=document, directory=Path(), variables={})
    stack = read_stack(Layers(layers=(layer,)), findings=[])
    assert stack is not None
    built = {name: read_dockerfile(dockerfile)} if dockerfile else {}
    return find_running(stack, PROMETHEUS, built=built)


def one(body: str, *, dockerfile: str = "") -> Running:
    (found,) = running(body, dockerfile=dockerfile)
    return found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("image: prom/prometheus", 1),
        ("image: 'quay.io/prometheus/prometheus:v3.5.3@sha256:0'", 1),
        ("image: registry.example.org/own/prometheus", 1),
        ("image: prom/node-exporter", 0),
        ("image: example.org/prometheus/nginx", 0),
        ("image: $UNKNOWN", 0),
    ],
)
def test_it_is_known_by_its_image(body: str, found: int) -> None:
    assert len(running(body)) == found


def test_it_is_known_by_what_its_image_is_built_of_or_by_its_name_where_that_is_not_known() -> None:
    assert one("build: .", dockerfile="FROM prom/prometheus\n").official
    assert running("build: .", dockerfile="FROM nginx\n") == ()
    assert running("build: .") == ()
    assert len(running("build: .", name="prometheus")) == 1


@pytest.mark.parametrize(
    ("body", "config"),
    [
        ("image: prom/prometheus", "/etc/prometheus/prometheus.yml"),
        ("image: prom/prometheus, command: [--config.file=/a/b.yml]", "/a/b.yml"),
        ("image: prom/prometheus, command: --config.file /a/b.yml --x", "/a/b.yml"),
        ("image: prom/prometheus, command: [--x, --config.file=b.yml]", "/prometheus/b.yml"),
        ("image: prom/prometheus, command: [--config.file=b.yml], working_dir: /w", "/w/b.yml"),
        # The command of the image named the file; without the flag it is the program's own default.
        ("image: prom/prometheus, command: [--x=y]", "/prometheus/prometheus.yml"),
        (
            "image: prom/prometheus, entrypoint: [sh, -c, 'exec prometheus --config.file=\"/a.yml\"']",
            "/a.yml",
        ),
        ("image: prom/prometheus, command: ['--config.file=$$FILE']", None),
        ("image: prom/prometheus, command: ['--config.file=$FILE']", None),
        ("image: own/prometheus, command: [--x]", "/etc/prometheus/prometheus.yml"),
    ],
)
def test_its_file_is_what_its_flags_say_or_its_image(body: str, config: str | None) -> None:
    assert one(body).config == config


def test_a_dockerfile_may_say_it_too() -> None:
    text = 'FROM prom/prometheus\nWORKDIR /w\nCMD ["--config.file=a.yml"]\n'

    assert one("build: .", dockerfile=text).config == "/w/a.yml"
    assert one("build: ., command: [--config.file=/b.yml]", dockerfile=text).config == "/b.yml"


@pytest.mark.parametrize(
    ("body", "sure"),
    [
        ("image: prom/prometheus", True),
        ("image: own/prometheus", False),
        ("image: own/prometheus, command: [--config.file=/a.yml]", True),
        ("image: prom/prometheus, entrypoint: [/bin/prometheus], command: [--config.file=/a.yml]", True),
        ("image: prom/prometheus, entrypoint: [sh, /run.sh]", False),
        ("image: prom/prometheus, command: [--config.file=/a.yml, $UNKNOWN]", False),
        ("image: prom/prometheus, extends: { service: x }", False),
    ],
)
def test_it_is_sure_unless_something_else_may_say_so(body: str, sure: bool) -> None:
    assert one(body).sure is sure


@pytest.mark.parametrize(
    ("flags", "port", "prefix"),
    [
        ("[]", 9090, ""),
        ("['--web.listen-address=:80']", 80, ""),
        ("['--web.listen-address=0.0.0.0:8080', '--web.external-url=http://a.example/p/']", 8080, "/p"),
        ("['--web.external-url=http://a.example/p', '--web.route-prefix=/']", 9090, ""),
        ("['--web.listen-address=$UNKNOWN']", None, ""),
    ],
)
def test_where_it_listens(flags: str, port: int | None, prefix: str) -> None:
    found = one(f"image: prom/prometheus, command: {flags}")

    assert (found.port, found.prefix) == (port, prefix)
