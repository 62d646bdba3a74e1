"""Everyone but the scaler dies too: what it holds meanwhile, and how things get right by themselves."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from testkit.load import Kind, Load
from testkit.stack import PROJECT, Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def reason(stack: Stack) -> str:
    return str(stack.service()["decision"]["reason"])


def would_remove_one(stack: Stack) -> bool:
    """Whether a replica is kept by nothing but the pause."""
    service = stack.service()
    until = service["inputs"]["cooldown_down_until"]
    low = {a["alertname"] for a in service["alerts"]} == {"LowCPU", "LowMemory"}
    return low and (until is None or datetime.fromisoformat(until) < datetime.now(tz=UTC))


def dark(stack: Stack) -> set[str]:
    """The lights of the status page that are out."""
    stations = stack.scaler("/api/v1/pipeline")["stations"]
    return {str(one["name"]) for one in stations if one["light"] == "down"}


def since(stack: Stack, seen: int, kind: str) -> list[dict[str, Any]]:
    """The events of a kind after the one with the id ``seen``."""
    return [e for e in stack.events() if e["id"] > seen and e["kind"] == kind]


def reloads_until_both_are_in(stack: Stack, *, seen: int) -> list[int]:
    """How many replicas nginx had after each reload, until it has two of them again."""

    def sizes() -> list[int]:
        found = [len(e["detail"]["upstreams"]["flask-app"]) for e in since(stack, seen, "reload")]
        return found if found[-1:] == [2] else []

    return wait_until(sizes, within=20, what="both in nginx again")


@pytest.fixture
def two_replicas(one_replica: Stack) -> Stack:
    """Two replicas in nginx, and nothing but the test changes the count."""
    one_replica.pause("all")
    one_replica.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "flask-app=2", "flask-app")
    # Loaded, or that reload would be taken for one that a test waits for.
    wait_until(lambda: len(one_replica.loaded()) == 2, within=10, what="both in nginx")
    return one_replica


def test_no_replica_is_removed_on_the_memory_of_a_prometheus_that_died(one_replica: Stack) -> None:
    """Alertmanager repeats LowCPU and LowMemory for a while after the death of who sent them: quick.py."""
    stack = one_replica
    stack.pause("down")
    stack.scale(2)
    wait_until(lambda: would_remove_one(stack), within=60, what="low CPU and memory, and no cooldown")
    docker("kill", stack.containers("prometheus")[0]["Id"])
    try:
        stack.pause("none")
        deadline = time.monotonic() + 10
        seen = set()
        while time.monotonic() < deadline:
            seen.add(reason(stack))
            assert len(stack.containers()) == 2
            time.sleep(0.5)
        assert "blind" in seen
        assert "alert_down" not in seen
        # Alertmanager goes on for a while with what it knows; the scaler believes it for 15 s more.
        wait_until(lambda: dark(stack) == {"Prometheus", "Alertmanager"}, within=25, what="two dark lights")
        assert "The scaler is blind" in requests.get(stack.url("SCALER_PORT", "/"), timeout=10).text
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "prometheus")
    stack.await_replicas(1, within=120)
    wait_until(lambda: dark(stack) == set(), within=30, what="all lights again")


def test_without_alertmanager_the_scaler_holds_and_goes_on_when_it_is_back(one_replica: Stack) -> None:
    stack = one_replica
    stack.pause("down")
    stack.scale(2)
    stack.compose("stop", "alertmanager")
    try:
        # What was heard last counts for its 15 s.
        wait_until(lambda: not stack.service()["alerts"], within=30, what="the last alert's end")
        stack.pause("none")
        wait_until(lambda: reason(stack) == "blind", within=25, what="blind")
        time.sleep(5)
        assert len(stack.containers()) == 2
    finally:
        stack.compose("start", "alertmanager")
    stack.await_replicas(1, within=120)


def test_a_frozen_replica_gets_no_new_requests_and_is_back_when_it_thaws(two_replicas: Stack) -> None:
    stack = two_replicas
    frozen = stack.containers()[1]
    docker("pause", frozen["Id"])
    try:
        wait_until(lambda: len(stack.loaded()) == 1, within=2, what="the frozen one out of nginx")
        for _ in range(10):
            assert requests.get(stack.url("NGINX_PORT", "/"), timeout=10).status_code == 200
    finally:
        docker("unpause", frozen["Id"])
    wait_until(lambda: len(stack.upstream()) == 2, within=10, what="it in nginx again")


def test_of_two_the_frozen_one_leaves_and_not_the_highest_number(two_replicas: Stack) -> None:
    stack = two_replicas
    frozen, stays = (c["Id"] for c in stack.containers())
    docker("pause", frozen)
    try:
        wait_until(lambda: len(stack.loaded()) == 1, within=5, what="the frozen one out of nginx")
        stack.pause("up")
        assert stack.change("/api/v1/services/flask-app/scale", {"replicas": 1}).status_code == 202
        stack.await_replicas(1, within=30)
        assert [c["Id"] for c in stack.containers()] == [stays]
    finally:
        subprocess.run(["docker", "unpause", frozen], check=False, capture_output=True)


def test_when_the_other_is_stopped_the_one_that_was_to_go_stays(two_replicas: Stack) -> None:
    """Somebody stops the one that was to stay, while the one that was to go finishes its requests."""
    stack = two_replicas
    (first, second), seen = stack.containers(), stack.events()[-1]["id"]
    with Load(
        Kind(clients=8, method="POST", path="/sleep?seconds=3"), port=stack.ports["NGINX_PORT"]
    ) as load:
        wait_until(lambda: len(load.first_answer) == len((first, second)), within=10, what="both asked")
        stack.pause("up")
        assert stack.change("/api/v1/services/flask-app/scale", {"replicas": 1}).status_code == 202
        wait_until(lambda: len(stack.loaded()) == 1, within=10, what="the second out of nginx")
        with subprocess.Popen(["docker", "stop", first["Id"]], stdout=subprocess.DEVNULL):
            wait_until(lambda: since(stack, seen, "step"), within=5, what="the end of the step")
            wait_until(lambda: stack.loaded() == address(stack, second), within=5, what="the second back")
    (step,) = since(stack, seen, "step")
    assert step["reason"] == "undone"
    assert "fewer than alertscale.min (1) would be left" in step["text"]
    assert second["Id"] in [c["Id"] for c in stack.containers()]
    # Between the one and the other, nobody was there for a moment.
    assert [end for end in load.lost if not end.endswith(": 503 with Retry-After")] == []


def address(stack: Stack, replica: dict[str, Any]) -> set[str]:
    """Of a replica, on the network that nginx is on."""
    return {str(replica["NetworkSettings"]["Networks"][f"{stack.project}_default"]["IPAddress"])}


def test_a_replica_that_crashes_is_out_of_nginx_until_docker_has_restarted_it(two_replicas: Stack) -> None:
    stack = two_replicas
    crashed = stack.containers()[1]
    seen = stack.events()[-1]["id"]
    subprocess.run(["kill", "-KILL", str(crashed["State"]["Pid"])], check=True)
    assert reloads_until_both_are_in(stack, seen=seen) == [1, 2]
    assert stack.upstream() == stack.addresses()
    assert stack.containers()[1]["Id"] == crashed["Id"]
    assert stack.containers()[1]["RestartCount"] > crashed["RestartCount"]


def test_a_replica_out_of_memory_is_out_of_nginx_until_it_is_back_and_why_is_told(
    two_replicas: Stack,
) -> None:
    """flask-app itself refuses what it cannot hold; what lies in its /tmp counts too."""
    stack = two_replicas
    full = stack.containers()[1]
    name, address = (
        full["Name"].strip("/"),
        full["NetworkSettings"]["Networks"][f"{PROJECT}_default"]["IPAddress"],
    )
    seen = stack.events()[-1]["id"]
    docker("exec", full["Id"], "sh", "-c", "head -c 120M /dev/zero > /tmp/much")
    # The kernel ends the one that was to answer.
    with pytest.raises(requests.ConnectionError):
        requests.post(f"http://{address}:5000/memory?mb=180", timeout=20)
    told = wait_until(
        lambda: [e for e in since(stack, seen, "fault") if e["reason"] == "out_of_memory"],
        within=5,
        what="why it died",
    )
    assert f"{name} ran out of memory" in told[0]["text"]
    assert "raise the limit" in told[0]["text"]
    assert reloads_until_both_are_in(stack, seen=seen) == [1, 2]
    assert stack.containers()[1]["Id"] == full["Id"]
    assert stack.containers()[1]["RestartCount"] > full["RestartCount"]
    metrics = stack.session.get(stack.url("SCALER_PORT", "/metrics"), timeout=10).text
    assert 'alertscale_errors_total{reason="out_of_memory"}' in metrics


def test_a_replica_that_exits_at_once_is_removed_and_tried_again_later(one_replica: Stack) -> None:
    """It needs for itself what the first one has: it dies at its start, the first goes on serving."""
    stack = one_replica
    broken = stack.directory / "broken.yml"
    broken.write_text(
        "services:\n  flask-app:\n    labels: {alertscale.ready-timeout: 5s}\n"
        "    restart: 'no'\n"
        "    entrypoint: [sh, -c, 'mkdir /once/lock && exec python -m service', sh]\n"
        "    volumes: [once:/once]\n    user: '0:0'\n"
        "volumes:\n  once:\n"
    )
    files = stack.files
    stack.files = (*files, str(broken))
    try:
        stack.pause("all")
        stack.compose("up", "--detach", "--wait", "--no-deps", "flask-app")
        stack.pause("none")
        answer = stack.change("/api/v1/services/flask-app/scale", {"replicas": 2})
        assert answer.status_code == 202
        wait_until(lambda: reason(stack) == "backoff", within=30, what="backoff")
        wait_until(lambda: len(stack.containers()) == 1, within=10, what="the failed replica's removal")
        failed = [e["text"] for e in stack.events() if e["kind"] == "step" and e["reason"] == "failed"]
        assert "exited before it was ready" in failed[-1]
        assert requests.get(stack.url("NGINX_PORT", "/"), timeout=10).status_code == 200
        wait_until(
            lambda: [e for e in stack.events() if e["text"].startswith("ReplicaNotReady fires")],
            within=30,
            what="the alert about it, delivered",
        )
    finally:
        stack.files = files
        stack.change("/api/v1/services/flask-app/scale", {"replicas": 1})
        stack.pause("all")
        stack.compose("up", "--detach", "--wait", "--no-deps", "flask-app")
        docker("volume", "rm", f"{stack.project}_once")
        stack.pause("none")
