#!/bin/sh
# requests 2.34.2 on urllib3 2.8.0: a redirect that is not to be followed is read and parsed all the same.
#
# Guess: with allow_redirects=False and stream=True a 302 is handed over like any other answer: nothing of its
# body is read until it is asked for, and its Location is a text that nobody looks at.
# Seen: the body has been read to its end when get() returns (a 200's has not), and a Location that is no
# address makes get() raise ValueError, which is none of requests' own exceptions.
# So a client that only wants the status of a server bounds neither its time nor its memory by these two
# options. Way out: a Session whose get_redirect_target() returns None; then both hold.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    requests==2.34.2 urllib3==2.8.0 certifi==2026.10.18 charset-normalizer==3.5.2 idna==3.20
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import threading

import requests

BODY = b"x" * 100_000


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/here" else 302)
        if self.path == "/moved":
            self.send_header("Location", "/here")
        if self.path == "/nowhere":
            self.send_header("Location", "http://[no address")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


class Plain(requests.Session):
    def get_redirect_target(self, resp):
        return None


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def read_by_then(session, path):
    with session.get(url + path, allow_redirects=False, stream=True, timeout=5) as answer:
        return answer.raw.tell()


def raised(session):
    try:
        read_by_then(session, "/nowhere")
    except requests.RequestException as error:
        return f"requests' own: {type(error).__name__}"
    except Exception as error:
        return type(error).__name__
    return "nothing"


seen = {
    "requests": requests.__version__,
    "read of a 200": read_by_then(requests.Session(), "/here"),
    "read of a 302": read_by_then(requests.Session(), "/moved"),
    "raised by a Location that is no address": raised(requests.Session()),
    "read of a 302 without a target": read_by_then(Plain(), "/moved"),
    "raised then": raised(Plain()),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == ["2.34.2", 0, len(BODY), "ValueError", 0, "nothing"], "it behaves otherwise now"
PYTHON
