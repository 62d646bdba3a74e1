"""What tells a network that the engine keeps by a miscount (moby/moby, issue 42119) from one in use."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testkit.networks import EngineFaultWarning, kept_for_nothing

pytestmark = pytest.mark.engine

STACK = Path(__file__).parents[2] / "docker-compose.yml"


def docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def project() -> Iterator[str]:
    """A Compose project's name, and a network of it."""
    name = f"alertscale-test-{uuid.uuid4().hex[:12]}"
    made = docker("network", "create", "--label", f"com.docker.compose.project={name}", name)
    assert made.returncode == 0, made.stderr
    yield name
    docker("rm", "--force", name)
    docker("network", "rm", name)
    assert docker("network", "ls", "--quiet", "--filter", f"name={name}").stdout == ""


def refused(network: str) -> str:
    """What the engine says of a network in use, as Compose prints it."""
    return (
        f" Network {network} Error Error response from daemon: error while removing network:"
        f" network {network} id a582e2b39e06 has active endpoints"
    )


def test_a_network_that_is_kept_with_nothing_on_it_is_told_as_the_engines_fault(project: str) -> None:
    """The engine's miscount comes by chance, so its second refusal is played."""
    with pytest.warns(EngineFaultWarning, match="start the engine anew"):
        assert kept_for_nothing(refused(project), project=project, remove=refused) == [project]


def test_a_network_that_can_be_removed_a_moment_later_was_in_use(project: str) -> None:
    assert kept_for_nothing(refused(project), project=project) == []


def test_a_network_that_nobody_refused_to_remove_is_not(project: str) -> None:
    assert kept_for_nothing(refused("another"), project=project, remove=refused) == []


def test_a_network_in_use_is_not(project: str) -> None:
    image = yaml.safe_load(STACK.read_text())["services"]["nginx"]["image"]
    started = docker("run", "--detach", "--name", project, "--network", project, image)
    assert started.returncode == 0, started.stderr
    told = docker("network", "rm", project).stderr
    assert "has active endpoints" in told
    assert kept_for_nothing(told, project=project) == []


def test_another_error_beside_it_is_not(project: str) -> None:
    told = f"{refused(project)}\nError response from daemon: volume is in use"
    assert kept_for_nothing(told, project=project) == []


def test_a_down_that_did_not_fail_for_it_is_not(project: str) -> None:
    assert kept_for_nothing("", project=project) == []
