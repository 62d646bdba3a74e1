"""What nginx is started with and reloaded with is what it has accepted: real nginx, no stack, no scaler."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import yaml
from docker import APIClient
from docker.utils import kwargs_from_env

from scaler.engines.contract import LeftOut, LeftOutKind
from scaler.engines.nginx import DockerNginx
from scaler.model.errors import BalancerError
from scaler.model.reasons import ReloadOutcome
from scaler.policy.reloads import AT_ONCE, generations
from scaler.traffic.contract import Upstream
from scaler.traffic.nginx import AGAIN
from scaler.traffic.nginx import Nginx as Balancer
from scaler.traffic.rendering import render
from testkit.stack import wait_until
from tests.fakes import Clock

pytestmark = [pytest.mark.engine, pytest.mark.untimed, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["nginx"]
MOUNTS = {
    source: target
    for source, target, *_ in (volume.split(":") for volume in SERVICE["volumes"])
    if source.startswith("./") and source != "./nginx/conf.d"
}
UPSTREAMS, SITES = "/etc/nginx/upstreams", "/etc/nginx/conf.d"
START = "nginx >/dev/null 2>&1 </dev/null"
"""What it inherits of `docker exec` is waited for by that for seconds."""
STAND_IN = "server {{ listen 80; server_name {0}; location / {{ proxy_pass http://{1}; }} }}"


def upstream(name: str, server: str = "127.0.0.1:8001") -> str:
    """What the scaler writes, with a server that the tests' nginx itself is."""
    return f"upstream {name} {{\n    zone alertscale:{name} 256k;\n    server {server} max_fails=0;\n}}\n"


REPLICA = "server { listen 127.0.0.1:8001; return 200 replica; }"
GOOD = STAND_IN.format("good.example", "web")


