"""A broken version is taken back; one that is sound comes without a lost request and keeps the live count."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from machine import node, swarm
from testkit.load import MIX, Load
from testkit.stack import copy_repository, wait_until
from tests.e2e import server
from tests.swarm.cluster import FLASK_APP, NGINX_PORT, Swarm, since
from tests.swarm.conftest import TAG

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
NEXT = f"{TAG}-next"
BROKEN = f"{TAG}-broken"


@pytest.fixture(scope="module")
def versions(running: Swarm) -> None:
    """Two more versions on every node: one like the first, and one whose flask-app ends at once."""
    for one in running.cluster.nodes:
        for tag in (NEXT, BROKEN):
            for old, new in zip(swarm.tags(TAG), swarm.tags(tag), strict=True):
                running.docker("tag", old, new, on=one)
        dockerfile = f'FROM {swarm.tags(TAG)[0]}\nCMD ["false"]\n'
        built = node.docker(one, "build", "--tag", swarm.tags(BROKEN)[0], "-", stdin=dockerfile)
        assert built.ok, built.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    copy_repository(folder)
    return folder


def deploy(stack: Swarm, checkout: Path, tag: str) -> subprocess.CompletedProcess[str]:
    overlay = Path(__file__).parent / "fast.yml"
    env = {
        **os.environ,
        "DOCKER_HOST": stack.alive()[0].host,
        "STACK_FILES": " ".join([*swarm.FILES, str(overlay)]),
    }
    words = ["bash", "deploy/swarm.sh", "--loaded", tag]
    return subprocess.run(
        words, cwd=checkout, env=env, capture_output=True, text=True, check=False, timeout=400
    )


def image(stack: Swarm) -> str:
    form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    return stack.docker("service", "inspect", "--format", form, FLASK_APP)


def test_a_machine_that_is_no_manager_is_told_so(checkout: Path) -> None:
    env = {**os.environ, "DOCKER_HOST": "unix:///nobody/listens/here.sock"}
    words = ["bash", "deploy/swarm.sh", "--loaded", TAG]
    done = subprocess.run(words, cwd=checkout, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no manager of a Swarm" in done.stderr


def test_a_broken_version_is_taken_back_and_the_deploy_says_why(
    calm: Swarm, versions: None, checkout: Path
) -> None:
    before = image(calm)
    done = deploy(calm, checkout, BROKEN)
    assert done.returncode == 1
    assert "flask-app: the new version did not become healthy" in done.stderr
    wait_until(lambda: image(calm) == before, within=60, what="the version before")
    calm.await_replicas(1, within=60)
    # It was held while it was deployed, and is not any more: the scaler goes on.
    wait_until(lambda: calm.service().get("pause_label") == "none", within=30, what="the label's end")


def test_a_new_version_keeps_the_live_count_and_loses_nothing(
    calm: Swarm, versions: None, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm.scale(3)
    # The drill's load must not change the count that the deploy is to keep.
    calm.pause("all")
    begun = time.monotonic()
    with Load(*MIX, port=NGINX_PORT, host=calm.cluster.nodes[0].address) as drill:
        wait_until(lambda: drill.answers["200"] > 200, within=30, what="traffic")
        done = deploy(calm, checkout, NEXT)
        took = since(begun)
    assert done.returncode == 0, done.stdout + done.stderr
    assert image(calm) == swarm.tags(NEXT)[0]
    assert calm.count() == 3
    with capsys.disabled():
        print(f"\n  deployed in {took:.0f} s at 3 replicas; {drill.sent} requests, lost {drill.lost or 0}")  # noqa: T201 - the figure is part of what this test shows
    assert drill.lost == {}
    calm.settle()
    # The label of the file is back: the scaler goes on.
    assert calm.service()["pause_label"] == "none"


@pytest.mark.skipif(bool(server.why_not()), reason=str(server.why_not()))
def test_the_pipelines_deploy_reaches_a_swarm_by_ssh_and_keeps_the_live_count(
    calm: Swarm, versions: None, checkout: Path, tmp_path: Path
) -> None:
    commit = _committed(checkout)
    calm.scale(2)
    # The drill's load must not change the count that the deploy is to keep.
    calm.pause("all")
    with server.serving(tmp_path, {}) as manager:
        manager.directory.mkdir()
        overlay = Path(__file__).parent / "fast.yml"
        lines = {"DOCKER_HOST": calm.alive()[0].host, "STACK_FILES": " ".join([*swarm.FILES, str(overlay)])}
        (manager.directory / ".env").write_text("".join(f'{k}="{v}"\n' for k, v in lines.items()))
        shutil.chown(manager.directory, server.USER)
        tag = NEXT if image(calm) == swarm.tags(TAG)[0] else TAG
        said = manager.run(checkout, "deploy.sh", "--swarm", "--loaded", tag)
        assert f"Deployed {tag}" in said
        assert (manager.directory / ".deploy/swarm" / commit / "docker-stack.yml").is_file()
        assert image(calm) == swarm.tags(tag)[0]
        assert calm.count() == 2
        refused = manager.run(checkout, "deploy.sh", "--swarm", code=1)
        assert "ALERTSCALE_IMAGES is not set" in refused
        assert image(calm) == swarm.tags(tag)[0]


def _committed(checkout: Path) -> str:
    me = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "-q"), ("add", "-A"), (*me, "commit", "-qm", "all")):
        subprocess.run(["git", *words], cwd=checkout, check=True, capture_output=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    )
    return head.stdout.strip()
