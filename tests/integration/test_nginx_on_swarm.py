"""nginx as it is on Swarm: the replicas are those that Docker's own DNS names at the moment."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from testkit.load import Kind, Load
from testkit.stack import wait_until
from tests.integration.scaler.projects import IMAGE

pytestmark = [pytest.mark.engine, pytest.mark.untimed, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
MOUNTS = {
    "nginx/nginx.conf": "/etc/nginx/nginx.conf",
    "nginx/proxy.conf": "/etc/nginx/alertscale-proxy.conf",
    "nginx/conf.d/default.conf": "/etc/nginx/conf.d/default.conf",
    "nginx/swarm/flask-app.conf": "/etc/nginx/upstreams/current/flask-app.conf",
    "nginx/swarm/sites": "/etc/nginx/upstreams/current/sites",
}
# The kernel answers nothing to who connects to a socket whose queue is full: to nginx this is a machine
# that is gone.
SILENT = """
import socket
listening = socket.create_server(("", 5000), backlog=0)
waiting = []
while True:
    one = socket.socket()
    one.settimeout(0.5)
    waiting.append(one)
    try:
        one.connect(("127.0.0.1", 5000))
    except TimeoutError:
        break
print("silent", flush=True)
while True:
    input()
"""
# Reads each request, says so, and ends the connection without an answer.
CUTS_OFF = """
import socket
listening = socket.create_server(("", 5000))
print("ready", flush=True)
while True:
    connection, _ = listening.accept()
    print(connection.recv(65536).split()[0].decode(), flush=True)
    connection.close()
"""
COUNTS_BYTES = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(len(body)).encode())
    do_POST = do_GET
ThreadingHTTPServer.request_queue_size = 128
server = ThreadingHTTPServer(("", 5000), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network with nginx and what stands for replicas of flask-app.

    Attributes:
        name: of the network, and the beginning of every container's.
    """

    name: str

    def run(self, name: str, *words: str) -> str:
        own = f"{self.name}-{name}"
        docker("run", "--detach", "--interactive", "--name", own, "--network", self.name, *words)
        return own

    def replica(self, name: str, program: str) -> str:
        """Start one that Swarm's DNS would name; return its container once the program has said something."""
        own = self.run(name, "--network-alias", "tasks.flask-app", IMAGE, "python", "-c", program)
        wait_until(lambda: docker("logs", own), within=20, what=f"a word of {name}")
        return own

    def nginx(self) -> int:
        """Start nginx; return its port on this machine."""
        mounts = [f"--volume={ROOT / file}:{target}:ro" for file, target in MOUNTS.items()]
        image = yaml.safe_load((ROOT / "docker-stack.yml").read_text())["services"]["nginx"]["image"]
        own = self.run("nginx", "--publish", "127.0.0.1::80", *mounts, image)
        healthy = ("docker", "exec", own, "curl", "-fsS", "http://127.0.0.1:8081/healthz")
        wait_until(
            lambda: subprocess.run(healthy, capture_output=True, check=False).returncode == 0,
            within=20,
            what="nginx",
        )
        return int(docker("port", own, "80/tcp").rpartition(":")[2])


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network(name=f"alertscale-test-{uuid.uuid4().hex[:12]}")
    docker("network", "create", made.name)
    yield made
    for container in docker("ps", "--all", "--quiet", "--filter", f"name={made.name}").split():
        docker("rm", "--force", "--volumes", container)
    docker("network", "rm", made.name)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_request_is_lost_when_a_replica_that_is_gone_leaves_the_dns_late(
    network: Network, method: str
) -> None:
    """The list changes under requests that still wait for a connection to it."""
    network.replica("serves", COUNTS_BYTES)
    gone = network.replica("gone", SILENT)
    port = network.nginx()
    with Load(Kind(clients=20, method=method, path="/work?ms=1"), port=port) as load:
        wait_until(lambda: load.answers["200"] > 40, within=30, what="answers")
        docker("rm", "--force", gone)
        settled = load.answers["200"] + 500
        wait_until(lambda: load.answers["200"] > settled, within=30, what="answers without delay")
    assert load.lost == {}


def test_a_request_is_repeated_with_its_whole_body(network: Network) -> None:
    network.replica("serves", COUNTS_BYTES)
    gone = network.replica("gone", SILENT)
    url = f"http://127.0.0.1:{network.nginx()}/"
    body = b"more than nginx keeps in memory " * 10_000

    def ask(number: int) -> tuple[int, str]:
        if number == 50:
            docker("rm", "--force", gone)
        answer = requests.post(url, data=body, timeout=30)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(max_workers=20) as pool:
        assert set(pool.map(ask, range(200))) == {(200, str(len(body)))}


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
def test_what_was_sent_is_repeated_only_where_that_is_safe(network: Network, method: str, times: int) -> None:
    replica = network.replica("cuts-off", CUTS_OFF)
    answer = requests.request(method, f"http://127.0.0.1:{network.nginx()}/", timeout=30)
    assert answer.status_code == 502
    assert docker("logs", replica).split() == ["ready", *[method] * times]


def test_a_replica_that_takes_no_connection_is_told_as_a_timeout(network: Network) -> None:
    network.replica("silent", SILENT)
    assert requests.get(f"http://127.0.0.1:{network.nginx()}/", timeout=30).status_code == 504
