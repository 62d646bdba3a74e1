"""Every label we read, with typed readers: ours on a service, Compose's on a container."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from scaler.model.errors import LabelError
from scaler.model.hooks import Hook, HookKind, read_hooks
from scaler.model.reasons import Pause

PREFIX: Final = "alertscale."
COMPONENT: Final = "alertscale.component"
"""On alertscale's own containers: which part this is, `nginx` or `scaler`."""

COMPOSE_PROJECT: Final = "com.docker.compose.project"
"""The project that a container belongs to."""
COMPOSE_SERVICE: Final = "com.docker.compose.service"
"""The service that a container is a replica of."""
COMPOSE_NUMBER: Final = "com.docker.compose.container-number"
"""A replica's number; of those that can serve, the highest leaves first."""
COMPOSE_CONFIG_HASH: Final = "com.docker.compose.config-hash"
"""With the next, a replica's version: several at once are a deploy."""
COMPOSE_IMAGE: Final = "com.docker.compose.image"
"""The id of the image that a container was made of."""
COMPOSE_ONEOFF: Final = "com.docker.compose.oneoff"
"""`True` on what `docker compose run` started, which is no replica."""
COMPOSE_REPLACE: Final = "com.docker.compose.replace"
"""On a container that Compose made in the place of another; a new replica does not carry it."""
COMPOSE_FILES: Final = "com.docker.compose.project.config_files"
"""The Compose files of a project, to name one where a label is wrong, and to read hooks where that can be."""
COMPOSE_DIRECTORY: Final = "com.docker.compose.project.working_dir"
"""The directory of a project; the scaler has files of its own project elsewhere."""
COMPOSE_DEPENDS_ON: Final = "com.docker.compose.depends_on"
"""The services that a service needs: one whose namespaces or volumes it shares is among them."""
SWARM_STACK: Final = "com.docker.stack.namespace"
"""On Swarm: the stack that a service or task belongs to, in the place of the project."""


def compose_stem(name: str, labels: Mapping[str, str]) -> str | None:
    """Tell what Compose puts a replica's number behind, ``shop-web-``; None for a name of another form.

    Args:
        name: of a container of Compose's. While it is made anew something else stands before it.
        labels: the container's.
    """
    for separator in "-_":
        stem = separator.join((labels.get(COMPOSE_PROJECT, ""), labels.get(COMPOSE_SERVICE, ""), ""))
        if name.endswith(stem + labels.get(COMPOSE_NUMBER, "")):
            return stem
    return None


T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)


_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"([0-9]+)(ms|s|m|h)")
_LONGEST: Final = 30 * 24 * 3600.0
"""Seconds; a thread cannot be told to wait for an arbitrary time."""
_RESOURCE: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MAX_REPLICAS: Final = 1000


def parse_duration(text: str) -> float:
    """Read a duration as Compose and Prometheus write it.

    Args:
        text: whole numbers with a unit (``ms``, ``s``, ``m``, ``h``), one or several: ``90s``, ``1m30s``.

    Returns:
        Seconds.

    Raises:
        ValueError: the text is of another form, or more than 30 days.
    """
    if _DURATION.fullmatch(text):
        seconds = sum(int(n) * _DURATION_UNITS[unit] for n, unit in _DURATION_PART.findall(text))
        if seconds <= _LONGEST:
            return seconds
    raise ValueError("a duration such as 500ms, 10s or 1m30s, at most 720h")


class Balance(StrEnum):
    """To which replica nginx gives a request."""

    ROUND_ROBIN = "round-robin"
    """To one after the other."""
    LEAST_CONN = "least-conn"
    """To the one with the fewest requests under way."""
    IP_HASH = "ip-hash"
    """By the visitor's network: nginx' `ip_hash`. A step moves most visitors to another replica."""
    CONSISTENT_HASH = "consistent-hash"
    """By the visitor's address, so that a step moves as few as can be."""


