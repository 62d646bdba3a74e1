#!/usr/bin/env bash
# slokit-sre 1.0.1 (slo-kit): the burn-rate alerts that it writes cannot fire.
#
# Guess: an alert of two windows fires while the errors of both are above its limit, as its README promises.
# Seen: it records the errors of each window with a label `window` of its own, and the alert joins two of these
# series by a plain `and`. That keeps what has the very same labels on both sides (Prometheus, Operators, Vector
# matching), so nothing is ever left: "1h" is never "5m".
# promtool 3.5.3 says the same: all requests fail for a day, both series are 1, and none of the three alerts
# fires. Way out: `and ignoring(window)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    slokit-sre==1.0.1 pydantic==2.14.4 typer==0.29.2 httpx==0.28.1 PyYAML==6.0.4 promql-parser==0.12.0
cat >"$folder/slo.yml" <<'YAML'
name: checkout
objective: 0.999
window: 30d
sli:
  good_query: sum(rate(http_requests_total{code!~"5.."}[{window}]))
  total_query: sum(rate(http_requests_total[{window}]))
YAML
"$folder/venv/bin/slo-kit" gen-alerts "$folder/slo.yml" --out "$folder/rules.yml"
"$folder/venv/bin/python" - "$folder/rules.yml" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import promql_parser
import yaml

(group,) = yaml.safe_load(Path(sys.argv[1]).read_text())["groups"]
labels = {rule["record"]: rule["labels"] for rule in group["rules"] if "record" in rule}
alerts = {rule["alert"]: promql_parser.parse(rule["expr"]).expr for rule in group["rules"] if "alert" in rule}
windows = {name: [labels[side.lhs.name]["window"] for side in (both.lhs, both.rhs)] for name, both in alerts.items()}
seen = {
    "slokit-sre": version("slokit-sre"),
    "the labels of a recorded series": labels["slo:sli_error:ratio_rate1h"],
    "joined by": sorted({str(both.op) for both in alerts.values()}),
    "with on() or ignoring()": any(both.modifier.matching for both in alerts.values()),
    "the label `window` on both sides": windows,
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [
    "1.0.1",
    {"slo": "checkout", "window": "1h"},
    ["and"],
    False,
    {"CheckoutFastBurn": ["1h", "5m"], "CheckoutSlowBurn": ["6h", "30m"], "CheckoutSlowerBurn": ["24h", "2h"]},
], "it behaves otherwise now"
PYTHON
