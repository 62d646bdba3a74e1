"""The whole stack from a fresh copy of the repository, under a project name and ports of its own.

As shipped but for what docker-compose.fast.yml, docker-compose.often.yml and quick.py make quicker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from testkit.stack import PROJECT, Stack, copy_repository, free_port
from tests.e2e import quick
from tests.engines.alive import pytest_exception_interact

__all__ = ["one_replica", "pytest_exception_interact", "stack"]

OFTEN = "tests/e2e/docker-compose.often.yml"


# What needs both cores, when nothing runs beside it any more (`make test`); then the end of the stack.
LATE = ("test_closed_loop.py", "test_plain_up.py", "test_backup_restored.py", "test_zz_down_and_up.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last the files of LATE, in that order."""
    items.sort(key=lambda item: LATE.index(item.path.name) if item.path.name in LATE else -1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, healthy; a worker of xdist has one of its own, as what is untimed has no haste."""
    untimed = "PYTEST_XDIST_WORKER" in os.environ
    directory = tmp_path_factory.mktemp("clone")
    copy_repository(directory)
    quick.make_quick(directory)
    names = ("NGINX_PORT", "SCALER_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "LOCUST_PORT")
    running = Stack(
        directory=directory,
        project=PROJECT,
        ports={name: free_port() for name in names},
        files=(*Stack.files, *(() if untimed else (OFTEN,))),
        # Other tests label services on this engine at the same time.
        projects=(PROJECT, *(f"{PROJECT}-{beside}" for beside in ("shop", "rough", "three", "five"))),
    )
    try:
        running.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "300")
        running.await_replicas(1, within=30)
        yield running
    finally:
        if os.environ.get("CI") or not os.environ.get("KEEP_STACK"):
            running.take_down()
            running.remove_images()
        running.session.close()


@pytest.fixture
def one_replica(stack: Stack) -> Iterator[Stack]:
    """The stack with one replica and nothing paused, before and after the test."""
    _settle(stack)
    yield stack
    _settle(stack)


def _settle(stack: Stack) -> None:
    stack.pause("none")
    stack.scale(1)
