"""From the environment to frozen settings; every fault is listed at once.

The defaults of a service's labels, such as cooldowns and drain, are in ``model/labels.py``.

Beside our own variables, Docker's library reads:

    DOCKER_HOST    address of the Docker Engine (unix:///var/run/docker.sock)
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from scaler.model.errors import SettingsError
from scaler.model.labels import parse_duration, whole_number

T = TypeVar("T")

PREFIX: Final = "ALERTSCALE_"
_OF_THE_COMMAND_LINE: Final = frozenset({"URL", "TOKEN"})
_LEVELS: Final = ("debug", "info", "warning", "error")
_FORMATS: Final = ("json", "console")
COMPOSE: Final = "compose"
SWARM: Final = "swarm"
TARGETS: Final = (COMPOSE, SWARM)
_HIGHEST_PORT: Final = 65535
_FEWEST_EVENTS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Where the server listens."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Files:
    """Directories: of the journal, shared with nginx, of the stack; and the file of the bearer token."""

    data: Path
    upstreams: Path
    token: Path
    stack: Path


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Whose replicas are looked after; ``project``, our own, is empty to be read off our own container."""

    target: str
    project: str
    projects: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class PrometheusAccess:
    """Whom to ask; nobody if the address is empty."""

    url: str
    password_file: Path


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How many entries of the history are kept, and lines of the log of a new replica that failed."""

    events: int
    log_lines: int


@dataclass(frozen=True, kw_only=True)
class Log:
    """How the log is written."""

    level: str
    format: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the scaler runs; what each of these means is told where it is read. Durations are seconds."""

    listen: Listen
    files: Files
    scope: Scope
    prometheus: PrometheusAccess
    signal_ttl: float
    tick: float
    keep: Keep
    log: Log


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if colon and host and re.fullmatch(r"\d{1,5}", port) and 1 <= int(port) <= _HIGHEST_PORT:
        return host, int(port)
    raise ValueError("an address and a port, such as 0.0.0.0:8000")


def _directory(text: str) -> Path:
    if Path(text).is_absolute():
        return Path(text)
    raise ValueError("an absolute path")


def _project(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*|", text):
        return text
    raise ValueError("a Compose project name (small letters, digits, - and _)")


def _projects(text: str) -> frozenset[str]:
    return frozenset(_project(part.strip()) for part in text.split(",") if part.strip())


def _url(text: str) -> str:
    found = re.fullmatch(
        r"(?:http://(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+(?::([0-9]{1,5}))?(?:/[!-~]*)?)?", text
    )
    if found and int(found[1] or 1) in range(1, _HIGHEST_PORT + 1):
        return text
    raise ValueError("an address such as http://prometheus:9090 or http://user@prometheus:9090")


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        seconds = parse_duration(text)
        if lowest <= seconds <= highest:
            return seconds
        raise ValueError(f"a duration from {lowest:g} s to {highest:g} s, such as {lowest:g}s")

    return read


def _events(text: str) -> int:
    if re.fullmatch(r"\d{1,7}", text) and int(text) >= _FEWEST_EVENTS:
        return int(text)
    raise ValueError(f"a whole number of at least {_FEWEST_EVENTS}")


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"one of {', '.join(words)}")

    return read


@dataclass(frozen=True)
class Variable(Generic[T]):
    """One of our variables: how it is called, read and explained.

    Attributes:
        name: without the prefix ``ALERTSCALE_``.
        read: text to value; its ValueError completes the sentence "is not …".
        default: its text where it is not given.
        meaning: for the documentation.
    """

    name: str
    read: Callable[[str], T]
    default: str
    meaning: str


