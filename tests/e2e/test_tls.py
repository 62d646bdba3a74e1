"""nginx with docker-compose.tls.yml: who is believed, what is redirected, and that no request is lost."""

from __future__ import annotations

import dataclasses
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme

from testkit.load import Kind, Load
from testkit.stack import Stack, free_port, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(200)]

# Somebody else's than root's, as on a server where an ordinary user deploys.
SOMEBODY = 1234


@dataclasses.dataclass(frozen=True, kw_only=True)
class Secured:
    """The stack with the overlay, and the authority that its clients believe."""

    stack: Stack
    authority: trustme.CA
    bundle: Path

    @property
    def port(self) -> int:
        return self.stack.ports["HTTPS_PORT"]

    def install(self) -> bytes:
        """Put a new certificate where the old one is, as the documentation has it; return it."""
        leaf = self.authority.issue_cert("localhost", "127.0.0.1")
        folder = self.stack.directory / "tls"
        folder.mkdir(exist_ok=True)
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        for name, content in (("fullchain.pem", chain), ("privkey.pem", leaf.private_key_pem.bytes())):
            aside = folder / f"{name}.new"
            aside.write_bytes(content)
            aside.chmod(0o600)
            os.chown(aside, SOMEBODY, SOMEBODY)
            aside.replace(folder / name)
        return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())

    def context(self, *protocols: str) -> ssl.SSLContext:
        """What a client knows that believes this authority and no other."""
        made = ssl.create_default_context(cafile=str(self.bundle))
        if protocols:
            made.set_alpn_protocols(list(protocols))
        return made

    def served(self) -> bytes:
        """The certificate that a new client is shown."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            self.context().wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return shown

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"


@pytest.fixture(scope="module")
def secured(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The running stack, with nginx made anew from both files."""
    authority = trustme.CA()
    bundle = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    both = dataclasses.replace(
        stack,
        ports={**stack.ports, "HTTPS_PORT": free_port()},
        files=(*stack.files, "docker-compose.tls.yml"),
    )
    made = Secured(stack=both, authority=authority, bundle=bundle)
    made.install()
    # At once: nobody is connected who would have to be waited for.
    recreate = ("up", "--detach", "--no-deps", "--timeout", "1", "--wait", "--wait-timeout", "60", "nginx")
    both.compose(*recreate)
    try:
        yield made
    finally:
        stack.compose(*recreate)
        wait_until(lambda: stack.upstream() == stack.addresses(), within=15, what="the exact upstream again")


def test_a_client_that_believes_the_authority_gets_the_page_and_one_that_does_not_stays_away(
    secured: Secured,
) -> None:
    assert requests.get(secured.url("/"), verify=str(secured.bundle), timeout=10).status_code == 200
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.get(secured.url("/"), timeout=10)


def test_http_2_is_spoken_and_old_protocols_are_not(secured: Secured) -> None:
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain,
        secured.context("h2", "http/1.1").wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        assert secure.version() == "TLSv1.3"
    curl = ("exec", "-T", "nginx", "curl", "--insecure", "--silent", "--output", "/dev/null")
    shown = ("--write-out", "%{http_version} %{http_code}", "https://127.0.0.1/work?ms=1")
    assert secured.stack.compose(*curl, *shown) == "2 200"
    old = ("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "--write-out", "%{errormsg}")
    assert "protocol version" in secured.stack.compose(*curl, *old, "https://127.0.0.1/", check=False)


def test_plain_http_is_redirected_to_the_port_of_https_and_a_post_stays_a_post(secured: Secured) -> None:
    plain = secured.stack.url("NGINX_PORT", "/work?ms=1")
    answer = requests.post(plain, allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (308, secured.url("/work?ms=1"))
    followed = requests.post(plain, verify=str(secured.bundle), timeout=10)
    assert (followed.status_code, followed.request.method) == (200, "POST")
    assert "Strict-Transport-Security" not in followed.headers


def test_what_a_certificate_authority_fetches_is_served_over_plain_http(secured: Secured) -> None:
    folder = secured.stack.directory / "nginx/acme/.well-known/acme-challenge"
    folder.mkdir(parents=True)
    (folder / "probe").write_text("proof", encoding="ascii")
    url = secured.stack.url("NGINX_PORT", "/.well-known/acme-challenge/")
    assert requests.get(url + "probe", allow_redirects=False, timeout=10).text == "proof"
    assert requests.get(url + "other", allow_redirects=False, timeout=10).status_code == 404
    assert requests.get(url + "../../", allow_redirects=False, timeout=10).status_code == 308


def test_no_request_is_lost_over_steps_reloads_and_a_new_certificate(secured: Secured) -> None:
    """On connections that are kept, from clients that never retry; the scaler tests and reloads as ever."""
    stack = secured.stack
    before = secured.served()
    # Slow and cheap: enough to be under way at each reload, too little to make the service scale by itself.
    with Load(Kind(path="/sleep?seconds=0.2"), port=secured.port, tls=secured.context()) as load:
        stack.scale(2)
        replaced = secured.install()
        assert secured.served() == before, "a new file alone changes nothing"
        stack.compose("exec", "-T", "nginx", "nginx", "-t")
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
        wait_until(lambda: secured.served() == replaced, within=10, what="the new certificate")
        stack.scale(1)
    print(f"\n  over TLS: {load.answers['200']} answered, {sum(load.lost.values())} lost")  # noqa: T201 - the figure is part of what this test shows
    assert load.lost == {}
    assert load.answers["200"] > 100


def test_a_key_that_does_not_fit_changes_nothing(secured: Secured) -> None:
    stack = secured.stack
    before = secured.install()
    stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    wait_until(lambda: secured.served() == before, within=10, what="the certificate")
    key = stack.directory / "tls/privkey.pem"
    fitting = key.read_bytes()
    key.write_bytes(secured.authority.issue_cert("localhost").private_key_pem.bytes())
    try:
        with pytest.raises(pytest.fail.Exception, match="key values mismatch"):
            stack.compose("exec", "-T", "nginx", "nginx", "-t")
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload", check=False)
        assert secured.served() == before
        assert requests.get(secured.url("/"), verify=str(secured.bundle), timeout=10).status_code == 200
    finally:
        key.write_bytes(fitting)
