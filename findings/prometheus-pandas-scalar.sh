#!/usr/bin/env bash
# prometheus-pandas 0.3.3: a query with one number for an answer gives two, and its time is the first.
#
# Guess: query() gives "Union[Matrix, Vector, Scalar, String]", where Scalar is np.float64: the value of 1 + 1 is
# 2.0, as it is for every element of a vector.
# Seen: an array of the time of evaluation and the value, as Prometheus' HTTP API has them in one list. A string
# likewise: a list of the time and the text. Neither raises anything where it is made.
# So max(), mean() or [0] of it is a time in 2023, and a comparison is an array, which `if` does not take. Way
# out: [1] of what came back, or vector(scalar(...)) in the query.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    prometheus-pandas==0.3.3 pandas==3.1.1 numpy==2.4.6 requests==2.34.2
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import json
import threading
import urllib.parse
from importlib.metadata import version

from prometheus_pandas.query import Prometheus

AT = 1_700_000_000.5
DATA = {  # what the HTTP API answers with, by Prometheus' documentation
    "1 + 1": {"resultType": "scalar", "result": [AT, "2"]},
    "vector(1 + 1)": {"resultType": "vector", "result": [{"metric": {}, "value": [AT, "2"]}]},
    '"word"': {"resultType": "string", "result": [AT, "word"]},
}


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["query"][0]
        body = json.dumps({"status": "success", "data": DATA[query]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
prometheus = Prometheus(f"http://127.0.0.1:{server.server_port}")
scalar, vector, string = (prometheus.query(query) for query in DATA)
seen = {
    "prometheus-pandas": version("prometheus-pandas"),
    "1 + 1 is": type(scalar).__name__,
    "of": scalar.tolist(),
    "its maximum": float(scalar.max()),
    "vector(1 + 1) is": type(vector).__name__,
    "its elements": vector.tolist(),
    "a string": string,
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == ["0.3.3", "ndarray", [AT, 2.0], AT, "Series", [2.0], [AT, "word"]], "otherwise now"
PYTHON