LISTEN: Final = Variable("LISTEN", _listen, "0.0.0.0:8000", "Address and port.")
DATA: Final = Variable("DATA", _directory, "/var/lib/alertscale/data", "Directory of the journal.")
UPSTREAMS: Final = Variable(
    "UPSTREAMS", _directory, "/var/lib/alertscale/upstreams", "Directory that is shared with nginx."
)
TOKEN_FILE: Final = Variable(
    "TOKEN_FILE",
    _directory,
    "/run/alertscale/token",
    "File of the bearer token, made at the first start; it may be replaced at any time.",
)
TARGET: Final = Variable(
    "TARGET", _one_of(TARGETS), COMPOSE, "What holds the replicas: `compose` or `swarm`."
)
PROJECT: Final = Variable(
    "PROJECT",
    _project,
    "",
    "Compose project or stack of nginx; empty is read off the scaler's own container.",
)
PROJECTS: Final = Variable(
    "PROJECTS",
    _projects,
    "",
    "Projects to look after, separated by commas; empty is all without a scaler of their own.",
)
SIGNAL_TTL: Final = Variable(
    "SIGNAL_TTL", _seconds(1, 3600), "15s", "An alert that was not heard of for longer is forgotten."
)
PROMETHEUS: Final = Variable(
    "PROMETHEUS",
    _url,
    "",
    "Asked what fires before a step on an alert, and for the chart; `http://user@…` if "
    "it may ask for a password. Empty asks nobody; `docker-compose.yml` sets it.",
)
PROMETHEUS_PASSWORD_FILE: Final = Variable(
    "PROMETHEUS_PASSWORD_FILE",
    _directory,
    "/run/monitoring/password",
    "That user's password, read at each question.",
)
STACK: Final = Variable(
    "STACK",
    _directory,
    "/etc/alertscale",
    "Directory of the stack's files, checked at the start if it is there.",
)
TICK: Final = Variable("TICK", _seconds(0.1, 60), "1s", "Between two decisions.")
KEEP_EVENTS: Final = Variable("KEEP_EVENTS", _events, "10000", "Entries of the history.")
KEEP_LOG_LINES: Final = Variable(
    "KEEP_LOG_LINES",
    whole_number(0, 100),
    "20",
    "Last lines of the log of a new replica that failed, which the history keeps; 0 for none.",
)
LOG_LEVEL: Final = Variable("LOG_LEVEL", _one_of(_LEVELS), "info", "`debug`, `info`, `warning` or `error`.")
LOG_FORMAT: Final = Variable("LOG_FORMAT", _one_of(_FORMATS), "json", "`json` or `console`.")

VARIABLES: Final[Mapping[str, Variable[Any]]] = {
    one.name: one
    for one in (
        LISTEN, DATA, UPSTREAMS, TOKEN_FILE, TARGET, PROJECT, PROJECTS, SIGNAL_TTL, PROMETHEUS,
        PROMETHEUS_PASSWORD_FILE, STACK, TICK, KEEP_EVENTS, KEEP_LOG_LINES, LOG_LEVEL, LOG_FORMAT,
    )
}  # fmt: skip
"""Every variable by its name."""


@dataclass(kw_only=True)
class _Reader:
    environment: Mapping[str, str]
    faults: list[str] = field(default_factory=list)

    def get(self, variable: Variable[T]) -> T:
        text = self.environment.get(PREFIX + variable.name, "") or variable.default
        try:
            return variable.read(text)
        except ValueError as error:
            self.faults.append(f"{PREFIX}{variable.name}: {text!r} is not {error}")
            return variable.read(variable.default)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environment: such as ``os.environ``; an empty value counts as not given.

    Raises:
        SettingsError: some variables cannot be read, or begin with ALERTSCALE_ and are not known.
    """
    reader = _Reader(environment=environment)
    host, port = reader.get(LISTEN)
    settings = Settings(
        listen=Listen(host=host, port=port),
        files=Files(
            data=reader.get(DATA),
            upstreams=reader.get(UPSTREAMS),
            token=reader.get(TOKEN_FILE),
            stack=reader.get(STACK),
        ),
        scope=Scope(target=reader.get(TARGET), project=reader.get(PROJECT), projects=reader.get(PROJECTS)),
        prometheus=PrometheusAccess(
            url=reader.get(PROMETHEUS), password_file=reader.get(PROMETHEUS_PASSWORD_FILE)
        ),
        signal_ttl=reader.get(SIGNAL_TTL),
        tick=reader.get(TICK),
        keep=Keep(events=reader.get(KEEP_EVENTS), log_lines=reader.get(KEEP_LOG_LINES)),
        log=Log(level=reader.get(LOG_LEVEL), format=reader.get(LOG_FORMAT)),
    )
    faults = (*reader.faults, *_unknown(environment))
    if faults:
        raise SettingsError(faults)
    return settings


def _unknown(environment: Mapping[str, str]) -> list[str]:
    faults = []
    for name in sorted(environment):
        if (
            name.startswith(PREFIX)
            and name.removeprefix(PREFIX) not in VARIABLES.keys() | _OF_THE_COMMAND_LINE
        ):
            # Without the prefix, which alone would make any two names alike.
            near = difflib.get_close_matches(name.removeprefix(PREFIX), VARIABLES, n=1)
            known = ", ".join(PREFIX + variable for variable in VARIABLES)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else f"; known are {known}"
            faults.append(f"{name} is not known{hint}")
    return faults
