"""nginx's upstream is exactly the ready replicas, whoever made or broke them, within two seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]
WITHIN = 2.0


@pytest.fixture
def paused(one_replica: Stack) -> Iterator[Stack]:
    """Nothing but the test changes the count."""
    one_replica.pause("all")
    yield one_replica
    one_replica.pause("none")


def assert_exact(stack: Stack, count: int) -> None:
    """The upstream is the running replicas, that many, two seconds from now at the latest."""
    deadline = time.monotonic() + WITHIN
    while True:
        upstream, running = stack.upstream(), stack.addresses()
        if upstream == running and len(upstream) == count:
            return
        assert time.monotonic() < deadline, f"upstream {upstream}, running {running}, wanted {count}"


def test_replicas_made_by_hand_get_traffic(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=4", "--detach", "--wait")
    assert_exact(paused, 4)
    # The file is there a moment before nginx has loaded it.
    wait_until(lambda: len({answered_by(paused) for _ in range(40)}) == 4, within=WITHIN, what="all four")


def test_a_frozen_replica_is_not_in_the_mean_of_those_that_get_requests(paused: Stack) -> None:
    """Prometheus knows it by the name that the exporter gives it, too."""
    paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
    wait_until(lambda: in_the_mean(paused) == 2, within=10, what="both in the mean")
    frozen = paused.containers()[1]["Id"]
    subprocess.run(["docker", "pause", frozen], check=True, capture_output=True)
    try:
        wait_until(lambda: in_the_mean(paused) == 1, within=10, what="the other one alone in the mean")
    finally:
        subprocess.run(["docker", "unpause", frozen], check=True, capture_output=True)


def in_the_mean(stack: Stack) -> int:
    """Of how many replicas CPU is measured that may get requests."""
    query = (
        'count(replica:cpu_utilization:ratio{service="flask-app"}'
        " and on (project, service, name) replica:serving:max == 1)"
    )
    url = stack.url("PROMETHEUS_PORT", "/api/v1/query")
    found = stack.session.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
    return int(found[0]["value"][1]) if found else 0


def test_a_killed_replica_leaves_and_what_is_left_of_it_is_removed(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=3", "--detach", "--wait")
    assert_exact(paused, 3)
    subprocess.run(["docker", "kill", paused.containers()[1]["Id"]], check=True, capture_output=True)
    assert_exact(paused, 2)
    wait_until(lambda: len(paused.containers()) == 2, within=20, what="the dead container's removal")


def test_a_restarted_nginx_has_the_exact_upstream(paused: Stack) -> None:
    paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
    paused.compose("restart", "nginx")
    assert_exact(paused, 2)
    wait_until(paused.serves, within=2, what="nginx, listening again")


def test_a_recreated_nginx_has_the_exact_upstream(paused: Stack) -> None:
    paused.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "nginx")
    assert_exact(paused, 1)


def test_nginx_crashed_is_restarted_although_it_was_reloaded_before(paused: Stack) -> None:
    """Some engines take any signal sent through their API for a stop by hand; ours is sent from inside."""
    paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
    assert_exact(paused, 2)
    paused.compose(
        "exec", "-T", "nginx", "sh", "-c", "kill -9 $(pgrep -f 'nginx: worker' || true); kill -QUIT 1"
    )
    wait_until(
        lambda: paused.containers("nginx")[0]["RestartCount"] > 0 and paused.upstream() == paused.addresses(),
        within=20,
        what="nginx's restart",
    )


def test_nginx_starts_and_serves_with_the_scaler_absent(paused: Stack, stranger: str) -> None:
    """By names that are the replicas' alone: that of the service is anybody's."""
    paused.compose("stop", "scaler")
    try:
        paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait", "--no-deps", "flask-app")
        paused.compose("restart", "nginx")

        def both_answer() -> bool:
            try:
                found = {answered_by(paused) for _ in range(10)}
            except requests.ConnectionError:
                return False  # nginx is not up again yet
            return len(found) == 2

        wait_until(both_answer, within=10, what="answers from both replicas, found by their alias")
        assert stranger not in {answered_by(paused) for _ in range(40)}
    finally:
        paused.compose("start", "scaler")
        wait_until(lambda: reachable(paused), within=30, what="the scaler")
    wait_until(lambda: paused.upstream() == paused.addresses(), within=15, what="the exact upstream again")


def test_a_broken_site_is_its_own_trouble_and_is_told_until_it_is_mended(paused: Stack) -> None:
    """It is there before a change of the upstreams, and at a start of nginx."""
    site = paused.directory / "nginx/conf.d/wiki.conf"
    server = "server {{ listen 80; server_name wiki.example; location / {{ {0}; }} }}\n"
    site.write_text(server.format("proxy_pass http://wiki:3000"))
    try:
        paused.compose("up", "--scale", "flask-app=2", "--detach", "--wait")
        assert_exact(paused, 2)
        wait_until(lambda: "wiki.conf" in balancer_error(paused), within=10, what="the site, told")
        assert 'host not found in upstream "wiki"' in balancer_error(paused)
        assert asked_for(paused, "wiki.example") == (503, "5")
        paused.compose("restart", "nginx")
        wait_until(paused.serves, within=10, what="nginx, listening again")
        assert_exact(paused, 2)
        assert asked_for(paused, "wiki.example") == (503, "5")
        site.write_text(server.format("return 201"))
        wait_until(lambda: asked_for(paused, "wiki.example")[0] == 201, within=15, what="the mended site")
        wait_until(lambda: balancer_error(paused) == "", within=5, what="the trouble, over")
    finally:
        site.unlink()
        paused.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    told = [e["text"] for e in paused.events() if e["kind"] == "fault" and "wiki.conf" in e["text"]]
    assert 1 <= len(told) <= 2, told


def test_without_a_replica_visitors_are_answered_503_and_by_nobody_else(paused: Stack) -> None:
    paused.compose("stop", "flask-app")
    wait_until(lambda: asked_for(paused, "any")[0] == 503, within=5, what="a 503")
    assert asked_for(paused, "any") == (503, "5")
    paused.compose("start", "flask-app")
    wait_until(lambda: asked_for(paused, "any")[0] == 200, within=30, what="an answer")
    assert_exact(paused, 1)


@pytest.fixture
def stranger(stack: Stack) -> Iterator[str]:
    """A container that answers as a replica does, and that the network knows by the service's name, too."""
    (model,) = stack.containers()[:1]
    words = ["--network", f"{stack.project}_default", "--network-alias", "flask-app", "--env", "PORT=5000"]
    # The image has Compose's labels, and it is to be none of the stack's.
    labels = ["--label", "com.docker.compose.project=stranger", "--label", "com.docker.compose.service=x"]
    made = subprocess.run(
        ["docker", "run", "--detach", *words, *labels, model["Image"]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    yield made[:12]
    subprocess.run(["docker", "rm", "--force", "--volumes", made], check=True, capture_output=True)


def asked_for(stack: Stack, host: str) -> tuple[int, str]:
    """Status and Retry-After of an answer to a visitor of a site."""
    try:
        answer = requests.get(stack.url("NGINX_PORT", "/"), headers={"Host": host}, timeout=10)
    except requests.ConnectionError:
        return 0, ""
    return answer.status_code, answer.headers.get("Retry-After", "")


def balancer_error(stack: Stack) -> str:
    return str(stack.session.get(stack.url("SCALER_PORT", "/readyz"), timeout=10).json()["balancer_error"])


def answered_by(stack: Stack) -> str:
    """The replica that answers one request, on a connection of its own."""
    answer = requests.get(stack.url("NGINX_PORT", "/work?ms=1"), timeout=10)
    assert answer.status_code == 200
    return str(answer.json()["replica"])


def reachable(stack: Stack) -> bool:
    try:
        return bool(stack.service().get("decision"))
    except OSError:
        return False
