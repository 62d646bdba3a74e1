"""Check makes of Compose files what Compose itself makes of them, and refuses what Compose refuses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from alertscale.check import Severity
from alertscale.check.disk import Disk
from alertscale.check.findings import Finding
from alertscale.check.layers import find_layers
from alertscale.check.stacking import read_stack

WEB = (
    "services: { web: { image: a, labels: { one: '1', two: '2' }, ports: ['80:80'], volumes: ['./a:/a'] } }\n"
)
"""What most of the projects begin with."""

TAKEN: dict[str, dict[str, str]] = {
    "one file": {"compose.yml": WEB},
    "an override": {
        "docker-compose.yml": WEB,
        "docker-compose.override.yml": "services: { web: { labels: [two=3], ports: ['81:81'],"
        " volumes: ['./b:/a'] } }",
    },
    "two documents": {"compose.yml": f"name: x\n{WEB}---\nname: y\nservices: {{ web: {{ image: b }} }}\n"},
    "an anchor of the document before": {
        "compose.yml": "x-a: &a { image: a }\n---\nservices: { web: *a, b: { <<: *a, labels: { x: y } } }\n"
    },
    "an anchor that stands twice": {
        "compose.yml": "x-a: &a { image: a }\nx-b: &a { image: b }\nservices: { web: *a }\n"
    },
    "reset and override": {
        "compose.yml": WEB,
        "compose.override.yml": "services: { web: { labels: !override { three: '3' }, ports: !reset [],"
        " volumes: !override ['./c:/c'] } }",
    },
    "labels in a list": {"compose.yml": "services: { web: { image: a, labels: [a, b=c, 'd: e', f=g=h] } }"},
    "COMPOSE_FILE": {
        ".env": "COMPOSE_FILE=a.yml:sub/b.yml",
        "a.yml": WEB,
        "sub/b.yml": "services: { web: { image: b, volumes: ['./x:/x'] } }",
    },
    "COMPOSE_FILE with a folder of its own": {
        ".env": "COMPOSE_FILE=sub/a.yml\nONE=1",
        "sub/.env": "ONE=9\nTWO=2\nCOMPOSE_PROJECT_NAME=p",
        "sub/a.yml": "services: { web: { image: 'a:$ONE-$TWO', volumes: ['./x:/x'] } }",
    },
    "COMPOSE_PATH_SEPARATOR": {
        ".env": "COMPOSE_FILE=a.yml,b.yml\nCOMPOSE_PATH_SEPARATOR=,",
        "a.yml": WEB,
        "b.yml": "services: { web: { image: b } }",
    },
    "COMPOSE_PROJECT_NAME": {".env": "COMPOSE_PROJECT_NAME=shop", "compose.yml": f"name: other\n{WEB}"},
    "variables of variables": {
        ".env": "A=1\nB=${A}2\nC='$A'\nexport D=\"$B${C}\" # x\nE=${NOT:-e}\n",
        "compose.yml": "services: { web: { image: 'a:$B',"
        " labels: { c: $C, d: $D, e: $E, f: '${F:-f}', g: $$G } } }",
    },
    "an include": {
        "compose.yml": f"include: [sub/compose.yml]\n{WEB}",
        "sub/compose.yml": "name: sub\nservices: { in: { image: 'a:$TAG', volumes: ['./x:/x'] } }",
        "sub/.env": "TAG=sub",
    },
    "an include with a service of the same name": {
        "compose.yml": "include: [one/compose.yml, two/compose.yml]\nservices: { web: { image: own } }",
        "one/compose.yml": "services: { web: { image: one, labels: { a: one } }, both: { image: one } }",
        "two/compose.yml": "services: { both: { image: two, labels: { b: two } } }",
    },
    "an include in the long form": {
        "compose.yml": "include: [{ path: [a/one.yml, b/two.yml], project_directory: c, env_file: my.env }]",
        "a/one.yml": "services: { web: { image: 'a:$TAG', volumes: ['./x:/x'] } }",
        "b/two.yml": "services: { web: { labels: { over: '1' } } }",
        "my.env": "TAG=mine",
        "c/empty": "",
    },
    "an include for a folder that is not there": {
        "compose.yml": "include: [{ path: a/one.yml, project_directory: c }]",
        "a/one.yml": "services: { web: { image: a, volumes: ['./x:/x'] } }",
    },
    "an include in an include": {
        "compose.yml": f"include: [a/compose.yml]\n{WEB}",
        "a/compose.yml": "include: [../b/compose.yml]\nservices: { a: { image: a } }",
        "b/compose.yml": "services: { b: { image: b, volumes: ['./x:/x'] } }",
    },
    "volumes in all forms": {
        "compose.yml": "services: { web: { image: a, volumes: ['./a:/a:ro', '/b/:/b/', 'named:/c', /d,"
        " { type: bind, source: ./e, target: /e }, { type: volume, source: named, target: /f }] } }\n"
        "volumes: { named: }\n"
    },
}  # fmt: skip

REFUSED: dict[str, dict[str, str]] = {
    "labels in a list of mappings": {"compose.yml": "services: { web: { image: a, labels: [{ a: b }] } }"},
    "a number in a list of labels": {"compose.yml": "services: { web: { image: a, labels: [5] } }"},
    "a truth in a list of labels": {"compose.yml": "services: { web: { image: a, labels: [true] } }"},
    "nothing in a list of labels": {"compose.yml": "services: { web: { image: a, labels: [null] } }"},
    "labels in a text": {"compose.yml": "services: { web: { image: a, labels: a=b } }"},
    "nothing behind labels": {"compose.yml": "services: { web: { image: a, labels: } }"},
    "a list as a label": {"compose.yml": "services: { web: { image: a, labels: { a: [b] } } }"},
    "a mapping as a label": {"compose.yml": "services: { web: { image: a, labels: { a: { b: c } } } }"},
    "labels of a deploy": {"compose.yml": "services: { web: { image: a, deploy: { labels: [{ a: b }] } } }"},
    "variables in a list of mappings": {
        "compose.yml": "services: { web: { image: a, environment: [{ a: b }] } }"
    },
    "a service of nothing": {"compose.yml": "services: { web: }"},
    "services of nothing": {"compose.yml": "services:\n"},
    "services in a list": {"compose.yml": "services: [web]"},
    "an empty document": {"compose.yml": f"{WEB}---\n"},
    "a list as a document": {"compose.yml": f"{WEB}---\n[a]\n"},
    "a key twice": {"compose.yml": "services: { web: { image: a, image: b } }"},
    "a file that is not there": {".env": "COMPOSE_FILE=gone.yml", "compose.yml": WEB},
    "no name of a file": {".env": "COMPOSE_FILE=", "compose.yml": WEB},
    "an include that is not there": {"compose.yml": f"include: [gone.yml]\n{WEB}"},
    "an include in a text": {"compose.yml": f"include: gone.yml\n{WEB}"},
    "an include that leads back": {"compose.yml": f"include: [compose.yml]\n{WEB}"},
}  # fmt: skip


def project(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files, whose name Compose takes for the project's as it is."""
    folder = folder / "project"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def compose(folder: Path) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    command = ["docker", "compose", "config", "--format", "json"]
    return subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False)