@dataclass(frozen=True, kw_only=True)
class Nginx:
    """A container with the stack's nginx in which nothing runs until it is told so.

    Attributes:
        name: of the container.
    """

    name: str

    def run(self, *words: str, given: str = "", expect: int | None = 0) -> str:
        done = subprocess.run(
            ["docker", "exec", "--interactive", self.name, *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{words}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def sh(self, script: str, *, expect: int | None = 0) -> str:
        return self.run("sh", "-c", script, expect=expect)

    def begin(self) -> None:
        """Put everything back to the beginning."""
        self.sh(
            "if [ -s /run/nginx.pid ]; then pid=$(cat /run/nginx.pid); kill -TERM $pid"
            "; while kill -0 $pid 2>/dev/null; do sleep 0.02; done; fi"
            f"; rm -rf {UPSTREAMS}/* {SITES}/* /etc/nginx/tls /etc/nginx/certificates"
            " /run/boot-* /run/nginx.pid"
            f"; cd {SITES} && echo '{REPLICA}' >replica.conf && echo '{GOOD}' >good.conf"
        )

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", f"mkdir -p {path.rpartition('/')[0]} && cat >{path}", given=text)

    def site(self, name: str, text: str) -> None:
        self.write(f"{SITES}/{name}.conf", text)

    def candidate(self, **upstreams: str) -> None:
        """What the scaler wants nginx to have next."""
        lines = [f"cd {UPSTREAMS} && rm -rf generation-2 && mkdir generation-2 && ln -sfn generation-2 next"]
        lines += ["if [ -d current/accepted ]; then cp -R current/accepted generation-2/; fi"]
        lines += [f"cat >generation-2/{name}.conf <<'END'\n{text}END" for name, text in upstreams.items()]
        self.sh("\n".join(lines))

    def accept(self, *, expect: int = 0) -> list[list[str]]:
        """Have the candidate accepted; return the fields of what is not as it was asked for."""
        said = self.run("alertscale-accept", f"{UPSTREAMS}/next", expect=expect)
        return [line.split("\t")[1:] for line in said.splitlines() if line.startswith("alertscale\t")]

    def take(self) -> None:
        """Make the candidate current, and reload or start with it."""
        self.sh(
            f"cd {UPSTREAMS} && rm -rf generation-1 next && mv generation-2 generation-1"
            " && sed -i s#generation-2#generation-1# generation-1/sites && ln -sfn generation-1 current"
            f" && if [ -s /run/nginx.pid ]; then nginx -s reload; sleep 0.3; else {START}; fi"
        )

    def ask(self, host: str, *words: str, path: str = "", expect: int | None = 0) -> str:
        """Return status and Retry-After of an answer."""
        form = "%{http_code} %header{retry-after}"
        url = f"http://127.0.0.1/{path}"
        asked = ("curl", "-s", "-o", "/dev/null", "-w", form, "-H", f"Host: {host}", *words, url)
        return self.run(*asked, expect=expect).strip()


@contextlib.contextmanager
def idle(*options: str) -> Iterator[Nginx]:
    """A container in which nginx does not run yet, with a good site and what it leads to."""
    name = f"alertscale-test-{uuid.uuid4().hex[:12]}"
    mounts = [f"--volume={ROOT / file}:{target}:ro" for file, target in MOUNTS.items()]
    folders = [f"--tmpfs={UPSTREAMS}:size=768k", f"--tmpfs={SITES}"]
    words = ["run", "--detach", "--init", "--name", name, "--network", "none", *mounts, *folders, *options]
    docker(*words, "--entrypoint", "sleep", SERVICE["image"], "infinity")
    try:
        made = Nginx(name=name)
        made.begin()
        yield made
    finally:
        docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def container() -> Iterator[Nginx]:
    with idle() as made:
        yield made


@pytest.fixture
def nginx(container: Nginx) -> Nginx:
    container.begin()
    return container


def test_what_is_good_is_left_as_it_is(nginx: Nginx) -> None:
    """A new site needs a reload and nothing else, as ever."""
    nginx.candidate(web=upstream("web"))

    # A word at each try: the scaler waits for one for so long.
    assert nginx.run("alertscale-accept", f"{UPSTREAMS}/next") == "nginx accepts this\n"
    assert nginx.sh(f"cat {UPSTREAMS}/next/sites") == f"include {SITES}/*.conf;\n"
    assert nginx.sh(f"ls {UPSTREAMS}/next/accepted").split() == ["good.conf", "replica.conf"]
    nginx.take()
    assert nginx.ask("good.example").startswith("200")
    nginx.site("new", STAND_IN.format("new.example", "web"))
    nginx.sh("nginx -s reload; sleep 0.3")
    assert nginx.ask("new.example").startswith("200")


BROKEN = {
    "a word that nginx has not": "server { listen 80; server_name bad.example; retrun 200; }",
    "a brace too few": "server { listen 80; server_name bad.example; location / { return 200; }",
    "a host that is gone": STAND_IN.format("bad.example", "wiki:3000"),
    "a host that is gone, not over HTTP": "server { listen 80; server_name bad.example;"
    " location / { fastcgi_pass php:9000; } }",
    "a port for a service that others ask for without": STAND_IN.format("bad.example", "web:8000"),
    "a zone that nobody declared": "server { listen 80; server_name bad.example; limit_req zone=nobody; }",
    "a certificate that is missing": "server { listen 80; server_name bad.example; }"
    " server { listen 443 ssl; ssl_certificate /gone.pem; ssl_certificate_key /gone.key; }",
    "a file that is not there": "include /etc/nginx/gone.conf;",
    "a fault in a file of its own": "include /etc/nginx/conf.d/part/*;",
}
NAMELESS = {"a file that is not there", "a fault in a file of its own"}
"""Nothing can stand in: it does not say under which names."""


@pytest.mark.parametrize("trouble", BROKEN)
def test_a_site_that_nginx_refuses_costs_no_other_anything(nginx: Nginx, trouble: str) -> None:
    nginx.write(f"{SITES}/part/x", "nonsense;")
    nginx.site("bad", BROKEN[trouble])
    nginx.candidate(web=upstream("web"))

    ((kind, name, became, words),) = nginx.accept()
    assert (kind, name) == ("site", "bad.conf")
    assert became == ("out" if trouble in NAMELESS else "503")
    assert "#" not in words
    assert "emerg" not in words
    nginx.take()
    assert nginx.ask("good.example").startswith("200")
    if trouble not in NAMELESS:
        assert nginx.ask("bad.example") == "503 5"


def test_a_site_that_was_good_goes_on_as_it_was(nginx: Nginx) -> None:
    nginx.site("shop", "server { listen 80; server_name shop.example; return 200; }")
    nginx.candidate(web=upstream("web"))
    nginx.accept()
    nginx.take()
    nginx.site("shop", "server { listen 80; server_name shop.example; retrun 201; }")
    for _ in range(2):  # what was not accepted is no copy
        nginx.candidate(web=upstream("web"))
        ((kind, name, became, words),) = nginx.accept()
        assert (kind, name, became) == ("site", "shop.conf", "copy")
        assert words == f'unknown directive "retrun" in {SITES}/shop.conf:1'
        nginx.take()
        assert nginx.ask("shop.example").startswith("200")

    nginx.site("shop", "server { listen 80; server_name shop.example; return 202; }")
    nginx.candidate(web=upstream("web"))
    assert nginx.accept() == []
    nginx.take()
    assert nginx.ask("shop.example").startswith("202")


SHOP = "server {{ listen 80{1}; server_name shop.example; {2} return 20{0}; }} {3}"
TOGETHER = {
    "default server": (" default_server", "", ""),
    "options of an address": (" backlog=100", "", ""),
    "upstream": ("", "", "upstream backend { server 127.0.0.1:8001; }"),
    "log format": ("", "", "log_format shop $host;"),
    "directive of all": ("", "", "large_client_header_buffers 4 9k;"),
}


@pytest.mark.parametrize("trouble", TOGETHER)
def test_a_new_site_takes_none_off_the_air_that_was_there(nginx: Nginx, trouble: str) -> None:
    """Of two that do not go together nginx names the later one, here that which was there."""
    nginx.site("shop", SHOP.format(1, *TOGETHER[trouble]))
    nginx.candidate(web=upstream("web"))
    assert nginx.accept() == []
    nginx.take()
    nginx.site("api", SHOP.format(2, *TOGETHER[trouble]).replace("shop.example", "api.example"))
    nginx.candidate(web=upstream("web"))

    assert [fields[:3] for fields in nginx.accept()] == [["site", "api.conf", "503"]]
    nginx.take()
    assert nginx.ask("shop.example").startswith("201")
    assert nginx.ask("api.example") == "503 5"


def test_visitors_of_nobodys_name_stay_with_the_site_that_has_them(nginx: Nginx) -> None:
    """The stand-in of a site that was never there is not nginx' first; that of the only default is it."""
    nginx.site("default", "server { listen 80 default_server; listen 443 ssl backlog=9; retrun 201; }")
    nginx.candidate(web=upstream("web"))
    assert [fields[:3] for fields in nginx.accept()] == [["site", "default.conf", "503"]]
    nginx.take()
    assert nginx.ask("nobody.example") == "503 5"

    nginx.site("default", "server { listen 80; return 201; }")
    nginx.candidate(web=upstream("web"))
    assert nginx.accept() == []
    nginx.take()
    nginx.site("a", BROKEN["a word that nginx has not"])
    nginx.candidate(web=upstream("web"))
    assert [fields[:3] for fields in nginx.accept()] == [["site", "a.conf", "503"]]
    nginx.take()
    assert nginx.ask("nobody.example").startswith("201")
    assert nginx.ask("bad.example") == "503 5"


class TestNewcomers:
    @pytest.fixture
    def limited(self, nginx: Nginx) -> Nginx:
        nginx.site("common", "upstream backend { server 127.0.0.1:8001; }")
        nginx.site("limit", "limit_req_zone $host zone=each:1m rate=9r/s;")
        nginx.site("shop", SHOP.format(1, "", "limit_req zone=each;", ""))
        nginx.site("uses", STAND_IN.format("uses.example", "backend"))
        nginx.candidate(web=upstream("web"))
        assert nginx.accept() == []
        nginx.take()
        return nginx

    def test_one_of_several_is_found(self, limited: Nginx) -> None:
        """And what others depend on, moved to another file meanwhile, is not it."""
        limited.sh(f"mv {SITES}/common.conf {SITES}/a-common.conf")
        limited.site("b", SHOP.format(2, "", "", "").replace("shop.", "b."))
        limited.site("c", "limit_req_zone $uri zone=each:1m rate=9r/s;")
        limited.site("d", BROKEN["a word that nginx has not"])
        limited.candidate(web=upstream("web"))

        assert {tuple(fields[:2]) for fields in limited.accept()} == {("site", "c.conf"), ("site", "d.conf")}
        limited.take()
        assert limited.ask("shop.example").startswith("201")
        assert limited.ask("uses.example").startswith("200")
        assert limited.ask("b.example").startswith("202")

    def test_one_that_was_changed_goes_on_as_it_was_and_a_start_does_the_same(self, limited: Nginx) -> None:
        limited.site("common", "limit_req_zone $uri zone=each:1m rate=9r/s;")
        limited.candidate(web=upstream("web"))
        ((_, name, became, _),) = limited.accept()
        assert (name, became) == ("common.conf", "copy")

        told = limited.run(TestStart.SCRIPT)
        assert "site common.conf is not as it should be (copy)" in told
        assert "limit.conf" not in told.replace("limit.conf:", "")

    def test_one_that_has_the_name_of_a_service_does_not_take_its_visitors(self, limited: Nginx) -> None:
        limited.site("new", "upstream web { server 127.0.0.1:9; }")
        limited.candidate(web=upstream("web"))
        assert [fields[:3] for fields in limited.accept()] == [["site", "new.conf", "out"]]


def test_two_broken_sites_of_which_nginx_names_none(nginx: Nginx) -> None:
    nginx.site("bad", BROKEN["a zone that nobody declared"])
    nginx.site("worse", BROKEN["a certificate that is missing"].replace("bad.", "worse."))
    nginx.site("later", STAND_IN.format("later.example", "gone.web"))
    nginx.candidate(web=upstream("web"))

    assert {tuple(fields[:3]) for fields in nginx.accept()} == {
        ("site", "bad.conf", "503"),
        ("site", "worse.conf", "503"),
        ("placeholder", "gone.web", "503"),
    }
    nginx.take()
    assert nginx.ask("good.example").startswith("200")
    assert nginx.ask("later.example") == "503 5"


def test_a_site_of_a_service_that_is_not_there_answers_503(nginx: Nginx) -> None:
    nginx.site("shop", STAND_IN.format("shop.example", "shop.web"))
    nginx.candidate(web=upstream("web"))

    ((kind, name, became, words),) = nginx.accept()
    assert (kind, name, became) == ("placeholder", "shop.web", "503")
    assert words == f'host not found in upstream "shop.web" in {SITES}/shop.conf:1'
    nginx.take()
    assert nginx.ask("shop.example") == "503 5"


NOT_HTTP = ("fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")


@pytest.mark.parametrize("known", [True, False], ids=["gone", "never there"])
def test_a_service_that_is_not_asked_by_http_costs_its_site_nothing_else(nginx: Nginx, known: bool) -> None:
    """What nginx then says is that it has no port."""
    places = "".join(f"location /{word} {{ {word} p.{word}; }} " for word in NOT_HTTP)
    shop = "server { listen 80; server_name shop.example; set $memcached_key a; location = / { return 201; } "
    nginx.site("shop", f"{shop}{places}}}")
    services = {f"p.{word}": upstream(f"p.{word}") for word in NOT_HTTP}
    nginx.candidate(web=upstream("web"), **(services if known else {}))
    nginx.accept()
    nginx.take()
    nginx.candidate(web=upstream("web"))

    told = {(kind, name, became) for kind, name, became, _ in nginx.accept()}
    assert told == (set() if known else {("placeholder", name, "503") for name in services})
    nginx.take()
    assert nginx.ask("shop.example").startswith("201")
    answers = {word: nginx.ask("shop.example", path=word)[:3] for word in NOT_HTTP}
    assert answers == {
        word: "502" if word in ("fastcgi_pass", "memcached_pass") else "503" for word in NOT_HTTP
    }


def test_however_many_services_are_not_there_each_has_its_placeholder(nginx: Nginx) -> None:
    names = [f"shop.web{number}" for number in range(101)]
    nginx.site("shop", "\n".join(STAND_IN.format(f"{name}.example", name) for name in names))
    nginx.candidate(web=upstream("web"))

    assert [fields[:3] for fields in nginx.accept()] == [
        ["placeholder", name, "503"] for name in sorted(names)
    ]
    nginx.take()
    assert nginx.ask(f"{names[-1]}.example") == "503 5"
    assert nginx.ask("good.example").startswith("200")


def test_a_service_that_is_gone_keeps_its_name_while_a_site_asks_for_it(nginx: Nginx) -> None:
    """Without a question to DNS: whoever answers from outside would get its visitors."""
    nginx.site("shop", STAND_IN.format("shop.example", "shop.web"))
    nginx.candidate(web=upstream("web"), **{"shop.web": upstream("shop.web")})
    nginx.accept()
    nginx.take()
    nginx.candidate(web=upstream("web"))

    assert nginx.accept() == []
    nginx.take()
    assert nginx.ask("shop.example") == "503 5"
    nginx.sh(f"rm {SITES}/shop.conf")
    nginx.candidate(web=upstream("web"))
    nginx.accept()
    assert "shop.web" not in nginx.sh(f"ls {UPSTREAMS}/next")


@pytest.mark.parametrize(
    "theirs",
    [
        "upstream api { server 127.0.0.1:8001; }",
        "upstream API { server 127.0.0.1:8001; }",
        STAND_IN.format("old.example", "localhost:8001").replace("localhost", "api"),
    ],
)
def test_a_name_that_a_site_has_already_stays_the_sites(nginx: Nginx, theirs: str) -> None:
    """The last one asks for a host by its port, as it did before a service of that name was scaled."""
    nginx.sh("grep -q api /etc/hosts || echo 127.0.0.1 api >>/etc/hosts")
    nginx.site("theirs", theirs)
    nginx.candidate(web=upstream("web"), api=upstream("api", "127.0.0.1:9"))

    ((kind, name, became, _),) = nginx.accept()
    assert (kind, name, became) == ("upstream", "api", "out")
    nginx.take()
    assert nginx.ask("good.example").startswith("200")


def test_an_upstream_that_nginx_refuses_is_its_own_trouble(nginx: Nginx) -> None:
    nginx.site("shop", STAND_IN.format("shop.example", "shop.web"))
    nginx.candidate(web=upstream("web"), **{"shop.web": "upstream shop.web { nonsense; }\n"})

    left = nginx.accept()
    assert ["upstream", "shop.web", "out", 'unknown directive "nonsense" in shop.web.conf:1'] in left
    nginx.take()
    assert nginx.ask("good.example").startswith("200")
    assert nginx.ask("shop.example") == "503 5"


def test_a_zone_of_ours_is_nobody_elses(nginx: Nginx) -> None:
    """A zone of a directive ends at its first colon, so that none has one in its name."""
    nginx.site("theirs", "limit_req_zone $host zone=web:1m rate=1r/s;")
    nginx.candidate(web=upstream("web"))

    assert nginx.accept() == []


@pytest.mark.parametrize(
    ("everybodys", "words"),
    [
        ("nonsense", "unexpected end of file"),
        ("ssl_certificate /gone.pem; ssl_certificate_key /gone.pem;", 'cannot load certificate "/gone.pem"'),
    ],
)
def test_what_no_site_and_no_service_is_to_blame_for_is_refused(
    nginx: Nginx, everybodys: str, words: str
) -> None:
    """A certificate of all is read for each server, those without TLS too: no site is left out for it."""
    nginx.site("secure", "server { listen 443 ssl; server_name secure.example; return 200; }")
    nginx.candidate(web=upstream("web"))
    nginx.sh(f"mkdir /etc/nginx/tls && echo '{everybodys}' >/etc/nginx/tls/certificate.conf")

    said = nginx.run("alertscale-accept", f"{UPSTREAMS}/next", expect=1)
    assert said.splitlines()[-1].startswith(words)


class TestCertificate:
    """The layout of docker-compose.tls.yml, with a key that does not fit: a renewal that is half done."""

    @staticmethod
    def install(nginx: Nginx, *, fits: bool) -> None:
        certificates = [trustme.CA().issue_cert("localhost") for _ in range(2)]
        chain = b"".join(part.bytes() for part in certificates[0].cert_chain_pems)
        key = certificates[0 if fits else 1].private_key_pem.bytes()
        nginx.write("/etc/nginx/certificates/fullchain.pem", chain.decode())
        nginx.write("/etc/nginx/certificates/privkey.pem", key.decode())

    @pytest.fixture(params=["of all sites", "of one site"])
    def secure(self, nginx: Nginx, request: pytest.FixtureRequest) -> Nginx:
        files = ("certificate.conf", "default-site.conf", "https.conf", "site.conf")
        texts = {file: (ROOT / "nginx/tls" / file).read_text() for file in files}
        if request.param == "of one site":
            lines = texts["certificate.conf"].splitlines(keepends=True)
            own = [line for line in lines if line.startswith("ssl_certificate")]
            texts["certificate.conf"] = "".join(line for line in lines if line not in own)
            texts["default-site.conf"] += "".join(own)
        for file, text in texts.items():
            nginx.write(f"/etc/nginx/tls/{file}", text)
        nginx.write("/run/tls/port.conf", 'map "" $https_port { default ":443"; }')
        nginx.site("default", (ROOT / "nginx/conf.d/default.conf").read_text())
        self.install(nginx, fits=True)
        nginx.candidate(web=upstream("web"), **{"flask-app": upstream("flask-app")})
        assert nginx.accept() == []
        nginx.take()
        return nginx

    def test_who_runs_keeps_what_it_has(self, secure: Nginx) -> None:
        self.install(secure, fits=False)
        secure.candidate(web=upstream("web"), **{"flask-app": upstream("flask-app")})

        said = secure.run("alertscale-accept", f"{UPSTREAMS}/next", expect=1)
        assert "key values mismatch" in said.splitlines()[-1]
        assert secure.ask("x").startswith("308")

    def test_a_site_that_has_changed_meanwhile_is_not_blamed_either(self, secure: Nginx) -> None:
        self.install(secure, fits=False)
        secure.site("good", GOOD + " # changed")
        secure.site("bad", BROKEN["a word that nginx has not"])
        secure.candidate(web=upstream("web"), **{"flask-app": upstream("flask-app")})

        said = secure.run("alertscale-accept", f"{UPSTREAMS}/next", expect=1)
        assert "key values mismatch" in said.splitlines()[-1]

    @pytest.mark.parametrize("secure", ["of one site"], indirect=True)
    def test_a_start_has_the_site_answer_without_tls(self, secure: Nginx) -> None:
        self.install(secure, fits=False)
        secure.sh("kill -TERM $(cat /run/nginx.pid); sleep 0.3; rm -f /run/nginx.pid")
        told = secure.run(TestStart.SCRIPT)

        assert "site default.conf is not as it should be (503)" in told
        secure.sh(START)
        assert secure.ask("x") == "503 5"
        # What the scaler brings meanwhile is taken, and so is the certificate.
        both = {"web": upstream("web"), "flask-app": upstream("flask-app")}
        for fits, left in ((False, [["site", "default.conf", "503"]]), (True, [])):
            self.install(secure, fits=fits)
            secure.candidate(**both)
            assert [fields[:3] for fields in secure.accept()] == left
            secure.take()
            assert secure.ask("good.example").startswith("200")
        assert secure.ask("x").startswith("308")


def test_a_relative_path_is_what_it_is_for_nginx_itself(nginx: Nginx) -> None:
    nginx.write("/etc/nginx/.htpasswd", "a:b")
    nginx.write("/etc/nginx/own/answer.conf", "return 201;")
    nginx.site(
        "shop",
        "server { listen 80; server_name shop.example; include fastcgi_params; include own/*.conf;"
        " auth_basic_user_file .htpasswd; }",
    )
    nginx.site("bad", "server { listen 80; server_name bad.example; include own/gone.conf; }")
    nginx.candidate(web=upstream("web"))

    ((_, name, _, words),) = nginx.accept()
    assert (name, words) == (
        "bad.conf",
        f'open() "/etc/nginx/own/gone.conf" failed (2: No such file or directory) in {SITES}/bad.conf:1',
    )
    nginx.take()
    assert nginx.ask("shop.example").startswith("201")


class TestDns:
    """That none of the sites is to blame for, and that nginx has behind it."""

    HOSTS = "grep -v wiki /etc/hosts >/tmp/hosts; cat /tmp/hosts >/etc/hosts"
    THERE = f"{HOSTS}; echo 127.0.0.1 wiki blog >>/etc/hosts"

    @pytest.fixture
    def wiki(self, nginx: Nginx) -> Iterator[Nginx]:
        nginx.sh(self.THERE)
        nginx.site("wiki", STAND_IN.format("wiki.example", "wiki:8001"))
        nginx.site("blog", STAND_IN.format("blog.example", "blog"))
        self.again(nginx)
        assert nginx.accept() == []
        nginx.take()
        self.again(nginx)
        yield nginx
        nginx.sh(self.HOSTS)

    @staticmethod
    def again(nginx: Nginx) -> None:
        nginx.candidate(web=upstream("web"))

    def test_a_host_that_is_away_for_a_moment_costs_nobody_anything(self, wiki: Nginx) -> None:
        wiki.sh(self.HOSTS)
        said = wiki.sh(f"(sleep 0.5; {self.THERE}) & alertscale-accept {UPSTREAMS}/next")
        assert "host not found" in said
        assert "alertscale\t" not in said

    def test_one_that_stays_away_is_waited_for_once(self, wiki: Nginx) -> None:
        wiki.sh(self.HOSTS)
        assert {tuple(fields[:3]) for fields in wiki.accept()} == {
            ("site", "wiki.conf", "503"),
            ("placeholder", "blog", "503"),
        }
        wiki.take()
        self.again(wiki)
        said = wiki.run("alertscale-accept", f"{UPSTREAMS}/next")
        # As it is, and its line of the report.
        assert said.count('host not found in upstream "wiki"') == 2
        assert said.count('host not found in upstream "blog"') == 2

    @pytest.fixture
    def slow(self, nginx: Nginx) -> Iterator[Nginx]:
        """A site that reads what nginx has to wait for, and limits that are a tenth of the real ones."""
        nginx.write("/tmp/stub/timeout", '#!/bin/sh\nn=$(($1 / 10)); shift; exec /usr/bin/timeout $n "$@"\n')
        nginx.sh("chmod +x /tmp/stub/timeout; echo >/tmp/slow.conf")
        nginx.site("slow", "include /tmp/slow.conf;")
        self.again(nginx)
        assert nginx.accept() == []
        nginx.take()
        self.again(nginx)
        nginx.sh("rm /tmp/slow.conf; mkfifo /tmp/slow.conf")
        yield nginx
        nginx.sh("rm -rf /tmp/slow.conf /tmp/stub")

    ACCEPT = f"PATH=/tmp/stub:$PATH; alertscale-accept {UPSTREAMS}/next"

    def test_what_is_slow_is_given_more_time(self, slow: Nginx) -> None:
        said = slow.sh(f"(sleep 2; echo >/tmp/slow.conf) & {self.ACCEPT}")
        assert set(said.splitlines()) == {"nginx -t is not done yet", "nginx accepts this"}

    def test_what_is_too_slow_replaces_nobody(self, slow: Nginx) -> None:
        said = slow.sh(self.ACCEPT, expect=1)
        assert said.splitlines()[-1].startswith("nginx -t takes over 30 s: a host has a name that cannot")
        assert said.strip().endswith("so nginx keeps what it has")

    def test_a_site_that_has_changed_meanwhile_is_not_blamed_either(self, slow: Nginx) -> None:
        slow.site("good", GOOD + " # changed")
        said = slow.sh(self.ACCEPT, expect=1)
        assert said.splitlines()[-1].startswith("nginx -t takes over 10 s")


@pytest.fixture(scope="module")
def bare() -> Iterator[Nginx]:
    """With the capabilities of the stack: root may overwrite what is read-only in none of its folders."""
    added = [f"--cap-add={name}" for name in SERVICE["cap_add"]]
    with idle("--cap-drop=ALL", *added) as made:
        yield made


def test_a_site_that_is_read_only_can_change(bare: Nginx) -> None:
    for answer in ("201", "202"):
        bare.sh(f"rm -f {SITES}/shop.conf")
        bare.site("shop", f"server {{ listen 80; server_name shop.example; return {answer}; }}")
        bare.sh(f"chmod 0444 {SITES}/shop.conf")
        bare.candidate(web=upstream("web"))
        assert bare.accept() == []
        bare.take()
        assert bare.ask("shop.example").startswith(answer)
        bare.run(TestStart.SCRIPT)
        bare.run(TestStart.SCRIPT)


def test_a_full_disk_is_told_and_not_taken_for_no_sites(nginx: Nginx) -> None:
    nginx.candidate(web=upstream("web"))
    nginx.sh(f"rm -f {UPSTREAMS}/next/sites; head -c 1M /dev/zero >{UPSTREAMS}/fill", expect=1)

    said = nginx.sh(f"alertscale-accept {UPSTREAMS}/next 2>&1", expect=1)
    assert said.splitlines()[-1].startswith("nothing can be written")


def test_no_site_at_all_is_no_configuration(nginx: Nginx) -> None:
    nginx.sh(f"rm {SITES}/*")
    nginx.site("only", BROKEN["a file that is not there"])
    nginx.candidate(web=upstream("web"))

    said = nginx.run("alertscale-accept", f"{UPSTREAMS}/next", expect=1)
    assert said.splitlines()[-1].startswith("none of the sites would be left: open()")


class TestPlaceholder:
    """The site is the one that is shipped: it catches 502 and 504."""

    @pytest.fixture
    def placed(self, nginx: Nginx) -> Nginx:
        nginx.site("default", (ROOT / "nginx/conf.d/default.conf").read_text())
        nginx.candidate(web=upstream("web"), **{"flask-app": upstream("flask-app", "127.0.0.1:8082")})
        assert nginx.accept() == []
        nginx.take()
        return nginx

    def test_whatever_is_asked_is_answered_503(self, placed: Nginx) -> None:
        placed.sh("head -c 6M /dev/zero >/tmp/body")
        assert placed.ask("x") == "503 5"
        assert placed.ask("x", "--head") == "503 5"
        assert placed.ask("x", "--request", "POST", "--data-binary", "@/tmp/body") == "503 5"
        chunked = ("--request", "PUT", "--header", "Transfer-Encoding: chunked")
        assert placed.ask("x", *chunked, "--data-binary", "@/tmp/body") == "503 5"

    def test_a_body_that_the_site_allows_is_not_too_large_for_it(self, placed: Nginx) -> None:
        stands = STAND_IN.format("large.example", "flask-app")
        placed.site("large", stands.replace("location", "client_max_body_size 100m; location"))
        placed.sh("head -c 20M /dev/zero >/tmp/body; nginx -s reload; sleep 0.3")
        assert placed.ask("large.example", "--data-binary", "@/tmp/body") == "503 5"

    def test_it_does_not_promise_to_keep_the_connection_that_it_closes(self, placed: Nginx) -> None:
        """The next request would be sent on it, and a POST that is lost there cannot be repeated."""
        answer = placed.run("curl", "-s", "--include", "http://127.0.0.1:8082/")
        assert "Connection: close" in answer.splitlines()

    def test_the_clients_connection_is_kept(self, placed: Nginx) -> None:
        form = "%{http_code}/%{num_connects} "
        url = "http://127.0.0.1/"
        words = ["-sS", "-w", form, "-o", "/dev/null", url, "-o", "/dev/null", url]
        assert placed.run("curl", *words).split() == ["503/1", "503/0"]

    def test_it_is_logged_once(self, placed: Nginx) -> None:
        placed.sh("rm -f /var/log/nginx/access.log && nginx -s reopen && sleep 0.3")
        placed.ask("x")
        (line,) = placed.sh("sleep 0.2; cat /var/log/nginx/access.log").splitlines()
        assert "upstream=127.0.0.1:8082 tries=503" in line


class TestStart:
    """The script that runs before nginx at each start, with nobody else there."""

    SCRIPT = "/docker-entrypoint.d/40-alertscale-upstreams.sh"

    def test_a_thousand_replicas_are_begun_with_by_addresses_and_by_names(self, nginx: Nginx) -> None:
        """As many as ``alertscale.max`` allows: too small a zone is refused, and nobody is named."""
        servers = tuple((f"fd00:1111:2222:3333:4444:5555:6666:{n:x}", 50_000) for n in range(4096, 5096))
        names = tuple(f"shop-web-{n}:50000" for n in range(1, 1001))
        many = render(Upstream(name="many", servers=servers, fallback=names))
        nginx.candidate(web=upstream("web"), many=many)
        nginx.accept()
        nginx.take()
        assert nginx.ask("good.example").startswith("200")

        nginx.sh("kill -TERM $(cat /run/nginx.pid); while [ -s /run/nginx.pid ]; do sleep 0.02; done")
        nginx.run(self.SCRIPT)
        text = nginx.sh(f"cat {UPSTREAMS}/current/many.conf")
        assert text.count(" resolve max_fails=0;") == len(names)
        nginx.sh(START)

    def test_what_was_accepted_last_is_begun_with_by_names(self, nginx: Nginx) -> None:
        made = "# service shop/web\n# replica shop-web-1:80\n# replica shop-web-2:80\n" + upstream(
            "web", "10.0.0.2:80"
        )
        nginx.candidate(web=made, idle=upstream("idle", "127.0.0.1:8082"))
        nginx.accept()
        nginx.take()
        nginx.run(self.SCRIPT)

        text = nginx.sh(f"cat {UPSTREAMS}/current/web.conf")
        assert "    server shop-web-1:80 resolve max_fails=0;\n    server shop-web-2:80 resolve" in text
        assert "10.0.0.2" not in text
        assert "# service shop/web\n# replica shop-web-1:80\n# replica shop-web-2:80\n" in text
        assert "server 127.0.0.1:8082 max_fails=0;" in nginx.sh(f"cat {UPSTREAMS}/current/idle.conf")

    def test_what_nginx_refuses_is_left_out_and_told_and_the_rest_starts(self, nginx: Nginx) -> None:
        nginx.candidate(web=upstream("web"))
        nginx.sh(f"ln -sfn generation-2 {UPSTREAMS}/current")
        nginx.site("theirs", "upstream WEB { server 127.0.0.1:8001; }")
        nginx.site("shop", STAND_IN.format("shop.example", "shop.web"))
        nginx.site("wiki", STAND_IN.format("wiki.example", "wiki:3000"))
        told = nginx.run(self.SCRIPT)

        assert "upstream web is not as it should be (out): duplicate upstream" in told
        assert "placeholder shop.web is not as it should be (503): host not found" in told
        assert "site wiki.conf is not as it should be (503): host not found" in told
        nginx.sh(START)
        assert nginx.ask("good.example").startswith("200")
        assert nginx.ask("shop.example") == "503 5"
        assert nginx.ask("wiki.example") == "503 5"

    def test_starts_leave_one_folder_each_that_replaces_the_one_before(self, nginx: Nginx) -> None:
        nginx.sh(f"mkdir -p {UPSTREAMS}/boot-1 {UPSTREAMS}/generation-7 {UPSTREAMS}/generation-8")
        nginx.sh(f"ln -s generation-8 {UPSTREAMS}/next; touch -d '2 minutes ago' {UPSTREAMS}/generation-7")
        for _ in range(3):
            nginx.run(self.SCRIPT)
        nginx.sh("mkdir /etc/nginx/tls && echo nonsense >/etc/nginx/tls/certificate.conf")
        current = nginx.sh(f"readlink {UPSTREAMS}/current").strip()
        for _ in range(3):
            assert "nginx does not start: unexpected end of file" in nginx.run(self.SCRIPT, expect=1)

        # What is being tested by the scaler is left to it.
        assert set(nginx.sh(f"ls {UPSTREAMS}").split()) == {"current", "next", "generation-8", current}

    def test_the_very_first_start_knows_the_service_of_the_stack(self, nginx: Nginx) -> None:
        nginx.run(self.SCRIPT)

        text = nginx.sh(f"cat {UPSTREAMS}/current/flask-app.conf")
        assert f"server {own_alias()}:5000 resolve max_fails=0;" in text
        nginx.sh(START)
        assert nginx.ask("good.example").startswith("503")  # of a service that has never been

    def test_on_a_full_disk_it_starts_from_memory(self, nginx: Nginx) -> None:
        nginx.candidate(web="# replica shop-web-1:80\n" + upstream("web", "10.0.0.2:80"))
        nginx.sh(f"ln -sfn generation-2 {UPSTREAMS}/current")
        nginx.sh(f"head -c 1M /dev/zero >{UPSTREAMS}/fill", expect=1)
        assert "is the disk of its volume full?" in nginx.run(self.SCRIPT)
        assert "shop-web-1:80 resolve" in nginx.sh(f"cat {UPSTREAMS}/current/web.conf")
        nginx.sh(START)
        assert nginx.ask("good.example").startswith("502")

    def test_what_was_good_before_the_disk_was_full_is_known_when_memory_is_lost(self, nginx: Nginx) -> None:
        nginx.candidate(web="# replica shop-web-1:80\n" + upstream("web", "10.0.0.2:80"))
        nginx.accept()
        nginx.take()
        nginx.sh(f"touch -d '2 minutes ago' {UPSTREAMS}/generation-1")
        nginx.sh(f"head -c 1M /dev/zero >{UPSTREAMS}/fill", expect=1)
        nginx.run(self.SCRIPT)
        nginx.sh(f"rm -r /run/boot-* {UPSTREAMS}/fill")
        nginx.run(self.SCRIPT)
        assert "shop-web-1:80 resolve" in nginx.sh(f"cat {UPSTREAMS}/current/web.conf")
        assert "good.conf" in nginx.sh(f"ls {UPSTREAMS}/current/accepted")
        left = nginx.sh(f"ls {UPSTREAMS}").split()
        assert left == [nginx.sh(f"readlink {UPSTREAMS}/current").strip(), "current"]

    def test_what_the_scaler_is_just_making_is_left_to_it(self, nginx: Nginx) -> None:
        nginx.sh(f"mkdir {UPSTREAMS}/generation-7")
        nginx.run(self.SCRIPT)
        nginx.sh(f"test -d {UPSTREAMS}/generation-7")

    def test_a_current_without_upstreams_does_not_leave_the_stacks_service_to_dns(self, nginx: Nginx) -> None:
        nginx.candidate(web=upstream("web"))
        nginx.sh(f"ln -sfn generation-2 {UPSTREAMS}/current")
        nginx.run(self.SCRIPT)
        assert f"server {own_alias()}:5000 resolve" in nginx.sh(f"cat {UPSTREAMS}/current/flask-app.conf")

    def test_a_container_that_is_older_than_accept_sh_starts_all_the_same(self, nginx: Nginx) -> None:
        """What it has is from then: the name of a service, which anybody may have, and no list of sites."""
        nginx.sh(f"mkdir {UPSTREAMS}/generation-1 && ln -s generation-1 {UPSTREAMS}/current")
        old = "# fallback web:80\n" + upstream("web", "10.0.0.2:80")
        nginx.write(f"{UPSTREAMS}/current/web.conf", old)
        told = nginx.sh(f"PATH=/usr/sbin:/usr/bin:/sbin:/bin {self.SCRIPT}")
        assert "Way out: docker compose up -d, for all services" in told
        nginx.sh(START)
        assert nginx.ask("good.example").startswith("503")


def own_alias() -> str:
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (alias,) = stack["services"]["flask-app"]["networks"]["default"]["aliases"]
    return str(alias)


def test_without_the_scaler_nginx_follows_a_replica_by_its_own_name() -> None:
    """Not by that of its service, which any other container of the network may have."""
    with idle() as nginx:
        follow_a_replica(nginx)


def follow_a_replica(nginx: Nginx) -> None:
    network, replica = f"{nginx.name}-net", f"{nginx.name}-web-1"
    run = ["docker", "run", "--detach", "--network", network, "--name"]
    docker("network", "create", network)
    try:
        docker("network", "disconnect", "none", nginx.name)
        docker("network", "connect", network, nginx.name)
        docker(*run[1:], replica, SERVICE["image"])
        docker(*run[1:], f"{replica}-other", "--network-alias", "web", SERVICE["image"])
        nginx.candidate(web=f"# replica {replica}:80\n" + upstream("web", "10.0.0.2:80"))
        nginx.sh(f"ln -sfn generation-2 {UPSTREAMS}/current")
        nginx.run(TestStart.SCRIPT)
        nginx.sh(START)
        wait_until(lambda: nginx.ask("good.example").startswith("200"), within=10, what="an answer")
        docker("rm", "--force", "--volumes", replica)
        wait_until(lambda: nginx.ask("good.example").startswith("502"), within=10, what="none")
        docker(*run[1:], replica, SERVICE["image"])
        wait_until(lambda: nginx.ask("good.example").startswith("200"), within=10, what="an answer again")
    finally:
        for name in (replica, f"{replica}-other"):
            subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)
        docker("network", "disconnect", "--force", network, nginx.name)
        docker("network", "rm", network)


@dataclass(frozen=True, kw_only=True)
class Running:
    """An nginx that was started as it is in the stack, and the scaler's own side of it.

    Attributes:
        nginx: the container.
        shared: the directory of the upstreams.
        sites: the directory of the sites.
        control: what the balancer does to nginx.
        balancer: the scaler's.
        clock: the balancer's.
    """

    nginx: Nginx
    shared: Path
    sites: Path
    control: AfterTest
    balancer: Balancer
    clock: Clock

    def serves(self) -> str | None:
        """Which generation answers; on an overloaded machine nginx may not say within two seconds, once."""
        said: list[str | None] = []

        def is_known() -> bool:
            said.append(self.control.serving(self.nginx.name).generation)
            return said[-1] is not None

        wait_until(is_known, within=20, what="an answer of nginx")
        return said[-1]

    def sync(self, *servers: tuple[str, int]) -> ReloadOutcome | None:
        return self.balancer.sync((Upstream(name="web", servers=servers),), instance=self.nginx.name)


class AfterTest(DockerNginx):
    """Does something between the test and the reload."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        left_out = super().test(instance)
        self.then()
        return left_out


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    name = f"alertscale-test-{uuid.uuid4().hex[:12]}"
    shared, sites = tmp_path / "upstreams", tmp_path / "conf.d"
    shared.mkdir()
    sites.mkdir()
    (sites / "good.conf").write_text(GOOD)
    (sites / "replica.conf").write_text(REPLICA)
    mounts = {str(ROOT / file): f"{target}:ro" for file, target in MOUNTS.items()}
    mounts |= {str(shared): UPSTREAMS, str(sites): f"{SITES}:ro"}
    volumes = [f"--volume={here}:{there}" for here, there in mounts.items()]
    docker("run", "--detach", "--name", name, "--network", "none", *volumes, SERVICE["image"])
    nginx, clock = Nginx(name=name), Clock()
    try:
        wait_until(lambda: nginx.ask("good.example", expect=None) != "000", within=20, what="nginx")
        with contextlib.closing(APIClient(**kwargs_from_env())) as engine:
            control = AfterTest(client=engine)
            balancer = Balancer(
                directory=shared, control=control, pause=time.sleep, monotonic=clock.monotonic
            )
            yield Running(
                nginx=nginx, shared=shared, sites=sites, control=control, balancer=balancer, clock=clock
            )
    finally:
        # The files are root's.
        nginx.sh(f"rm -rf {UPSTREAMS}/*", expect=None)
        docker("rm", "--force", "--volumes", name)


def test_the_scaler_has_it_accepted_and_takes_a_mended_site(running: Running) -> None:
    bad, nginx = running.sites / "bad.conf", running.nginx
    bad.write_text(BROKEN["a word that nginx has not"])
    assert running.sync() is ReloadOutcome.RELOADED
    (found,) = running.balancer.left_out
    assert (found.kind, found.name, found.became) == (LeftOutKind.SITE, "bad.conf", "503")
    assert found.why == f'unknown directive "retrun" in {SITES}/bad.conf:1'
    assert nginx.ask("good.example") == nginx.ask("bad.example") == "503 5"
    assert running.sync() is None

    bad.write_text("server { listen 80; server_name bad.example; return 201; }")
    running.clock.advance(AGAIN)
    assert running.sync() is ReloadOutcome.RELOADED
    assert nginx.ask("bad.example").startswith("201")
    assert sorted(path.name for path in running.shared.iterdir()) == [
        "current",
        "generation-1",
        "generation-2",
    ]


def test_while_one_site_is_refused_others_come_and_go(running: Running) -> None:
    nginx, sites = running.nginx, running.sites
    (sites / "bad.conf").write_text(BROKEN["a word that nginx has not"])
    assert running.sync(HERE) is ReloadOutcome.RELOADED
    (sites / "new.conf").write_text(STAND_IN.format("new.example", "web"))
    running.clock.advance(AGAIN)
    assert running.sync(HERE) is ReloadOutcome.RELOADED
    assert nginx.ask("new.example").startswith("200")

    (sites / "new.conf").unlink()
    running.clock.advance(AGAIN)
    assert running.sync(HERE) is ReloadOutcome.RELOADED
    nginx.sh("nginx -s reload")
    running.clock.advance(AGAIN)
    assert running.sync(HERE) is None


HERE = ("127.0.0.1", 8001)


class TestReload:
    """Which generation nginx serves, and whether its master is at work, is what nginx says."""

    @pytest.fixture
    def slow(self, running: Running) -> Path:
        """A site at which nginx stops, as at a host that DNS is slow to find, until it is written to."""
        site = running.sites / "slow.conf"

        def stop() -> None:
            site.unlink()
            os.mkfifo(site)

        site.write_text("")
        assert running.serves() == ""  # it began without the scaler
        assert running.sync() is ReloadOutcome.RELOADED
        assert running.serves() == "generation-1"
        running.control.then = stop
        return site

    def test_a_slow_one_is_waited_for(self, running: Running, slow: Path) -> None:
        with ThreadPoolExecutor(1) as thread:
            reload = thread.submit(running.sync, HERE)
            wait_until(slow.is_fifo, within=20, what="the test is over")
            time.sleep(2)
            said = running.control.serving(running.nginx.name)
            assert (said.generation, said.busy, reload.done()) == ("generation-1", True, False)
            assert running.nginx.ask("good.example") == "503 5"
            slow.write_text("")
            assert reload.result(timeout=30) is ReloadOutcome.RELOADED
        said = running.control.serving(running.nginx.name)
        assert (said.generation, said.busy) == ("generation-2", False)
        assert running.nginx.ask("good.example").startswith("200")

    def test_one_that_takes_too_long_is_told_and_goes_on(self, running: Running, slow: Path) -> None:
        with ThreadPoolExecutor(1) as thread:
            reload = thread.submit(running.sync, HERE)
            wait_until(slow.is_fifo, within=20, what="the test is over")
            wait_until(
                lambda: running.control.serving(running.nginx.name).busy, within=20, what="it is under way"
            )
            running.clock.advance(61)
            with pytest.raises(BalancerError, match="over 60 s"):
                reload.result(timeout=30)
        assert (running.balancer.settled, running.serves()) == (False, "generation-1")

        slow.write_text("")
        wait_until(lambda: running.serves() == "generation-2", within=20, what="it is taken")
        slow.unlink()
        assert running.sync(HERE) is ReloadOutcome.RELOADED
        assert (running.balancer.settled, running.serves()) == (True, "generation-2")

    def test_one_that_nginx_refuses_after_all_is_undone(self, running: Running, slow: Path) -> None:
        running.control.then = lambda: slow.write_text("nonsense")
        begun = time.monotonic()
        with pytest.raises(BalancerError, match="did not take"):
            running.sync(HERE)
        assert time.monotonic() - begun < 10
        assert running.balancer.settled
        assert (running.shared / "current").readlink() == Path("generation-1")
        assert running.serves() == "generation-1"

        running.control.then = lambda: None
        slow.unlink()
        assert running.sync(HERE) is ReloadOutcome.RELOADED
        assert running.nginx.ask("good.example").startswith("200")


class TestFlapping:
    """A replica that is ready now and not ready then, while everybody downloads, for a minute.

    The minute is the clock's, so it is over before nginx would end one old worker (worker_shutdown_timeout).
    """

    AWAY = ("127.0.0.1", 8002)
    REPLICAS = "server {{ listen {0}:{1}; listen {2}:{3}; root {4}; limit_rate 100; }}"
    DOWNLOADS = (
        'while (1) { $s = IO::Socket::INET->new("127.0.0.1:80") or next; push @all, $s;'
        ' print $s "GET /big HTTP/1.1\r\nHost: good.example\r\n\r\n"; select undef, undef, undef, 0.02; }'
    )
    MOST = 12
    """Reloads: two pairs of in and out at once, then one after 4, 15, 15 and 15 s each (policy/reloads)."""

    @pytest.fixture
    def busy(self, running: Running) -> Running:
        (running.sites / "big").write_bytes(bytes(1_000_000))
        (running.sites / "replica.conf").write_text(self.REPLICAS.format(*HERE, *self.AWAY, SITES))
        assert running.sync(HERE) is ReloadOutcome.RELOADED
        docker("exec", "--detach", running.nginx.name, "perl", "-MIO::Socket::INET", "-e", self.DOWNLOADS)
        return running

    def test_old_workers_and_their_memory_stay_few(self, busy: Running) -> None:
        fresh, done, begun = self.memory(busy), 0, busy.clock.monotonic()
        for second in range(60):
            busy.clock.advance(max(begun + second - busy.clock.monotonic(), 0))
            outcome = busy.sync(HERE, self.AWAY) if second % 2 else busy.sync(HERE)
            done += outcome is ReloadOutcome.RELOADED
        now, after = busy.control.processes(busy.nginx.name), self.memory(busy)
        old = generations(leaving=len(now.leaving), workers=len(now.workers))

        assert done <= self.MOST
        # Each has left those that it found: they have downloads.
        assert AT_ONCE < old <= self.MOST
        assert len(after) == len(now.leaving | now.workers) <= (self.MOST + 1) * len(now.workers)
        assert sum(after) <= (self.MOST + 1) * 1.25 * sum(fresh)

    @staticmethod
    def memory(running: Running) -> list[int]:
        """The memory of each worker of its own, in KiB."""
        of_each = "grep -lz '^nginx: worker' /proc/[0-9]*/cmdline | sed 's/cmdline/status/'"
        return [
            int(line.split()[1]) for line in running.nginx.sh(f"grep -h RssAnon $({of_each})").splitlines()
        ]


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)