class Scheme(StrEnum):
    """How a replica is asked over HTTP."""

    HTTP = "http"
    """In plain."""
    HTTPS = "https"
    """Over TLS."""
    FORWARDED_HTTPS = "forwarded-https"
    """In plain, with the header by which a proxy in front says that its client came over TLS."""


def _boolean(text: str) -> bool:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    raise ValueError("true or false")


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a reader of whole numbers within bounds; its ValueError completes the sentence "is not …"."""

    def read(text: str) -> int:
        if re.fullmatch(r"\d{1,9}", text, re.ASCII) and lowest <= int(text) <= highest:
            return int(text)
        raise ValueError(f"a whole number from {lowest} to {highest}")

    return read


def _path(text: str) -> str:
    if re.fullmatch(r"/[!-~]{0,255}", text):
        return text
    raise ValueError("an HTTP path that begins with a slash, such as /ready")


def _host(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}(:[0-9]{1,5})?", text):
        return text
    raise ValueError("a host name, perhaps with a port, such as shop.example.org")


def _resources(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if names and all(_RESOURCE.fullmatch(name) for name in names):
        return tuple(dict.fromkeys(names))
    raise ValueError("resource names separated by commas, such as cpu,memory")


def _word(words: type[W]) -> Callable[[str], W]:
    def read(text: str) -> W:
        try:
            return words(text)
        except ValueError:
            *others, last = words
            raise ValueError(f"{', '.join(others)} or {last}") from None

    return read


@dataclass(frozen=True, kw_only=True)
class Label(Generic[T]):
    """One of our labels: how it is called, read and explained.

    Attributes:
        name: without the prefix ``alertscale.``.
        read: text to value; its ValueError completes the sentence "is not …".
        default: the value of a service without the label.
        meaning: for the documentation.
        without: what holds without the label, for the documentation, where that is no value.
    """

    name: str
    read: Callable[[str], T]
    default: T
    meaning: str
    without: str = ""


ENABLE: Final = Label(name="enable", read=_boolean, default=False, meaning="scale this service")
MIN: Final = Label(name="min", read=whole_number(1, _MAX_REPLICAS), default=1, meaning="lower bound")
MAX: Final = Label(name="max", read=whole_number(1, _MAX_REPLICAS), default=10, meaning="upper bound")
STEP: Final = Label(name="step", read=whole_number(1, 100), default=1, meaning="replicas a step")
PORT: Final[Label[int | None]] = Label(
    name="port",
    read=whole_number(1, 65535),
    default=None,
    meaning="where a replica serves",
    without="the one port that the service exposes",
)
READY: Final[Label[str | None]] = Label(
    name="ready",
    read=_path,
    default=None,
    meaning="HTTP path that answers 2xx when a replica can serve",
    without="Docker's health check; where there is none, a TCP connect",
)
READY_HOST: Final[Label[str | None]] = Label(
    name="ready-host",
    read=_host,
    default=None,
    meaning="`Host` with which that path is asked for, where the service takes only its own names",
    without="the replica's address",
)
READY_SCHEME: Final = Label(
    name="ready-scheme",
    read=_word(Scheme),
    default=Scheme.HTTP,
    meaning="how that path is asked for: `https` over TLS (the certificate is not looked at),"
    " `forwarded-https` in plain with `X-Forwarded-Proto: https`, as behind a proxy that ends TLS",
)
READY_LEAST: Final = 60.0
"""Seconds that a new replica has without the next label, at least."""
READY_TIMEOUT: Final[Label[float | None]] = Label(
    name="ready-timeout",
    read=parse_duration,
    default=None,
    meaning="past it a new replica is taken away again",
    without="`60s`; where Docker's health check decides and may take longer, its"
    " `start_period + interval * (retries + 1) + timeout`",
)
RESOURCES: Final[Label[tuple[str, ...]]] = Label(
    name="resources",
    read=_resources,
    default=("cpu", "memory"),
    meaning="what it scales on: alerts of others count neither way, and all of these must be low before a"
    " replica is removed",
)
COOLDOWN_UP: Final = Label(
    name="cooldown.up",
    read=parse_duration,
    default=10.0,
    meaning="least time between the last change, either way, and a step up",
)
COOLDOWN_DOWN: Final = Label(
    name="cooldown.down",
    read=parse_duration,
    default=60.0,
    meaning="least time between the last change, either way, and a step down",
)
DRAIN: Final = Label(
    name="drain",
    read=parse_duration,
    default=30.0,
    meaning="the longest a leaving replica may finish its requests (nginx itself allows 60 s)",
)
POST_START: Final[Label[tuple[Hook, ...] | None]] = Label(
    name="post-start",
    read=read_hooks,
    default=None,
    meaning="what is run in a new replica before it may get requests: the service's `post_start`, which no"
    " container shows",
    without="`post_start` of the Compose files where the scaler can read them, else nothing",
)
PRE_STOP: Final[Label[tuple[Hook, ...] | None]] = Label(
    name="pre-stop",
    read=read_hooks,
    default=None,
    meaning="what is run in a leaving replica, once it is drained, before its stop signal: the service's"
    " `pre_stop`",
    without="`pre_stop` of the Compose files where the scaler can read them, else nothing",
)
HOOKS: Final[Mapping[HookKind, Label[tuple[Hook, ...] | None]]] = {
    HookKind.POST_START: POST_START,
    HookKind.PRE_STOP: PRE_STOP,
}
KEEPALIVE: Final = Label(
    name="keepalive",
    read=parse_duration,
    default=1.0,
    meaning="how long nginx keeps an idle connection to a replica; shorter than the replica does; `0s`: none",
)
BALANCE: Final = Label(
    name="balance",
    read=_word(Balance),
    default=Balance.ROUND_ROBIN,
    meaning="how nginx chooses the replica of a request ([nginx](scaler.md#nginx))",
)
PAUSE: Final = Label(
    name="pause", read=_word(Pause), default=Pause.NONE, meaning="`up`, `down` or `all` are held"
)

ALL: Final[tuple[Label[Any], ...]] = (
    ENABLE, MIN, MAX, STEP, PORT, READY, READY_HOST, READY_SCHEME, READY_TIMEOUT, RESOURCES,
    COOLDOWN_UP, COOLDOWN_DOWN, DRAIN, POST_START, PRE_STOP, KEEPALIVE, BALANCE, PAUSE,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How a replica is asked whether it can serve: ``alertscale.ready`` and its like; in seconds."""

    path: str | None = READY.default
    host: str | None = READY_HOST.default
    scheme: Scheme = READY_SCHEME.default
    timeout: float = READY_LEAST


