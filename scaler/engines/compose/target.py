"""Docker Compose on one engine: its containers, found by its labels."""

import contextlib
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.compose.clone import clone
from scaler.engines.compose.hooks import Hooks
from scaler.engines.compose.listing import read_listing
from scaler.engines.compose.project_files import ProjectFiles
from scaler.engines.compose.shared import Shared
from scaler.engines.compose.written_files import WrittenFiles
from scaler.engines.connection import engine_errors
from scaler.engines.health import health_seconds
from scaler.model.errors import TargetError
from scaler.model.hooks import Hook, HookKind
from scaler.model.labels import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE
from scaler.model.reasons import ErrorReason
from scaler.model.services import STOPPING, Change, Fate, Health, Observation, Service, ServiceKey

_EVENTS: Final = {
    "type": ["container", "network"],
    # exec_* is left out: every health check of every container emits three of them.
    "event": [
        "create", "start", "die", "destroy", "pause", "unpause", "rename", "health_status", "connect",
        "disconnect", "oom", "kill",
    ],
}  # fmt: skip
_ENDING: Final = frozenset({"9", "15"})
"""SIGKILL and SIGTERM, as the engine's events give them."""
_DEFAULT_GRACE: Final = 10
_PING_TIMEOUT: Final = 3.0
ASK_AGAIN: Final = 60.0
"""Seconds until the engine is asked again for what it lists and cannot show, unless that changes before."""
_LONGEST_LINE: Final = 300
"""Characters of a line of a log."""
_CONTROL: Final = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[^\t -~\u00a0-\U0010ffff]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""What colours a terminal or turns text around, and what is no character."""


@dataclass(frozen=True, kw_only=True)
class _Inspected:
    """What is known of a definition from a container of it; see :class:`scaler.model.services.Service`."""

    healthy: float = 0.0
    grace: float = _DEFAULT_GRACE


class ComposeTarget:
    """The containers of Compose services on one engine.

    Args:
        client: of the Engine API.
        events: another client, for the stream of events, which blocks its own.
        own_project: our own Compose project; its services, and nginx, are ours.
        projects: the projects to look after; empty for all, except those that bring a scaler of their own.
        stack: the directory that has the files of our own project.
        log_lines: how many of a replica's log :meth:`last_words` returns at most.
        monotonic: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        client: APIClient,
        events: APIClient,
        own_project: str,
        projects: frozenset[str] = frozenset(),
        stack: Path = Path(),
        log_lines: int = 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        files = ProjectFiles(own_project=own_project, stack=stack)
        self._client = client
        self._log_lines = log_lines
        self._events = events
        self._own_project = own_project
        self._projects = projects
        self._written = WrittenFiles(client=client)
        self._hooks = Hooks(client=client, files=files)
        self._shared = Shared(client=client, files=files)
        self._monotonic = monotonic
        self._asked: dict[tuple[ServiceKey, str], _Inspected] = {}
        self._unshown: dict[str, tuple[tuple[str, Health], float]] = {}
        """Containers that the engine lists and cannot show: how it listed them, and when to ask anew."""

    def ping(self) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors("a ping"):
            # The SDK's own ping has no timeout of its own.
            self._client.get(f"{self._client.base_url}/_ping", timeout=_PING_TIMEOUT).raise_for_status()

    def observe(self) -> Observation:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors("list containers"):
            listed = self._client.containers(all=True, filters={"label": COMPOSE_PROJECT})
        seen = read_listing(listed, own_project=self._own_project, projects=self._projects)
        asked = {(s.key, s.newest.version): self._inspected(s) for s in seen.services}
        self._asked = {version: found for version, found in asked.items() if found is not None}
        known = [(s, self._asked.get((s.key, s.newest.version), _Inspected())) for s in seen.services]
        for other in self._unshown.keys() - {s.newest.id for s in seen.services}:
            self._unshown.pop(other, None)
        services = (
            replace(s, healthy=found.healthy, grace=found.grace, notes=self._notes(s)) for s, found in known
        )
        return replace(seen, services=tuple(services))

    def _notes(self, service: Service) -> tuple[str, ...]:
        """Of now: files are edited without the engine's knowing of it."""
        doubt = self._hooks.doubt(service.labels)
        return (doubt,) if doubt else ()

    def _inspected(self, service: Service) -> _Inspected | None:
        """What no list tells, asked of the engine once per definition; None if it does not tell."""
        known = self._asked.get((service.key, service.newest.version))
        if known is not None:
            return known
        newest, now = service.newest, self._monotonic()
        looks = newest.status, newest.health
        looked, again = self._unshown.get(newest.id, (looks, now))
        if looked == looks and now < again:
            return None
        try:
            with engine_errors(f"look at {newest.name}"):
                model = self._client.inspect_container(newest.id)
        except TargetError as error:
            # One that is gone, or that the engine has but cannot show, is not to hold up all the others.
            if error.reason is ErrorReason.ENGINE_UNAVAILABLE:
                raise
            self._unshown[newest.id] = looks, now + ASK_AGAIN
            return None
        config = model["Config"]
        return _Inspected(healthy=health_seconds(config.get("Healthcheck")), grace=_grace(config))

    def prepare(self, *, model: str) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        inspected = self._model(model)
        self._written.paths(inspected)
        self._shared.learn(inspected)

    def create(self, *, model: str, number: int) -> str:
        """See :class:`scaler.engines.contract.Target`."""
        inspected = self._shared.today(self._model(model))
        self._hooks.check(inspected)
        definition = clone(
            inspected, number=number, image=self._image(inspected), api_version=self._api_version()
        )
        files = self._written.read(inspected)
        with engine_errors(f"create {definition.name}"):
            answer = self._client.create_container_from_config(  # type: ignore[no-untyped-call]
                definition.config, definition.name
            )
        made = str(answer["Id"])
        try:
            for network, endpoint in definition.connect.items():
                with engine_errors(f"connect {definition.name} to network {network}"):
                    self._client.connect_container_to_network(made, network, **_connection(endpoint))
            self._written.write(files, to=made)
        except TargetError:
            self.discard(made)
            raise
        return made

    def _model(self, model: str) -> Mapping[str, Any]:
        try:
            with engine_errors("read the model of a new replica"):
                return dict(self._client.inspect_container(model))
        except TargetError as error:
            if not isinstance(error.__cause__, docker.errors.NotFound):
                raise
            raise TargetError(str(error), reason=ErrorReason.MODEL_GONE) from error

    def _image(self, inspected: Mapping[str, Any]) -> str:
        """Return the image's name while it still means the model's image, so that Compose sees no drift."""
        name: str = inspected["Config"]["Image"]
        try:
            with engine_errors(f"read image {name}"):
                image = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        except TargetError as error:
            if not isinstance(error.__cause__, docker.errors.NotFound):
                raise
            return str(inspected["Image"])
        return name if image["Id"] == inspected["Image"] else str(inspected["Image"])

    def _api_version(self) -> tuple[int, int]:
        major, _, minor = str(self._client.api_version).partition(".")
        return int(major), int(minor)

    def find(self, *, service: ServiceKey, number: int) -> str | None:
        """See :class:`scaler.engines.contract.Target`."""
        project, name = service
        wanted = {COMPOSE_PROJECT: project, COMPOSE_SERVICE: name, COMPOSE_NUMBER: str(number)}
        with engine_errors(f"look for {project}-{name}-{number}"):
            listed = self._client.containers(
                all=True, filters={"label": [f"{key}={value}" for key, value in wanted.items()]}
            )
        return str(listed[0]["Id"]) if listed else None

    def start(self, replica: str) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors(f"start {replica[:12]}"):
            self._client.start(replica)

    def check_hooks(self, replica: str, *, kind: HookKind) -> bool:
        """See :class:`scaler.engines.contract.Containers`."""
        found: tuple[Hook, ...] = ()
        with engine_errors(f"look for the hooks of {replica[:12]}"), _gone_is_fine():
            found = self._hooks.find(self._client.inspect_container(replica), kind)
        return bool(found)

    def run_hooks(self, replica: str, *, kind: HookKind, timeout: float, ask: Callable[[], object]) -> None:
        """See :class:`scaler.engines.contract.Containers`."""
        with engine_errors(f"look for the hooks of {replica[:12]}"), _gone_is_fine():
            inspected = self._client.inspect_container(replica)
            self._hooks.run(inspected, kind, timeout=timeout, ask=ask)

    def fate(self, replica: str) -> Fate | None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors(f"look at {replica[:12]}"):
            try:
                found = self._client.inspect_container(replica)
            except docker.errors.NotFound:
                return None
        return Fate(
            # What runs again has 0, whatever it ended with; what waits to be started again counts as running.
            exit_code=None if found["State"]["Pid"] else int(found["State"]["ExitCode"]),
            out_of_memory=bool(found["State"]["OOMKilled"]),
            restarts=int(found.get("RestartCount", 0)),
            memory_limit=int(found["HostConfig"].get("Memory") or 0),
        )

    def last_words(self, replica: str) -> tuple[str, ...]:
        """See :class:`scaler.engines.contract.Containers`."""
        if not self._log_lines:
            return ()
        with engine_errors(f"read the log of {replica[:12]}"):
            try:
                # The engine keeps a longer line in pieces of 16 KiB, each of which counts as one.
                said = self._client.logs(replica, tail=self._log_lines)
            except docker.errors.NotFound:
                return ()
        return last_lines(said, self._log_lines)

    def stop(self, replica: str) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors(f"stop {replica[:12]}"), _gone_is_fine():
            grace = _grace(self._client.inspect_container(replica)["Config"])
            self._client.stop(replica, timeout=grace)

    def remove(self, replica: str) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors(f"remove {replica[:12]}"), _gone_is_fine():
            self._client.remove_container(replica, v=True)

    def discard(self, replica: str) -> None:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors(f"discard {replica[:12]}"), _gone_is_fine():
            self._client.remove_container(replica, v=True, force=True)

    def changes(self) -> Iterator[Change]:
        """See :class:`scaler.engines.contract.Target`."""
        with engine_errors("stream events"):
            for event in self._events.events(decode=True, filters=_EVENTS):
                change = self._change(event)
                if change is not None:
                    yield change

    def _change(self, event: Mapping[str, Any]) -> Change | None:
        action, actor = str(event.get("Action", "")), event["Actor"]
        container = str(actor["ID"]) if event.get("Type") == "container" else ""
        self._unshown.pop(container, None)
        if action != "kill":
            return Change(action=action, container=container)
        if not self._is_stop(container, str(actor.get("Attributes", {}).get("signal", ""))):
            return None
        return Change(action=STOPPING, container=container)

    def _is_stop(self, container: str, sent: str) -> bool:
        """Whether a signal ends a container, rather than telling it to reopen its log or the like."""
        if sent in _ENDING:
            return True
        try:
            config = self._client.inspect_container(container)["Config"]
        except docker.errors.NotFound:
            return True
        return sent == signal_number(config.get("StopSignal") or "SIGTERM")


