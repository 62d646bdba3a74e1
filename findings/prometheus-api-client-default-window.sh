#!/usr/bin/env bash
# prometheus-api-client 0.7.2: the last ten minutes are those before the import.
#
# Guess: get_metric_range_data() without start_time and end_time asks for the ten minutes before the call, for
# those are its defaults: now, and ten minutes before.
# Seen: both are taken when the module is imported. Each call of a process asks for the same ten minutes, however
# long it has been running.
# So what polls with it, a dashboard or an autoscaler, sees the metrics as they were when it was started, with no
# error and no empty answer. Way out: pass both times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-api-client==0.7.2 requests==2.34.2
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import threading
import time
import urllib.parse
from importlib.metadata import version

from prometheus_api_client import PrometheusConnect

imported = time.time()
asked = []


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))
        body = b'{"status": "success", "data": {"resultType": "matrix", "result": []}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = PrometheusConnect(f"http://127.0.0.1:{server.server_port}")
for _ in range(3):
    time.sleep(3)
    client.get_metric_range_data("up")
ends = [float(query["time"][0]) for query in asked]
seen = {
    "prometheus-api-client": version("prometheus-api-client"),
    "asked for": [query["query"][0] for query in asked],
    "different ends of it, three seconds apart": len(set(ends)),
    "the last of them is that of the import": round(max(ends) - imported) <= 1,
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == ["0.7.2", ["up[600s]"] * 3, 1, True], "it behaves otherwise now"
PYTHON
