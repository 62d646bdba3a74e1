"""deploy/ against a real sshd and a real engine: whatever fails, what served goes on serving."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from machine import deploying
from testkit.load import Kind, Load
from testkit.stack import REPOSITORY, Stack, copy_repository, free_port, wait_until
from tests.e2e import quick
from tests.e2e import server as servers
from tests.e2e.server import Server

_WHY_NOT = servers.why_not()
RUNNER = deploying.runner(REPOSITORY / ".alertscale")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.untimed,
    pytest.mark.timeout(300),
    pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT)),
]
PROJECT = "alertscale-e2e-deploy"
# Waits instead of burning CPU: an alert of its own would move the count.
LIGHT = "/sleep?seconds=0.2"
# More than a plain `docker compose up` would leave, and as many as may be: new ones beside them are too many.
REPLICAS = 2
OVERLAYS = ("fast", "often", "deploy")
UNTOUCHED = ("nginx", "nginx-exporter", "exporter", "prometheus", "alertmanager")


@dataclass(kw_only=True)
class Site:
    """A repository with a history, the server, and the stack that runs there.

    Attributes:
        clone: the operator's checkout.
        commits: by name: ``v1``, ``v2`` (other answer, threshold, header, scaler), ``broken`` (never ready),
            ``unread`` (rules that Prometheus refuses).
        server: where it goes.
        stack: what runs there.
    """

    clone: Path
    commits: dict[str, str]
    server: Server
    stack: Stack

    def deploy(self, name: str, *, code: int = 0, **more: str) -> str:
        return self.server.run(
            self.clone, "deploy.sh", "--commit", self.commits[name], code=code, settings=more
        )

    def page(self) -> str:
        answer = requests.get(self.stack.url("NGINX_PORT", "/"), timeout=10)
        return f"{answer.status_code} {answer.headers.get('X-Release', '')} {answer.text}"

    def load(self) -> Load:
        return Load(Kind(clients=8, method="POST", path=LIGHT), port=self.stack.ports["NGINX_PORT"])

    def file(self, name: str) -> str:
        return (self.server.directory / name).read_text()

    def ids(self, *services: str) -> dict[str, list[str]]:
        return {name: [c["Id"] for c in self.stack.containers(name)] for name in services}


def git(clone: Path, *words: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", *identity, *words], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def edit(clone: Path, name: str, old: str, new: str) -> None:
    file = clone / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def commit(clone: Path, message: str) -> str:
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", message)
    return git(clone, "rev-parse", "HEAD")


def history(clone: Path) -> dict[str, str]:
    """Make a repository with four commits."""
    copy_repository(clone)
    quick.make_quick(clone)
    git(clone, "init", "--quiet", "--initial-branch", "main")
    edit(clone, "service/app.py", "<h1>flask-app</h1>", "<h1>flask-app, release 1</h1>")
    commits = {"v1": commit(clone, "Release 1")}
    edit(clone, "service/app.py", "release 1", "release 2")
    edit(clone, "prometheus/alert.rules.yml", "> 0.70", "> 0.71")
    edit(clone, "nginx/conf.d/default.conf", "listen 80 ", "add_header X-Release two;\n    listen 80 ")
    edit(clone, "alertmanager/alertmanager.yml", "timeout: 4s", "timeout: 3s")
    edit(clone, "scaler/model/reasons.py", '"""Every closed list', '"""Release 2: every closed list')
    commits["v2"] = commit(clone, "Release 2")
    git(clone, "checkout", "--quiet", "--detach")
    edit(clone, "service/app.py", 'return jsonify(status="ready")', 'return jsonify(status="never"), 503')
    edit(clone, "prometheus/alert.rules.yml", "> 0.71", "> 0.72")
    commits["broken"] = commit(clone, "Never ready")
    git(clone, "checkout", "--quiet", "main")
    git(clone, "checkout", "--quiet", "--detach")
    edit(clone, "prometheus/alert.rules.yml", "> 0.71", "> > 0.71")
    commits["unread"] = commit(clone, "Rules that nobody can read")
    git(clone, "checkout", "--quiet", "main")
    return commits


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty server but for its .env, and a repository."""
    clone = tmp_path_factory.mktemp("operator")
    commits = history(clone)
    scratch = tmp_path_factory.mktemp("keys")
    settings = {"DEPLOY_READY_TIMEOUT": "60", "DEPLOY_MIN_FREE_MB": "200"}
    names = ("NGINX_PORT", "SCALER_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "LOCUST_PORT")
    ports = {name: free_port() for name in names}
    with servers.serving(scratch, settings) as server:
        server.directory.mkdir()
        files = ":".join(("docker-compose.yml", *(f"tests/e2e/docker-compose.{n}.yml" for n in OVERLAYS)))
        lines = [f"{name}={port}" for name, port in ports.items()]
        lines += ["NGINX_BIND=127.0.0.1", "LOCUST_REPLICAS=0", f"COMPOSE_PROJECT_NAME={PROJECT}"]
        lines += [f"COMPOSE_FILE={files}", f"ALERTSCALE_PROJECTS={PROJECT}"]
        (server.directory / ".env").write_text("\n".join(lines) + "\n")
        subprocess.run(["chown", "-R", servers.USER, str(server.directory)], check=True)
        there = Stack(directory=server.directory, ports=ports, project=PROJECT, projects=(PROJECT,))
        try:
            yield Site(clone=clone, commits=commits, server=server, stack=there)
        finally:
            wait_until(server.idle, within=120, what="the end of the last run")
            if os.environ.get("CI") or not os.environ.get("KEEP_STACK"):
                remove(there)
            there.session.close()


def remove(stack: Stack) -> None:
    """Take away the stack with the images of every release."""
    if (stack.directory / "docker-compose.yml").is_file():
        stack.take_down()
    listed = subprocess.run(
        [
            "docker",
            "image",
            "ls",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            f"{PROJECT}-*",
        ],  # the pipeline's too
        capture_output=True,
        text=True,
        check=True,
    )
    for image in listed.stdout.split():
        subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print a figure that is part of what these tests show."""
    with capsys.disabled():
        print(f"\n  {text}")  # noqa: T201


def lost(load: Load) -> str:
    return f"{sum(load.answers.values())} requests, {sum(load.lost.values())} lost"


def seconds(said: str) -> str:
    found = re.search(r"(?:deploy|rollback) in (\d+) s", said)
    assert found, said
    return found[1]


def until_line(process: subprocess.Popen[str], what: str) -> None:
    """Read what a deploy says until a line holds these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if what in line:
            return
    pytest.fail(f"it never said: {what}")


def test_a_wrong_key_a_wrong_host_key_and_a_closed_port_are_told_apart(site: Site) -> None:
    scratch = site.server.scratch
    said = site.deploy("v1", code=1, SSH_PRIVATE_KEY=(scratch / "other_key").read_text())
    assert "the server does not take this key" in said
    said = site.deploy("v1", code=1, SSH_KNOWN_HOSTS=site.server.known_hosts("other_host_key"))
    assert "its host key is not the one that is known" in said
    closed = free_port()
    known = site.server.known_hosts("host_key").replace(f":{site.server.port} ", f":{closed} ")
    said = site.deploy("v1", code=1, SERVER_PORT=str(closed), SSH_KNOWN_HOSTS=known)
    assert "cannot be reached" in said
    assert "Connection refused" in said
    assert not (site.server.directory / ".deploy").exists()


def test_a_port_that_another_program_has_is_named_before_anything_is_started(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", site.stack.ports["SCALER_PORT"]))
        other.listen()
        said = site.deploy("v1", code=1)
    assert f"taken on the server by another program: port {site.stack.ports['SCALER_PORT']}" in said
    assert "nothing was changed on the server" in said
    assert sorted(p.name for p in site.server.directory.iterdir()) == [".deploy", ".env"]
    assert site.stack.containers("nginx") == []


def test_the_first_deploy_brings_everything_up_on_an_empty_directory(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    env = site.file(".env")
    said = site.deploy("v1")
    tell(capsys, f"first deploy: {seconds(said)} s")
    assert "200  " in site.page()
    assert "release 1" in site.page()
    assert site.file(".env") == env
    assert not (site.server.directory / ".git").exists()
    site.stack.await_replicas(1, within=30)
    # What was built from a clone is found again: a file's mode is part of a layer.
    unpacked = site.server.directory / ".deploy/releases" / site.file(".deploy/current").strip() / "tree"
    assert unpacked.joinpath("service/app.py").stat().st_mode & 0o777 == 0o644


def test_a_deploy_under_load_loses_no_request_and_keeps_the_count_though_one_before_it_was_killed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed with old and new replicas side by side: the next undoes it and neither doubles nor loses any."""
    stack = site.stack
    stack.pause("down")
    stack.scale(REPLICAS)
    before = site.ids(*UNTOUCHED)
    with site.load() as load:
        wait_until(lambda: load.answers["200"] > 100, within=30, what="traffic")
        killed = site.server.start(site.clone, "deploy.sh", "--commit", site.commits["v2"])
        until_line(killed, "waiting until they are ready")
        for group in servers.groups_of("server.sh run"):
            os.killpg(group, 9)
        killed.communicate(timeout=60)
        assert killed.returncode != 0
        said = site.deploy("v2")
        served = load.answers["200"]
        wait_until(lambda: load.answers["200"] > served + 100, within=30, what="traffic afterwards")
    tell(capsys, f"deploy under load: {seconds(said)} s, {lost(load)}, {REPLICAS} replicas all the time")
    assert re.search(
        r"Undoing it first.*Going back to .*\(Release 1\).*Done: .*\(Release 2\)", said, re.DOTALL
    ), said
    assert load.lost == {}
    stack.await_replicas(REPLICAS, within=5)
    assert len({c["Image"] for c in stack.containers()}) == 1
    assert "release 2" in site.page()
    # Reloaded, not restarted.
    assert site.ids(*UNTOUCHED) == before
    assert "200 two" in site.page()
    rules = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/rules"), timeout=10).text
    assert "\\u003e 0.71" in rules or "> 0.71" in rules
    status = stack.session.get(stack.url("ALERTMANAGER_PORT", "/api/v2/status"), timeout=10).json()
    assert "timeout: 3s" in status["config"]["original"]
    # The scaler goes on.
    wait_until(
        lambda: stack.service()["decision"]["reason"] not in {"deploying", "retire", "stepping"},
        within=10,
        what="the scaler's next decision",
    )


def test_a_release_that_never_becomes_ready_leaves_the_old_one_serving(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = site.stack
    rules = site.server.directory / "prometheus/alert.rules.yml"
    # Somebody has changed a threshold on the server.
    rules.write_text(rules.read_text().replace("> 0.71", "> 0.715"))
    before = site.ids("flask-app", "scaler", *UNTOUCHED)
    with site.load() as load:
        wait_until(lambda: load.answers["200"] > 100, within=30, what="traffic")
        said = site.deploy("broken", code=1, DEPLOY_READY_TIMEOUT="8")
    tell(capsys, f"broken release: {lost(load)}")
    assert load.lost == {}
    assert "new replicas are not ready after 8 s" in said
    assert "answers 503, not 2xx" in said
    assert "the version before serves as it did" in said
    assert "prometheus/alert.rules.yml was changed on the server" in said
    assert site.ids("flask-app", "scaler", *UNTOUCHED) == before
    stack.await_replicas(REPLICAS, within=5)
    assert "> 0.715" in rules.read_text()
    assert "release 2" in site.page()


def test_a_configuration_that_cannot_be_read_changes_nothing(site: Site) -> None:
    before = site.ids("flask-app", "scaler", *UNTOUCHED)
    said = site.deploy("unread", code=1)
    assert "prometheus/: promtool refuses it" in said
    assert "nothing was changed on the server" in said
    assert site.ids("flask-app", "scaler", *UNTOUCHED) == before


def test_a_full_disk_stops_a_deploy_before_it_changes_anything(site: Site) -> None:
    said = site.deploy("v1", code=1, DEPLOY_MIN_FREE_MB="99999999")
    assert re.search(r"missing: space: \d+ MiB free at .*, 99999999 needed", said)
    upload = site.server.directory / ".deploy/upload"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", str(upload)], check=True)
    try:
        said = site.deploy("v1", code=1)
    finally:
        subprocess.run(["umount", str(upload)], check=True)
    assert re.search(r"free space there: \d KiB", said)
    assert "nothing was changed on the server" in said
    assert "release 2" in site.page()


def test_a_deploy_waits_for_another_no_longer_than_it_may(site: Site) -> None:
    with (site.server.directory / ".deploy/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = site.deploy("v1", code=1, DEPLOY_LOCK_WAIT="1")
    assert "Another deploy is at work" in said
    assert "another deploy is still at work after 1 s" in said


def test_a_rollback_loses_no_request_though_its_connection_is_cut_and_the_next_deploy_waits_for_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.load() as load:
        wait_until(lambda: load.answers["200"] > 100, within=30, what="traffic")
        cut = site.server.start(site.clone, "rollback.sh")
        until_line(cut, f"rolling {REPLICAS} replicas")
        # The operator's machine is gone from one moment to the next.
        os.killpg(cut.pid, 9)
        cut.communicate()
        assert site.server.keys_left() == []
        said = site.deploy("v1")
    (log,) = (site.server.directory / ".deploy/log").glob("*-rollback-*.log")
    tell(
        capsys, f"rollback: {seconds(log.read_text())} s, {lost(load)}, {REPLICAS} replicas before and after"
    )
    assert "Another deploy is at work: rollback" in said
    assert f"flask-app: unchanged, {REPLICAS} replicas" in said
    assert load.lost == {}
    assert "release 1" in site.page()
    assert "> 0.70" in site.file("prometheus/alert.rules.yml")
    site.stack.await_replicas(REPLICAS, within=5)
    listed = site.server.run(site.clone, "rollback.sh", "--list", f"{servers.USER}@127.0.0.1")
    assert re.search(r"^\* .*\(Release 1\)$", listed, re.MULTILINE)
    said = site.server.run(site.clone, "rollback.sh", code=1)
    assert "there is no release before this one on the server" in said


needs_runner = pytest.mark.skipif(
    RUNNER is None or shutil.which("node") is None, reason="no gitlab-ci-local; way out: make deploying"
)


@pytest.fixture
def pipeline(site: Site) -> Iterator[Site]:
    """A checkout as GitLab would have it, and its variables. What make is asked for is little here."""
    variables = {
        **site.server.variables,
        **site.server.settings,
        "LINT": "ready",
        # These very tools, whatever made them.
        "TESTS": f"-o venv unit SPREAD= VENV={Path(sys.executable).parent}",
        "PYTEST_ADDOPTS": "-q --ignore-glob=*/test_[!b]*.py -p no:cacheprovider",
        "STACK_TESTS": "ready",
        "COMPOSE_PROJECT_NAME": f"{PROJECT}-pipeline",
    }
    # On what runs there, so that only what is pushed changes.
    git(site.clone, "checkout", "--quiet", "-B", "main", on_the_server(site))
    file = site.clone / ".gitlab-ci-local-variables.yml"
    file.write_text(json.dumps(variables))
    git(site.clone, "remote", "add", "origin", "git@gitlab.example.org:group/alertscale.git")
    yield site
    git(site.clone, "remote", "remove", "origin")
    file.unlink()


def run_pipeline(site: Site, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [str(RUNNER), "--force-shell-executor", *words],
        cwd=site.clone,
        env={**os.environ, "HOME": str(site.server.scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def on_the_server(site: Site) -> str:
    """The commit that runs there."""
    release = site.file(".deploy/current").strip()
    return site.file(f".deploy/releases/{release}/commit").strip()


@needs_runner
def test_the_pipeline_deploys_what_is_pushed_to_the_main_branch_and_takes_it_back(
    pipeline: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site = pipeline
    before = on_the_server(site)
    (site.clone / "README.md").write_text("Release 3\n")
    commit(site.clone, "Release 3")
    begun = time.monotonic()
    said = run_pipeline(site)
    took = time.monotonic() - begun
    assert "json schema validated" in said
    finished = re.findall(r"^(lint|unit|stack|build|deploy) +finished", said, re.MULTILINE)
    assert [job for job in finished if job not in {"unit", "stack"}] == ["lint", "build", "deploy"]
    assert set(finished[1:3]) == {"unit", "stack"}
    assert on_the_server(site) == git(site.clone, "rev-parse", "HEAD")
    assert site.file("README.md") == "Release 3\n"
    run_pipeline(site, "rollback")
    assert on_the_server(site) == before
    tell(capsys, f"pipeline: {took:.0f} s, with little to test")


@needs_runner
def test_nothing_is_deployed_when_a_test_fails_or_from_another_branch(pipeline: Site) -> None:
    site = pipeline
    before = on_the_server(site)
    said = run_pipeline(site, "--variable", "TESTS=no-such-target", code=1)
    assert "deploy starting" not in said
    git(site.clone, "checkout", "--quiet", "-b", "feature")
    listed = run_pipeline(site, "--list")
    git(site.clone, "checkout", "--quiet", "main")
    assert re.search(r"^build ", listed, re.MULTILINE)
    assert not re.search(r"^(deploy|rollback) ", listed, re.MULTILINE)
    scheduled = run_pipeline(site, "--list", "--variable", "CI_PIPELINE_SOURCE=schedule")
    assert re.findall(r"^(\w+) +\w+ +(?:on_success|manual) ", scheduled, re.MULTILINE) == ["drills"]
    assert on_the_server(site) == before
