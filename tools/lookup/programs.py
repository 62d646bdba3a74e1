"""The exit codes of every program, from the sentence "Exit codes: …" at the head of its file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.lookup.filling import Makers
from tools.markdown import code, table

REPOSITORY: Final = Path(__file__).parents[2]

PROGRAMS: Final[Mapping[str, str]] = {
    "scaler": "scaler/__main__.py",
    "monitoring-password": "scaler/monitoring_password.py",
    "exporter": "exporter/__main__.py",
    "flask-app": "service/__main__.py",
    "locust": "locust/loadtest/__main__.py",
    "sh locust/loadtest.sh": "locust/loadtest.sh",
    "alertmanager": "alertmanager/run.sh",
    "nginx, with docker-compose.tls.yml": "nginx/tls/35-alertscale-certificate.sh",
    "nginx": "nginx/40-alertscale-upstreams.sh",
    "alertscale-accept, in nginx": "nginx/accept.sh",
    "deploy/deploy.sh": "deploy/deploy.sh",
    "deploy/rollback.sh": "deploy/rollback.sh",
    "deploy/swarm.sh": "deploy/swarm.sh",
    "deploy/prepare-server.sh": "deploy/prepare-server.sh",
    "deploy/server.sh, on the server": "deploy/server.sh",
    "deploy/stack-env.sh": "deploy/stack-env.sh",
    "python3 -m machine": "machine/__main__.py",
    "python -m bench": "bench/__main__.py",
    "python -m tools.pages": "tools/pages.py",
}
"""What a person starts, or a container, and the file that says how it ends."""

_SENTENCE: Final = re.compile(r"Exit codes: (.+?)\.(?:\n|$|\")", re.DOTALL)
_CODE: Final = re.compile(r"(\d+) (.+)", re.DOTALL)


def exit_codes(text: str, *, file: str) -> Iterator[tuple[str, str]]:
    """Read the sentence: codes with their meaning, parted by semicolons, ended by a full stop.

    Raises:
        ValueError: there is none, or a part of it does not begin with a number.
    """
    found = _SENTENCE.search(re.sub(r"^# ?", "", text, flags=re.MULTILINE))
    if not found:
        raise ValueError(f"{file}: nothing says how it ends. Way out: a sentence 'Exit codes: 0 …; 1 ….'")
    for part in found[1].split(";"):
        one = _CODE.fullmatch(" ".join(part.split()))
        if not one:
            raise ValueError(f"{file}: {part!r} does not begin with an exit code")
        yield one[1], one[2]


def exits_of_programs() -> str:
    """The table of all programs but the command line."""
    rows = [
        (_named(program) if number == 0 else "", status, meaning)
        for program, file in PROGRAMS.items()
        for number, (status, meaning) in enumerate(
            exit_codes((REPOSITORY / file).read_text(encoding="utf-8"), file=file)
        )
    ]
    return table(("program", "code", "meaning"), rows)


def _named(program: str) -> str:
    name, comma, more = program.partition(", ")
    return f"{code(name)}{comma}{more}"


MAKERS: Final[Makers] = {"exits-of-programs": exits_of_programs}
