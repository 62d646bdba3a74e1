"""The whole stack on three engines of its own, in network namespaces of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from machine import built, cluster, images, swarm
from testkit.stack import REPOSITORY
from tests.engines.alive import pytest_exception_interact
from tests.swarm.cluster import Swarm

__all__ = ["calm", "pytest_exception_interact", "pytest_runtest_makereport", "running"]

TAG = "swarm-test"


@pytest.fixture(scope="session")
def running() -> Iterator[Swarm]:
    """Three engines with the stack on them, everything healthy."""
    # Nobody comes here but by `make test-swarm`: whoever asks is told, not passed over.
    cluster.require()
    # Short: the path of a socket below it may have 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    folder.chmod(0o711)  # for the user of the test's SSH server
    here = cluster.layout(folder, name="alertscale-test", bridge="alertscale-t", network="10.98.2.0/24")
    try:
        own = swarm.build(REPOSITORY, logs=folder / "logs", tag=TAG)
        cluster.start(here, images=[*own, *swarm.bases(images.pinned(_config()))])
        overlay = str(Path(__file__).parent / "fast.yml")
        swarm.deploy(
            here,
            checkout=REPOSITORY,
            files=(*swarm.FILES, overlay),
            variables={"ALERTSCALE_VERSION": TAG},
        )
        swarm.wait_up(here)
        made = Swarm(cluster=here)
        made.settle()
        yield made
        made.session.close()
    finally:
        cluster.remove(here)
        built.remove(swarm.tags(TAG))
        shutil.rmtree(folder, ignore_errors=True)
    assert cluster.traces(here) == []


def _config() -> dict[str, Any]:
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    config: dict[str, Any] = json.loads(done.stdout)
    return config


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, show the Swarm as it was at that moment: it is gone when a person looks."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("running")
    if report.failed and isinstance(stack, Swarm):
        report.sections.append(("the Swarm at that moment", stack.described()))
    return report


@pytest.fixture
def calm(running: Swarm) -> Swarm:
    """One replica, nothing paused, every node and every task there."""
    running.revive_all()
    running.settle()
    running.calm_down()
    return running