def _grace(config: Mapping[str, Any]) -> int:
    """Seconds from the signal to stop to the one that ends it."""
    grace = config.get("StopTimeout")
    return _DEFAULT_GRACE if grace is None else int(grace)


def last_lines(said: bytes, most: int) -> tuple[str, ...]:
    """Return the last lines of a log that say something, each no longer than is shown.

    Args:
        said: as the replica wrote it, in whatever encoding.
        most: how many at most.
    """
    lines = (_CONTROL.sub("", line).rstrip() for line in re.split("[\r\n]+", said.decode(errors="replace")))
    shown = (
        line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in lines if line
    )
    return tuple(deque(shown, maxlen=most))


def signal_number(name: str) -> str:
    """Return a signal as the engine's events give it; images and Compose files name it in many ways."""
    if name.isdigit():
        return name
    word, _, more = name.upper().removeprefix("SIG").partition("+")
    known = signal.Signals.__members__.get(f"SIG{word}")
    return "" if known is None else str(known + int(more or 0))


def _connection(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return endpoint settings as the SDK's arguments for connecting to a network."""
    return {
        "aliases": endpoint["Aliases"],
        "links": [tuple(link.split(":", 1)) for link in endpoint.get("Links") or ()],
        "link_local_ips": (endpoint.get("IPAMConfig") or {}).get("LinkLocalIPs"),
        "driver_opt": endpoint.get("DriverOpts"),
    }


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # Two removals at once: the engine answers the second one with a conflict.
        if "already in progress" not in str(error.explanation):
            raise
