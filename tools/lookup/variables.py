"""Every environment variable, from where it is read: programs' tables, .env.example, heads of scripts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alertscale import access
from exporter import settings as exporter
from scaler import settings as scaler
from service import settings as service
from tools.lookup.filling import Makers
from tools.markdown import code, table

REPOSITORY: Final = Path(__file__).parents[2]
EXAMPLE: Final = REPOSITORY / ".env.example"

_GROUP: Final = re.compile(r"^# --- (.+?)(?: \(docs/(\S+)\))? ---$")
_SET: Final = re.compile(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$")
_TOLD: Final = re.compile(r"^#? {2,}([A-Z][A-Z0-9_]*) {2,}(\S.*)$")
_DEFAULT: Final = re.compile(r"^(.*?)(?: \(([^()]*)\))?$")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a reader wants to know of a variable.

    Attributes:
        name: of the variable.
        default: as it would be written; empty where there is none.
        meaning: a sentence or its beginning.
    """

    name: str
    default: str
    meaning: str


Variables = Callable[[], Iterable[Variable]]


def of_the_example() -> Mapping[str, tuple[Variable, ...]]:
    """Read .env.example: the Markdown above each group, and its variables, each with a comment right above.

    What is commented out is no default but an example.

    Raises:
        ValueError: a variable has none.
    """
    groups: dict[str, list[Variable]] = {}
    comment = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if title := _GROUP.match(line):
            more = f"\n\nMore: [{title[2]}]({title[2]})." if title[2] else ""
            groups[f"### {title[1]}{more}"] = []
        elif found := _SET.match(line):
            commented, name, value = found.groups()
            if not comment or not groups:
                raise ValueError(f".env.example: {name}: put a comment right above it, below a heading")
            example = f" For example: `{value}`." if commented else ""
            last = groups[list(groups)[-1]]
            last.append(Variable(name=name, default="" if commented else value, meaning=comment + example))
        comment = line.removeprefix("# ") if line.startswith("# ") else ""
    return {title: tuple(variables) for title, variables in groups.items()}


def told(*files: str) -> Iterator[Variable]:
    """Read variables as scripts tell of them in their help or at their head.

    A line has at least two spaces, the name, two spaces or more, the meaning, and perhaps the default in
    parentheses at its end. A file that tells again what one before has told is passed over.
    """
    seen: set[str] = set()
    for file in files:
        for line in (REPOSITORY / file).read_text(encoding="utf-8").splitlines():
            found = _TOLD.match(line)
            if found and found[1] not in seen:
                seen.add(found[1])
                meaning = _DEFAULT.fullmatch(found[2])
                assert meaning  # noqa: S101 - it matches anything
                text = f"{meaning[1][0].upper()}{meaning[1][1:]}."
                yield Variable(name=found[1], default=meaning[2] or "", meaning=text)


def of_the_scaler() -> Iterator[Variable]:
    """What the scaler reads."""
    for name, one in scaler.VARIABLES.items():
        yield Variable(name=scaler.PREFIX + name, default=one.default, meaning=one.meaning)
    yield from told("scaler/settings.py")


def of_flask_app() -> Iterator[Variable]:
    """What the demo service reads."""
    for name, one in service.VARIABLES.items():
        yield Variable(name=name, default=f"{one.default:g}", meaning=one.meaning)


def _of(variables: Mapping[str, tuple[str, str]]) -> Variables:
    return lambda: [
        Variable(name=name, default=default, meaning=meaning)
        for name, (default, meaning) in variables.items()
    ]


def _told(*files: str) -> Variables:
    return lambda: told(*files)


SECTIONS: Final[Mapping[str, Variables]] = {
    "variables-of-the-scaler": of_the_scaler,
    "variables-of-the-exporter": _of(exporter.VARIABLES),
    "variables-of-flask-app": of_flask_app,
    "variables-of-locust": _told("locust/loadtest/settings.py"),
    "variables-of-nginx": _told("nginx/40-alertscale-upstreams.sh", "nginx/tls/35-alertscale-certificate.sh"),
    "variables-of-the-command-line": _of(access.VARIABLES),
    "variables-of-a-deploy": _told("deploy/deploy.sh"),
    "variables-of-swarm": _told("deploy/swarm.sh", "docker-stack.yml"),
    "variables-of-a-server": _told("deploy/prepare-server.sh"),
    "variables-of-make": _told("Makefile"),
    "variables-of-the-pipeline": _told(".gitlab-ci.yml"),
}
"""Each block of docs/settings.md but that of .env."""


def documented() -> Iterator[Variable]:
    """Yield all variables that the page has, some more than once."""
    for variables in of_the_example().values():
        yield from variables
    for section in SECTIONS.values():
        yield from section()


def env() -> str:
    """The tables of .env, a heading for each group."""
    return "\n".join(f"{title}\n\n{_rows(found)}" for title, found in of_the_example().items())


def _rows(variables: Iterable[Variable]) -> str:
    rows = [(code(one.name), code(one.default), _sentence(one.meaning)) for one in variables]
    return table(("variable", "default", "meaning"), rows)


def _sentence(text: str) -> str:
    return text.replace("<", "&lt;").replace("docs/monitoring.md#...", "`docs/monitoring.md#...`")


def _table(section: Variables) -> Callable[[], str]:
    return lambda: _rows(section())


MAKERS: Final[Makers] = {"variables-of-env": env} | {name: _table(of) for name, of in SECTIONS.items()}
"""Each block of docs/settings.md."""