def as_compose_says(document: dict[str, Any]) -> dict[str, Any]:
    """Of each service what check asks of it."""
    return {
        name: {
            "image": service["image"],
            "labels": {name: _unescaped(value) for name, value in service.get("labels", {}).items()},
            "ports": [str(port["target"]) for port in service.get("ports", ())],
            "folders": {
                v["target"].rstrip("/"): v["source"].rstrip("/")
                for v in service.get("volumes", ())
                if v["type"] == "bind"
            },
        }
        for name, service in document["services"].items()
    }


def _unescaped(value: str) -> str:
    """What Compose shows is written so that it could be read again."""
    return value.replace("$$", "$")


def as_check_says(folder: Path, findings: list[Finding]) -> tuple[str | None, dict[str, Any]]:
    disk = Disk(findings=findings)
    stack = read_stack(find_layers(folder, environment={}, disk=disk), findings=findings)
    services = {}
    for service in stack.services.values() if stack else ():
        program = service.program
        mounts = {mount.target: mount.source for mount in program.mounts}
        services[service.name] = {
            "image": program.image.value if program.image else None,
            "labels": {label: text.value for label, text in service.labels.items()},
            "ports": [text.value for text in program.published],
            "folders": {target: str(source) for target, source in mounts.items() if source},
        }
    return stack.project if stack else None, services


@pytest.mark.parametrize("files", TAKEN.values(), ids=list(TAKEN))
def test_a_project_is_read_as_compose_reads_it(files: dict[str, str], tmp_path: Path) -> None:
    folder = project(tmp_path, files)
    said = compose(folder)
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    findings: list[Finding] = []

    name, services = as_check_says(folder, findings)

    assert services == as_compose_says(document)
    # Without any name written anywhere it is the folder's, which check leaves open.
    assert name in {document["name"], None}
    assert findings == []


@pytest.mark.parametrize("files", REFUSED.values(), ids=list(REFUSED))
def test_what_compose_refuses_is_an_error(files: dict[str, str], tmp_path: Path) -> None:
    folder = project(tmp_path, files)
    assert compose(folder).returncode != 0
    findings: list[Finding] = []

    as_check_says(folder, findings)

    assert Severity.ERROR in {found.severity for found in findings}
