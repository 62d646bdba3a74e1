"""docs/settings.md has every environment variable that a program, a Compose file or a script reads."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest

from exporter.settings import VARIABLES as EXPORTERS
from scaler.settings import PREFIX
from scaler.settings import VARIABLES as SCALERS
from service.settings import VARIABLES as SERVICES
from tools.lookup.variables import SECTIONS, Variable, documented, of_the_example, told
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")
# What others give a meaning to, and what is no variable of a process.
THEIRS = re.compile(
    r"BASH\w*|HOME|LINENO|PATH|PWD|SECONDS"  # the shell's
    r"|CI_\w+|PIP_\w+|PYTHON\w+|MALLOC_\w+|PROMETHEUS_DISABLE_\w+"  # GitLab's, pip's, Python's, C's
    r"|COMPOSE_PATH_SEPARATOR"  # Compose's, which check reads as Compose does
    r"|NGINX_(ENVSUBST|ENTRYPOINT)_\w+"  # the nginx image's
    r"|PATH_INFO|REQUEST_METHOD|DBUS_\w+"  # a web request's
    r"|BASE|SERIES"  # of building the stand-ins
    r"|FOLDERS|RUN|SCRIPTS|SPREAD|VENV"  # within the Makefile
    r"|DEPLOY_HOLDS_LOCK|DEPLOY_DETAILS"  # between the parts of server.sh
)
PREFIXES = (
    "ALERTSCALE|ALERTMANAGER|COMPOSE|DEPLOY|DOCKER|EXPORTER|KEEP|LOCUST|MONITORING|NGINX|PREPARE|PROMETHEUS"
    "|SCALER|SERVER|SMTP|SSH|STACK"
)
SHELL = ("#!/bin/sh", "#!/usr/bin/env bash", "# shellcheck shell=")


def sources() -> dict[str, str]:
    """All of the product that git knows, without its tests and its documentation."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.split("\0") if not name.startswith(("tests/", "docs/"))]
    endings = (".py", ".sh", ".envsh", ".yml", ".template", ".conf", "Dockerfile", "Makefile", "run", "tools")
    return {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in names if name.endswith(endings)}


SOURCES = sources()


def read_by(name: str, text: str) -> set[str]:
    """Which variables a file reads, as far as its kind shows it."""
    if name.endswith(".py"):
        return set(_of_python(text))
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    if text.startswith(SHELL):
        return set(_of_shell(lines))
    if name == "Makefile":
        return set(re.findall(r"\$\(([A-Z]+)\)", lines))
    if name == ".gitlab-ci.yml":
        pairs = re.findall(r"\$([A-Z][A-Z0-9_]*)|^  ([A-Z_]+):", lines, re.MULTILINE)
        return {used or made for used, made in pairs}
    used = set(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", lines))
    handed = (
        set(re.findall(r"^      ([A-Z][A-Z0-9_]*):", lines, re.MULTILINE)) if "docker-" in name else set()
    )
    return used | handed


def _of_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="get" | "getenv"), args=[ast.Constant(value=str(name)), *_]
            ):
                if "env" in ast.unparse(node.func):
                    yield name
            case ast.Constant(value=str(name)) if re.fullmatch(rf"(?:{PREFIXES})_[A-Z][A-Z0-9_]*", name):
                yield name


def _of_shell(text: str) -> Iterator[str]:
    own = set(re.findall(r"(?:^|[\s;(])(?:local |export )?([A-Z][A-Z0-9_]*)=", text))
    for name in re.findall(r"\$\{?!?([A-Z][A-Z0-9_]*)", text):
        if name not in own or f"${{{name}:-" in text:
            yield name
    for names in re.findall(r"\bfor name in ([A-Z_ ]+);", text):
        yield from names.split()


READ = {file: read_by(file, text) for file, text in SOURCES.items()}
NAMES = {one.name for one in documented()}


def test_variables_of_every_kind_of_file_are_found() -> None:
    for file, name in (
        ("docker-compose.yml", "NGINX_BIND"),
        ("docker-stack.yml", "ALERTSCALE_IMAGES"),
        ("deploy/server.sh", "DEPLOY_KEEP"),
        ("deploy/lib.sh", "SSH_KNOWN_HOSTS"),
        ("alertmanager/run.sh", "RUNBOOK_URL"),
        ("alertmanager/receivers/email.yml", "SMTP_FROM"),
        ("nginx/tls/templates/tls/port.conf.template", "HTTPS_PORT"),
        ("Makefile", "YES"),
        (".gitlab-ci.yml", "STACK_TESTS"),
        ("scaler/engines/connection.py", "DOCKER_HOST"),
        ("locust/loadtest/settings.py", "LOCUST_MIX"),
    ):
        assert name in READ[file], file


@pytest.mark.parametrize("file", SOURCES)
def test_every_variable_that_a_file_reads_is_on_the_page(file: str) -> None:
    # Keys of its table, without their prefix.
    keys = set(SCALERS) if file == "scaler/settings.py" else set()
    unknown = {name for name in READ[file] - keys - NAMES if not THEIRS.fullmatch(name)}
    assert not unknown, f"{file}: say in docs/settings.md's sources what these are: {sorted(unknown)}"


def test_the_tables_of_the_programs_are_on_the_page() -> None:
    assert {PREFIX + name for name in SCALERS} | set(EXPORTERS) | set(SERVICES) <= NAMES


@pytest.mark.parametrize("variable", list(documented()), ids=lambda one: one.name)
def test_a_variable_of_the_page_is_read_somewhere(variable: Variable) -> None:
    name = variable.name
    known = {PREFIX + key for key in SCALERS} | set(EXPORTERS) | set(SERVICES)
    tests = {"KEEP_STACK", "CI"}
    composes = {"COMPOSE_FILE", "COMPOSE_PROJECT_NAME"}
    makes = {"PYTHON"} if re.search(r"^PYTHON \?=", SOURCES["Makefile"], re.MULTILINE) else set()
    read = known | tests | composes | makes
    assert name in read or any(name in names for names in READ.values())


@pytest.mark.parametrize("variable", list(documented()), ids=lambda one: one.name)
def test_a_variable_has_a_row_with_default_and_meaning(variable: Variable) -> None:
    name, default = variable.name, variable.default
    assert variable.meaning.endswith("."), name
    shown = f"`{default}`" if default else ""
    assert f"| `{name}` | {shown} | " in PAGE


def test_every_section_has_a_variable() -> None:
    assert all(list(section()) for section in SECTIONS.values())
    assert all(of_the_example().values())


@pytest.mark.parametrize(
    ("files", "of"),
    [
        (("deploy/deploy.sh", "deploy/server.sh"), "deploy/deploy.sh"),
        (("deploy/swarm.sh",), "deploy/swarm.sh"),
        (("deploy/prepare-server.sh",), "deploy/prepare-server.sh"),
        (("nginx/40-alertscale-upstreams.sh",), "nginx/40-alertscale-upstreams.sh"),
        (("nginx/tls/35-alertscale-certificate.sh",), "nginx/tls/35-alertscale-certificate.sh"),
    ],
)
def test_the_defaults_in_a_scripts_help_are_those_of_its_code(files: tuple[str, ...], of: str) -> None:
    code = {
        name: default
        for file in files
        for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", SOURCES[file])
    }
    help_ = {one.name: one.default for one in told(of)}
    assert {name: default for name, default in help_.items() if name in code and code[name] != default} in (
        {},
        {"SERVER_PORT": "22"},
    )
