"""Which steps make which machine ready: facts in, what is done or one message out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from machine import compose, daemon, facts, packages, ready
from machine.errors import NotReadyError
from machine.facts import Facts
from machine.plan import packages_for
from machine.state import Started, Workplace

BARE_DEBIAN = Facts(
    system="debian",
    root=True,
    systemd=False,
    docker_host="",
    client=False,
    daemon=False,
    iptables=False,
    engine_answers=False,
    engine_says="docker: no such program",
    compose=False,
    pip=False,
    ensurepip=False,
)
DOCKER_HERE = replace(BARE_DEBIAN, client=True, daemon=True, iptables=True, engine_answers=True, compose=True)
START = "start the engine"
FETCH = "fetch Compose"

Steps = Callable[[Facts], list[str]]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Steps:
    """Make a machine with these facts ready, and return what is done for it."""
    done: list[str] = []

    def install(names: list[str], **_where: object) -> None:
        done.append(f"install {' '.join(names)}")

    def start(**_how: object) -> Started:
        done.append(START)
        return Started(pid=1, birth=1)

    def fetch(**_where: object) -> Path:
        done.append(FETCH)
        return tmp_path / "docker-compose"

    def make_ready(seen: Facts) -> list[str]:
        monkeypatch.setattr(facts, "observe", lambda: seen)
        ready.machine(Workplace(checkout=tmp_path))
        return done

    monkeypatch.setattr(packages, "install", install)
    monkeypatch.setattr(daemon, "start", start)
    monkeypatch.setattr(compose, "install", fetch)
    return make_ready


def test_a_machine_with_docker_needs_no_step(steps: Steps) -> None:
    assert steps(DOCKER_HERE) == []


def test_a_machine_with_docker_needs_neither_root_nor_debian(steps: Steps) -> None:
    assert steps(replace(DOCKER_HERE, root=False, system="fedora")) == []


def test_a_bare_debian_machine_gets_packages_engine_and_compose_in_this_order(steps: Steps) -> None:
    assert steps(BARE_DEBIAN) == ["install docker.io docker-cli iptables python3-pip", START, FETCH]


def test_a_client_without_an_engine_is_no_docker(steps: Steps) -> None:
    assert steps(replace(BARE_DEBIAN, client=True, compose=True)) == ["install docker.io iptables", START]


def test_an_installed_engine_that_does_not_run_is_started(steps: Steps) -> None:
    assert steps(replace(DOCKER_HERE, engine_answers=False)) == [START]


def test_an_engine_is_started_on_any_system_where_we_are_root(steps: Steps) -> None:
    assert steps(replace(DOCKER_HERE, engine_answers=False, system="arch")) == [START]


def test_compose_alone_is_fetched_without_root(steps: Steps) -> None:
    assert steps(replace(DOCKER_HERE, compose=False, pip=True, root=False, system="fedora")) == [FETCH]


@pytest.mark.parametrize(
    ("seen", "what", "way_out"),
    [
        pytest.param(
            replace(BARE_DEBIAN, root=False),
            "no Docker Engine",
            "run make as root",
            id="Debian without root",
        ),
        pytest.param(
            replace(BARE_DEBIAN, system="fedora"),
            "this system is fedora",
            "install Docker Engine for your system",
            id="another system",
        ),
        pytest.param(
            replace(BARE_DEBIAN, system=""),
            "this system is unknown",
            "install Docker Engine for your system",
            id="a system without os-release",
        ),
        pytest.param(
            replace(DOCKER_HERE, engine_answers=False, root=False),
            "does not run",
            "sudo systemctl start docker",
            id="engine stopped, no root",
        ),
        pytest.param(
            replace(
                DOCKER_HERE,
                engine_answers=False,
                root=False,
                engine_says="Got permission denied while trying to connect",
            ),
            "may not use the engine",
            "group docker",
            id="user not in the group",
        ),
        pytest.param(
            replace(DOCKER_HERE, engine_answers=False, docker_host="tcp://10.0.0.9:2375"),
            "DOCKER_HOST=tcp://10.0.0.9:2375",
            "unset DOCKER_HOST",
            id="the engine that DOCKER_HOST names is away",
        ),
        pytest.param(
            replace(DOCKER_HERE, engine_answers=False, system="arch", iptables=False),
            "no program iptables",
            "install iptables",
            id="engine without iptables, not Debian",
        ),
    ],
)
def test_anything_else_gets_a_message_with_what_is_missing_and_the_way_out(
    seen: Facts, what: str, way_out: str
) -> None:
    with pytest.raises(NotReadyError) as caught:
        packages_for(seen)
    assert what in str(caught.value)
    assert way_out in str(caught.value)


def test_the_message_lists_all_that_is_missing_at_once() -> None:
    with pytest.raises(NotReadyError) as caught:
        packages_for(replace(BARE_DEBIAN, root=False))
    assert [item.what for item in caught.value.missing] == [
        "no Docker Engine",
        "`docker compose` does not work, and this Python has no pip to fetch it with",
    ]
