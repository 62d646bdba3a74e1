"""What is outside of the stack: a mail server, and programs that are told by HTTP.

On the address of this machine on Docker's own network, which containers reach and nobody else does.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

NAME = "outside.test"
"""The name that the certificate is for."""


def address() -> str:
    """The address of this machine on Docker's own network."""
    shown = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{json (index .IPAM.Config 0)}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    pool = json.loads(shown.stdout)
    # An engine that makes the bridge itself, as at its first start on a machine, does not name the gateway of
    # it (Engine 20.10): it takes the first address. It does when it finds the bridge made.
    return str(pool.get("Gateway") or ip_network(pool["Subnet"])[1])


@dataclass(kw_only=True)
class Mailbox:
    """A mail server that insists on encryption and on a login.

    Attributes:
        port: where it listens.
        user: the one user's name.
        password: the one user's password.
        received: every message that it took.
    """

    user: str
    password: str
    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's names
        message = message_from_bytes(cast("bytes", envelope.original_content), policy=policy.default)
        message["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self.received.append(message)
        return "250 OK"

    def authenticate(self, *asked: object) -> AuthResult:
        """Judge a login, the last of what aiosmtpd gives."""
        right = LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=asked[-1] == right, handled=False)


@contextlib.contextmanager
def mailbox(folder: Path, *, user: str, password: str) -> Iterator[Mailbox]:
    """Serve mail with a certificate of an authority that is written to ``folder``/ca.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    encrypted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(NAME).configure_cert(encrypted)
    box = Mailbox(user=user, password=password)
    controller = Controller(
        box,
        hostname=address(),
        port=_free_port(),
        tls_context=encrypted,
        require_starttls=True,
        auth_required=True,
        # Its way of asking for a name is one that Alertmanager does not know.
        auth_exclude_mechanism=["LOGIN"],
        authenticator=box.authenticate,
    )
    box.port = controller.port
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def _free_port() -> int:
    with ThreadingHTTPServer((address(), 0), BaseHTTPRequestHandler) as probe:
        return int(probe.server_address[1])


@dataclass(kw_only=True)
class Site:
    """A web server that remembers what is posted.

    Attributes:
        port: where it listens.
        received: path and JSON of every request that was answered.
        silent: beginnings of paths whose requests are cut off without an answer.
    """

    port: int = 0
    received: list[tuple[str, Any]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)

    def at(self, path: str) -> list[Any]:
        """What was posted to a path."""
        return [body for where, body in self.received if where == path]


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Serve HTTP."""
    its = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if any(self.path.startswith(beginning) for beginning in its.silent):
                self.close_connection = True
                return
            its.received.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()
            # As Telegram answers and as Slack does; nobody else reads it.
            telegram = b'{"ok": true, "result": {"message_id": 1, "chat": {"id": 1}}}'
            self.wfile.write(telegram if self.path.startswith("/bot") else b"ok")

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer((address(), 0), Handler) as server:
        its.port = int(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield its
        finally:
            server.shutdown()
