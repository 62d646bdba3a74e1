"""From the environment to frozen settings; every fault is listed at once.

The defaults of a service's labels, such as cooldowns and drain, are in ``model/labels.py``.

Beside our own variables, Docker's library reads:

    DOCKER_HOST    address of the Docker Engine (unix:///var/run/docker.sock)
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scaler.model.errors import SettingsError
from scaler.model.labels import parse_duration

PREFIX: Final = "ALERTSCALE_"
_OF_THE_COMMAND_LINE: Final = frozenset({"URL", "TOKEN"})
_LEVELS: Final = ("debug", "info", "warning", "error")
_FORMATS: Final = ("json", "console")
COMPOSE: Final = "compose"
SWARM: Final = "swarm"
TARGETS: Final = (COMPOSE, SWARM)
_HIGHEST_PORT: Final = 65535
_MOST_LINES: Final = 100
_FEWEST_EVENTS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the scaler runs. Durations are seconds.

    Attributes:
        host: ALERTSCALE_LISTEN, the address part.
        port: ALERTSCALE_LISTEN, the port part.
        data: ALERTSCALE_DATA, the directory of the journal.
        upstreams: ALERTSCALE_UPSTREAMS, the directory shared with nginx.
        token_file: ALERTSCALE_TOKEN_FILE, made at first start.
        target: ALERTSCALE_TARGET, what holds the replicas: compose or swarm.
        project: ALERTSCALE_PROJECT, our own Compose project or stack; empty to read it off our own container.
        projects: ALERTSCALE_PROJECTS, those to look after; empty for all without a scaler of their own.
        signal_ttl: ALERTSCALE_SIGNAL_TTL, an alert not heard of for longer is forgotten.
        prometheus: ALERTSCALE_PROMETHEUS, asked what fires before a step on an alert; empty not to ask.
        prometheus_password_file: ALERTSCALE_PROMETHEUS_PASSWORD_FILE, read if that address names a user.
        stack: ALERTSCALE_STACK, the directory of the stack's files, checked at the start if it is there.
        tick: ALERTSCALE_TICK, between two decisions.
        keep_events: ALERTSCALE_KEEP_EVENTS, entries of the history.
        keep_log_lines: ALERTSCALE_KEEP_LOG_LINES, of a new replica that failed.
        log_level: ALERTSCALE_LOG_LEVEL.
        log_format: ALERTSCALE_LOG_FORMAT.
    """

    host: str
    port: int
    data: Path
    upstreams: Path
    token_file: Path
    target: str
    project: str
    projects: frozenset[str]
    signal_ttl: float
    prometheus: str
    prometheus_password_file: Path
    stack: Path
    tick: float
    keep_events: int
    keep_log_lines: int
    log_level: str
    log_format: str


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


def _lines(text: str) -> int:
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) <= _MOST_LINES:
        return int(text)
    raise ValueError(f"a whole number from 0 to {_MOST_LINES}")


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"one of {', '.join(words)}")

    return read


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One of our variables: how it is read and explained.

    Attributes:
        read: text to value; its ValueError completes the sentence "is not …".
        default: its text where it is not given.
        meaning: for the documentation.
    """

    read: Callable[[str], object]
    default: str
    meaning: str


VARIABLES: Final[Mapping[str, Variable]] = {
    "LISTEN": Variable(read=_listen, default="0.0.0.0:8000", meaning="Address and port."),
    "DATA": Variable(
        read=_directory, default="/var/lib/alertscale/data", meaning="Directory of the journal."
    ),
    "UPSTREAMS": Variable(
        read=_directory,
        default="/var/lib/alertscale/upstreams",
        meaning="Directory that is shared with nginx.",
    ),
    "TOKEN_FILE": Variable(
        read=_directory,
        default="/run/alertscale/token",
        meaning="File of the bearer token, made at the first start; it may be replaced at any time.",
    ),
    "TARGET": Variable(
        read=_one_of(TARGETS), default=COMPOSE, meaning="What holds the replicas: `compose` or `swarm`."
    ),
    "PROJECT": Variable(
        read=_project,
        default="",
        meaning="Compose project or stack of nginx; empty is read off the scaler's own container.",
    ),
    "PROJECTS": Variable(
        read=_projects,
        default="",
        meaning="Projects to look after, separated by commas; empty is all without a scaler of their own.",
    ),
    "SIGNAL_TTL": Variable(
        read=_seconds(1, 3600),
        default="15s",
        meaning="An alert that was not heard of for longer is forgotten.",
    ),
    "PROMETHEUS": Variable(
        read=_url,
        default="",
        meaning="Asked what fires before a step on an alert, and for the chart; `http://user@…` if "
        "it may ask for a password. Empty asks nobody; `docker-compose.yml` sets it.",
    ),
    "PROMETHEUS_PASSWORD_FILE": Variable(
        read=_directory,
        default="/run/monitoring/password",
        meaning="That user's password, read at each question.",
    ),
    "STACK": Variable(
        read=_directory,
        default="/etc/alertscale",
        meaning="Directory of the stack's files, checked at the start if it is there.",
    ),
    "TICK": Variable(read=_seconds(0.1, 60), default="1s", meaning="Between two decisions."),
    "KEEP_EVENTS": Variable(read=_events, default="10000", meaning="Entries of the history."),
    "KEEP_LOG_LINES": Variable(
        read=_lines,
        default="20",
        meaning="Last lines of the log of a new replica that failed, which the history keeps; 0 for none.",
    ),
    "LOG_LEVEL": Variable(
        read=_one_of(_LEVELS), default="info", meaning="`debug`, `info`, `warning` or `error`."
    ),
    "LOG_FORMAT": Variable(read=_one_of(_FORMATS), default="json", meaning="`json` or `console`."),
}
"""Every variable without its prefix ``ALERTSCALE_``; all but the first are a field of ``Settings`` each."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environment: such as ``os.environ``; an empty value counts as not given.

    Raises:
        SettingsError: some variables cannot be read, or begin with ALERTSCALE_ and are not known.
    """
    faults = []
    values: dict[str, Any] = {}
    for name, variable in VARIABLES.items():
        text = environment.get(PREFIX + name, "") or variable.default
        try:
            values[name] = variable.read(text)
        except ValueError as error:
            faults.append(f"{PREFIX}{name}: {text!r} is not {error}")
    faults += _unknown(environment)
    if faults:
        raise SettingsError(tuple(faults))
    host, port = values.pop("LISTEN")
    return Settings(host=host, port=port, **{name.lower(): value for name, value in values.items()})


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
