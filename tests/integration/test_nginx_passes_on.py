"""What becomes of a request between nginx and a replica: real nginx, replicas of a few lines, no stack."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scaler.model.errors import BalancerError
from scaler.model.labels import KEEPALIVE, Balance
from scaler.model.reasons import ReloadOutcome
from scaler.traffic.contract import Upstream
from scaler.traffic.rendering import render
from scaler.traffic.upstreams import lasting
from testkit.stack import wait_until
from tests.integration.scaler.projects import IMAGE
from tests.integration.test_nginx_accepts import (
    HERE,
    START,
    UPSTREAMS,
    Nginx,
    Running,
    TestStart,
    container,
    nginx,
    running,
)

__all__ = ["container", "nginx", "running"]

pytestmark = [pytest.mark.engine, pytest.mark.untimed, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
WEB = Upstream(name="web", servers=(HERE,))

CLOSES_FIRST = """
# Closes a connection on which nothing came for IDLE seconds, and takes another LATE to do so: what comes
# meanwhile is lost, as it is when it comes at the moment at which any server closes.
import socket, sys, threading, time
IDLE, LATE = map(float, sys.argv[1:])
listening = socket.create_server(("127.0.0.1", 8002), backlog=128)
print("ready", flush=True)
def serve(connection):
    answered = 0
    connection.settimeout(IDLE)
    try:
        while head := connection.recv(65536):
            answered += 1
            body = str(answered).encode()
            time.sleep(0.05)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    except TimeoutError:
        time.sleep(LATE)
    connection.close()
while True:
    threading.Thread(target=serve, args=listening.accept()[:1], daemon=True).start()
"""
POSTS = """
# Clients that each send a POST, wait, and send another on the same connection.
import http.client, random, sys, threading, time
CLIENTS, TIMES, LEAST, MOST = (float(word) for word in sys.argv[1:])
ends = []
def client():
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    for nth in range(int(TIMES)):
        time.sleep(random.uniform(LEAST, MOST) if nth else 0)
        connection.request("POST", "/", body=b"x" * 9, headers={"Host": "good.example"})
        answer = connection.getresponse()
        body = answer.read().decode()
        ends.append(f"200 {body}" if answer.status == 200 else str(answer.status))