@dataclass(frozen=True, kw_only=True)
class Cooldown:
    """``alertscale.cooldown.up`` and ``.down``, in seconds."""

    up: float = COOLDOWN_UP.default
    down: float = COOLDOWN_DOWN.default


@dataclass(frozen=True, kw_only=True)
class Requests:
    """How requests reach a replica, and how long those of one that leaves may take; in seconds."""

    port: int | None = PORT.default
    keepalive: float = KEEPALIVE.default
    balance: Balance = BALANCE.default
    drain: float = DRAIN.default


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the labels of one service say."""

    minimum: int = MIN.default
    maximum: int = MAX.default
    step: int = STEP.default
    resources: tuple[str, ...] = RESOURCES.default
    pause: Pause = PAUSE.default
    cooldown: Cooldown = field(default_factory=Cooldown)
    probe: Probe = field(default_factory=Probe)
    requests: Requests = field(default_factory=Requests)

    def clamp(self, replicas: int) -> int:
        """The nearest count within the bounds."""
        return min(max(replicas, self.minimum), self.maximum)


@dataclass(kw_only=True)
class _Reader:
    labels: Mapping[str, str]
    faults: list[str] = field(default_factory=list)

    def get(self, label: Label[T]) -> T:
        text = self.labels.get(PREFIX + label.name)
        if text is None:
            return label.default
        try:
            return label.read(text.strip())
        except ValueError as error:
            self.faults.append(f"{PREFIX}{label.name}: {text!r} is not {error}")
            return label.default

    def report_unknown(self) -> None:
        known = [label.name for label in ALL] + [COMPONENT.removeprefix(PREFIX)]
        for name in sorted(self.labels):
            if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known:
                # Without the prefix, which alone would make any two names alike.
                near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
                hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
                self.faults.append(
                    f"{name}: {self.labels[name]!r} is a label that alertscale does not know{hint}"
                )


def is_enabled(labels: Mapping[str, str]) -> bool:
    """Tell whether a service asks to be scaled, or tries to in a way that cannot be read.

    A value of ``alertscale.enable`` other than true or false counts as enabled, so that
    :func:`read_limits` gets to report it.
    """
    return labels.get(PREFIX + ENABLE.name, "false").strip().lower() != "false"


def healthy_within(*, start_period: float, interval: float, retries: int, timeout: float) -> float:
    """How long a health check may take to find a container healthy that starts as it should, in seconds."""
    return start_period + interval * (retries + 1) + timeout


_TRAFFIC: Final[tuple[Label[Any], ...]] = (PORT, READY, READY_HOST, READY_SCHEME, KEEPALIVE, BALANCE)


def readable_traffic(labels: Mapping[str, str]) -> dict[str, str]:
    """Those labels about the traffic that can be read, as they are written."""
    given = {label: labels[PREFIX + label.name] for label in _TRAFFIC if PREFIX + label.name in labels}
    return {PREFIX + label.name: text for label, text in given.items() if _can_be_read(label, text)}


def _can_be_read(label: Label[Any], text: str) -> bool:
    try:
        label.read(text.strip())
    except ValueError:
        return False
    return True


def read_traffic(labels: Mapping[str, str], *, instead: Mapping[str, str]) -> Limits:
    """Read what the labels of one replica say of the traffic, whatever else they say.

    Args:
        labels: of the replica.
        instead: what labels that cannot be read said before; one of which that is not known counts as not
            given.
    """
    said = {name: text for name, text in instead.items() if name in labels}
    reader = _Reader(labels=said | readable_traffic(labels))
    return Limits(probe=_probe(reader, healthy=0.0), requests=_requests(reader))


def read_limits(labels: Mapping[str, str], *, healthy: float = 0.0) -> Limits:
    """Read the labels of a service.

    Args:
        labels: all labels of the service or of one of its containers, ours and others'.
        healthy: what :func:`healthy_within` says of its health check, seconds; 0 if it has none.

    Returns:
        The limits, with defaults for what is not given.

    Raises:
        LabelError: one or more cannot be read, contradict each other or are misspelt.
    """
    reader = _Reader(labels=labels)
    reader.get(ENABLE)
    for hooks in HOOKS.values():
        reader.get(hooks)
    limits = Limits(
        minimum=reader.get(MIN),
        maximum=reader.get(MAX),
        step=reader.get(STEP),
        resources=reader.get(RESOURCES),
        pause=reader.get(PAUSE),
        cooldown=Cooldown(up=reader.get(COOLDOWN_UP), down=reader.get(COOLDOWN_DOWN)),
        probe=_probe(reader, healthy=healthy),
        requests=_requests(reader),
    )
    if limits.minimum > limits.maximum:
        reader.faults.append(
            f"alertscale.min: '{limits.minimum}' is more than alertscale.max: '{limits.maximum}'"
        )
    reader.report_unknown()
    if reader.faults:
        raise LabelError(tuple(reader.faults))
    return limits


def _probe(reader: _Reader, *, healthy: float) -> Probe:
    path, timeout = reader.get(READY), reader.get(READY_TIMEOUT)
    if timeout is None:
        timeout = max(READY_LEAST, healthy) if path is None else READY_LEAST
    return Probe(path=path, host=reader.get(READY_HOST), scheme=reader.get(READY_SCHEME), timeout=timeout)


def _requests(reader: _Reader) -> Requests:
    return Requests(
        port=reader.get(PORT),
        keepalive=reader.get(KEEPALIVE),
        balance=reader.get(BALANCE),
        drain=reader.get(DRAIN),
    )