threads = [threading.Thread(target=client) for _ in range(int(CLIENTS))]
for thread in threads: thread.start()
for thread in threads: thread.join()
import json; print(json.dumps(ends))
"""


class TestKeepAlive:
    """A replica closes its idle connections when it likes: gunicorn after 2 s, Node and uvicorn after 5."""

    IDLE = 2.0
    CLOSES = replace(WEB, servers=(("127.0.0.1", 8002),))

    @pytest.fixture
    def replica(self, running: Running) -> Iterator[Callable[[float], Callable[..., Counter[str]]]]:
        """Start one that is so late to close; return what posts to it."""
        name = f"{running.nginx.name}-replica"

        def start(late: float) -> Callable[..., Counter[str]]:
            words = ["docker", "run", "--detach", "--init", "--name", name]
            words += ["--network", f"container:{running.nginx.name}", IMAGE, "python", "-c", CLOSES_FIRST]
            subprocess.run([*words, str(self.IDLE), str(late)], check=True, capture_output=True)
            wait_until(lambda: "ready" in logs(name), within=20, what="the replica")
            return post

        def post(*words: float) -> Counter[str]:
            asked = ["docker", "exec", name, "python", "-c", POSTS, *map(str, words)]
            done = subprocess.run(asked, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return Counter(json.loads(done.stdout))

        yield start
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)

    @staticmethod
    def lost(ends: Counter[str]) -> int:
        return sum(n for end, n in ends.items() if not end.startswith("200"))

    def test_no_request_is_sent_on_a_connection_that_the_replica_is_closing(
        self, running: Running, replica: Callable[[float], Callable[..., Counter[str]]]
    ) -> None:
        post = replica(1.0)
        # As nginx itself would have it, and as our default is.
        for seconds, lost in ((60.0, 20), (KEEPALIVE.default, 0)):
            running.balancer.sync((replace(self.CLOSES, keepalive=seconds),), instance=running.nginx.name)
            ends = post(20, 2, self.IDLE + 0.3, self.IDLE + 0.6)
            assert (sum(ends.values()), self.lost(ends)) == (40, lost), ends

    @pytest.mark.drill
    @pytest.mark.timeout(300)
    def test_nor_at_any_other_moment(
        self, running: Running, replica: Callable[[float], Callable[..., Counter[str]]]
    ) -> None:
        post = replica(0.0)
        running.balancer.sync((self.CLOSES,), instance=running.nginx.name)
        ends = post(30, 60, self.IDLE - 0.05, self.IDLE + 0.05)
        assert (sum(ends.values()), self.lost(ends)) == (1800, 0), ends

    def test_it_is_kept_for_the_next_request_unless_its_label_says_none(
        self, running: Running, replica: Callable[[float], Callable[..., Counter[str]]]
    ) -> None:
        post = replica(0.0)
        for seconds, ends in ((KEEPALIVE.default, {"200 1", "200 2", "200 3"}), (0.0, {"200 1"})):
            running.balancer.sync((replace(self.CLOSES, keepalive=seconds),), instance=running.nginx.name)
            assert post(1, 3, 0.05, 0.1).keys() == ends


INCLUDE = "include /etc/nginx/alertscale-proxy*.conf;"
SAYS = "$server_protocol|$http_host|$http_x_real_ip|$http_x_forwarded_for|$http_x_forwarded_proto|$http_x_own"
STRICT = f"server {{ listen 127.0.0.1:8001; return 200 '{SAYS}'; }}"
"""nginx itself: it answers a request of HTTP/1.1 that names no Host with 400, as many do."""


class TestHeaders:
    @pytest.fixture
    def passing(self, nginx: Nginx) -> Nginx:
        nginx.site("replica", STRICT)
        nginx.site("good", "server { listen 80 default_server; location / { proxy_pass http://web; } }")
        nginx.candidate(web=render(WEB))
        assert nginx.accept() == []
        nginx.take()
        return nginx

    @staticmethod
    def told(nginx: Nginx, *words: str) -> list[str]:
        return nginx.run("curl", "-s", *words, "http://127.0.0.1/").strip().split("|")

    def test_a_replica_is_told_who_asks_for_what(self, passing: Nginx) -> None:
        told = self.told(passing, "-H", "Host: x.example:8080", "-H", "X-Forwarded-For: 10.1.1.1")
        assert told == ["HTTP/1.1", "x.example:8080", "127.0.0.1", "10.1.1.1, 127.0.0.1", "http", ""]

    @pytest.mark.parametrize(
        ("server_name", "host"),
        [
            ("", "localhost"),
            ("server_name _;", "localhost"),
            ("server_name *.example.org;", "localhost"),
            ("server_name shop.example.org;", "shop.example.org"),
        ],
    )
    def test_who_names_no_host_is_answered_all_the_same(
        self, passing: Nginx, server_name: str, host: str
    ) -> None:
        passing.site("good", f"server {{ listen 80; {server_name} location / {{ proxy_pass http://web; }} }}")
        passing.sh("nginx -s reload; sleep 0.3")
        assert self.told(passing, "--http1.0", "-H", "Host:")[1] == host

    def test_a_header_of_a_sites_own_does_not_cost_it_ours(self, passing: Nginx) -> None:
        own = "proxy_set_header X-Own mine; proxy_pass http://web;"
        ours = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "http"]
        for include, told in (("", ["web", "", "", ""]), (INCLUDE, ours)):
            passing.site("good", f"server {{ listen 80; location / {{ {include} {own} }} }}")
            passing.sh("nginx -s reload; sleep 0.3")
            assert self.told(passing)[1:] == [*told, "mine"]

    def test_a_connection_can_be_upgraded_beside_ours(self, passing: Nginx) -> None:
        """A WebSocket's site: what the include said of Connection would be sent beside its own."""
        passing.site("replica", STRICT.replace("$http_x_own", "$http_connection"))
        upgrade = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
        own = f"{INCLUDE} {upgrade} proxy_pass http://web;"
        passing.site("good", f"server {{ listen 80; location / {{ {own} }} }}")
        passing.sh("nginx -s reload; sleep 0.3")
        assert self.told(passing)[-1] == "upgrade"

    def test_neither_the_visitors_connection_header_nor_an_end_of_the_connection_is_passed_on(
        self, passing: Nginx
    ) -> None:
        passing.site("replica", STRICT.replace("$http_x_own", "[$http_connection]"))
        passing.sh("nginx -s reload; sleep 0.3")
        assert self.told(passing, "-H", "Connection: close")[-1] == "[]"

    TRUSTED = "geo $realip_remote_addr $trusted_proxy { default 0; 127.0.0.1 1; }"

    @pytest.mark.parametrize(
        ("trusted", "believed"),
        [("", False), (TRUSTED, True), (TRUSTED.replace("127.0.0.1", "10.9.8.7"), False)],
        ids=["nobody", "the proxy", "another"],
    )
    def test_only_a_proxy_that_is_trusted_says_that_the_visitor_came_by_tls(
        self, passing: Nginx, trusted: str, believed: bool
    ) -> None:
        passing.site("trusted", trusted)
        passing.candidate(web=render(WEB))
        assert passing.accept() == []
        passing.take()
        for said, told in {"https": "https", "http": "http", "https, http": "http", "gopher": "http"}.items():
            heard = self.told(passing, "-H", f"X-Forwarded-Proto: {said}")[4]
            assert heard == (told if believed else "http"), said

    def test_the_include_says_what_nginx_says_of_every_site(self) -> None:
        files = (ROOT / "nginx/proxy.conf", ROOT / "nginx/nginx.conf")
        ours, of_all = (
            [line for line in map(str.strip, file.read_text().splitlines()) if line.startswith("proxy_set")]
            for file in files
        )
        assert ours == of_all != []


class TestBalance:
    """Five replicas that say which they are, and visitors whose addresses a proxy in front tells."""

    VISITORS = 300

    @pytest.fixture
    def five(self, running: Running) -> Running:
        servers = "".join(f"server {{ listen 127.0.0.1:{9000 + n}; return 200 {n}; }}\n" for n in range(1, 6))
        (running.sites / "replica.conf").write_text(servers)
        real = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; "
        (running.sites / "good.conf").write_text(
            f"server {{ listen 80; {real} location / {{ proxy_pass http://web; }} }}\n"
        )
        return running

    def answers(self, running: Running, *replicas: int, balance: Balance) -> list[str]:
        """Who answers each visitor, each of another network."""
        servers = tuple(("127.0.0.1", 9000 + n) for n in replicas)
        wanted = (Upstream(name="web", servers=servers, balance=balance),)
        assert running.balancer.sync(wanted, instance=running.nginx.name) is ReloadOutcome.RELOADED
        asks = [
            f'url = "http://127.0.0.1/"\nheader = "X-Forwarded-For: 10.{n % 250}.{n // 250}.{n % 199}"\n'
            for n in range(self.VISITORS)
        ]
        said = running.nginx.run("curl", "-s", "-K", "-", given="next\n".join(asks))
        assert len(said) == self.VISITORS
        return [*said]

    @pytest.mark.parametrize(
        ("balance", "least", "most"),
        [(Balance.CONSISTENT_HASH, 0.1, 0.3), (Balance.IP_HASH, 0.6, 0.9)],
    )
    def test_how_many_visitors_a_step_moves(
        self, five: Running, balance: Balance, least: float, most: float
    ) -> None:
        four = self.answers(five, 1, 2, 3, 4, balance=balance)
        up = self.answers(five, 1, 2, 3, 4, 5, balance=balance)
        down = self.answers(five, 1, 2, 3, 4, balance=balance)
        assert down == four
        assert set(up) == set("12345")
        moved = sum(a != b for a, b in zip(four, up, strict=True)) / self.VISITORS
        print(f"\n  {balance}: a step from 4 to 5 and back moves {moved:.0%} of the visitors")  # noqa: T201 - a figure
        assert least < moved < most
        if balance is Balance.CONSISTENT_HASH:
            # Nobody moves who need not.
            assert all(b in (a, "5") for a, b in zip(four, up, strict=True))

    def test_least_conn_is_taken(self, five: Running) -> None:
        assert set(self.answers(five, 1, 2, balance=Balance.LEAST_CONN)) == {"1", "2"}


def test_nginx_begins_with_what_the_labels_said(nginx: Nginx) -> None:
    how = {str(one): replace(WEB, name=str(one), balance=one, keepalive=0.5) for one in Balance}
    how |= {"web": replace(WEB, keepalive=0.0), "idle": replace(WEB, name="idle", servers=())}
    texts = {name: render(replace(one, fallback=("localhost:8001",))) for name, one in how.items()}
    nginx.candidate(**texts)
    nginx.sh(f"ln -sfn generation-2 {UPSTREAMS}/current")
    assert "not as it should be" not in nginx.run(TestStart.SCRIPT)

    # The stack's own was never there: it has the defaults.
    for name, text in (texts | {"flask-app": render(replace(WEB, name="flask-app"))}).items():
        lines = {line for line in text.splitlines() if re.match("    (?!server|zone)", line)}
        assert lines <= set(nginx.sh(f"cat {UPSTREAMS}/current/{name}.conf").splitlines()), name
    nginx.sh(START)
    assert nginx.ask("good.example")[:3] in {"200", "502"}


EVERYBODYS = "mkdir -p /etc/nginx/tls && echo '{}' >/etc/nginx/tls/certificate.conf"
REFUSALS = {
    "that names a file of this try": EVERYBODYS.format(f"include {UPSTREAMS}/current/gone;"),
    "by a container that is older than accept.sh": EVERYBODYS.format("nonsense"),
    "of the shell": "rm -rf /tmp && ln -s /gone /tmp",
    "of the reload": "mv /run/nginx.pid /run/away",
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_the_same_for_as_long_as_it_lasts(running: Running, refusal: str) -> None:
    """So it is one entry of the history, whatever clock, process or folder of ours it names."""
    assert running.sync() is ReloadOutcome.RELOADED
    if "older" in refusal:
        running.control._test = running.control._test.replace("command -v alertscale-accept", "false")
    running.nginx.sh(REFUSALS[refusal])
    texts = set()
    for nth in range(3):
        with pytest.raises(BalancerError) as refused:
            running.sync(("127.0.0.1", 8001 + nth))
        texts.add(str(refused.value))
    print(f"\n  {refusal}:", *sorted(texts), sep="\n    ")  # noqa: T201 - what to look at when it is several
    assert len({lasting(text) for text in texts}) == 1


def logs(name: str) -> str:
    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
