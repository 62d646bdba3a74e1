"""Docker Swarm: replicated services and their tasks, as a manager tells of them.

Swarm places tasks, replaces dead ones and takes away the ones that are too many; what is changed here is the
count alone. Each change names the version of the service that it was decided on, and Swarm refuses it when
the service has another by now (``version`` of ``POST /services/<id>/update``), whoever changed it.

Swarm tells nobody of its tasks by events (only of services, nodes and the like), so they are asked for.
"""

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors
from scaler.engines.swarm.listing import SCALED, digest, read_listing, whose
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from scaler.model.services import Change, Kept, Observation

LOOK_EVERY: Final = 0.5
"""Seconds between two questions for the tasks."""

_FRESH_FOR: Final = 0.25
"""Seconds for which an answer may be used again: by the pass that it woke."""

_PING_TIMEOUT: Final = 3.0
_STATES: Final = ("running", "ready", "accepted", "remove")
"""Desired states of the tasks that are, or are to be, or are on their way out; the rest is history."""

_OVERTAKEN: Final = re.compile(r"update out of sequence|already exists|AlreadyExists")


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """What Swarm told, and when (seconds, monotonic)."""

    services: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]]
    at: float


@dataclass(kw_only=True, eq=False)
class SwarmTarget:
    """The replicated services of a Swarm, through one of its managers.

    Args:
        client: of the Engine API, for the loop and the steps.
        watch: another client, for the thread that looks for changes.
        own_stack: our own stack.
        stacks: those to look after; empty for all, except those that bring a scaler of their own.
        monotonic: seconds, monotonic.
        pause: waits that many seconds, or less when the scaler ends.
        may_change: whether it is us who act, asked before each change.
    """

    client: APIClient
    watch: APIClient
    own_stack: str
    stacks: frozenset[str] = frozenset()
    monotonic: Callable[[], float]
    pause: Callable[[float], object]
    may_change: Callable[[], bool] = lambda: True
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _known: _Listing | None = field(default=None, init=False)

    def ping(self) -> None:
        """See :class:`scaler.engines.contract.Target`; Swarm does not answer without a leader."""
        with engine_errors("ask for the state of the Swarm"):
            url = f"{self.client.base_url}/v{self.client.api_version}/swarm"
            answer = self.client.get(url, timeout=_PING_TIMEOUT)
        if answer.status_code != HTTPStatus.OK:
            raise _no_manager(answer.text)

    def observe(self) -> Observation:
        """See :class:`scaler.engines.contract.Target`."""
        with self._lock:
            known, self._known = self._known, None
        if known is None or self.monotonic() - known.at > _FRESH_FOR:
            known = self._list(self.client)
        return read_listing(known.services, known.tasks, own_stack=self.own_stack, stacks=self.stacks)

    def prepare(self, *, model: str) -> None:
        """See :class:`scaler.engines.contract.Target`: Swarm knows all that it takes."""

    def changes(self) -> Iterator[Change]:
        """See :class:`scaler.engines.contract.Target`."""
        before: object = None
        while True:
            listing = self._list(self.watch)
            now = digest(listing.services, listing.tasks)
            if now != before:
                with self._lock:
                    self._known = listing
                yield Change(action="update", container="")
            before = now
            self.pause(LOOK_EVERY)

    def set_count(self, kept: Kept, count: int) -> None:
        """See :class:`scaler.engines.contract.Counts`."""
        with self._lock:
            self._known = None
        with engine_errors(f"read service {kept.id}"):
            service = self.client.inspect_service(kept.id)  # type: ignore[no-untyped-call]
        if service["Version"]["Index"] != kept.version:
            raise _overtaken(service["Spec"]["Name"])
        spec = copy.deepcopy(service["Spec"])
        spec["Mode"][SCALED]["Replicas"] = count
        if not self.may_change():
            raise TargetError(
                f"{spec['Name']} is not scaled: the lease could not be renewed, and another scaler may act",
                reason=ErrorReason.ENGINE_UNAVAILABLE,
            )
        try:
            with engine_errors(f"scale {spec['Name']} to {count}"):
                post(self.client, f"/services/{kept.id}/update", spec, version=kept.version)
        except TargetError as error:
            if is_overtaken(error):
                raise _overtaken(spec["Name"]) from error
            raise

    def trouble(self, kept: Kept) -> str:
        """See :class:`scaler.engines.contract.Counts`."""
        with engine_errors(f"list the tasks of {kept.id}"):
            tasks = _tasks(self.client, [kept.id], ("shutdown",))
        failed = [t["Status"] for t in tasks if t["Status"]["State"] in {"failed", "rejected"}]
        if not failed:
            return ""
        last = max(failed, key=lambda status: str(status["Timestamp"]))
        return str(last.get("Err") or last.get("Message") or last["State"])

    def _list(self, client: APIClient) -> _Listing:
        at = self.monotonic()
        with engine_errors("list services"):
            services = client.services()  # type: ignore[no-untyped-call]
        is_ours = whose(services, own_stack=self.own_stack, stacks=self.stacks)
        enabled = [s["ID"] for s in services if is_ours(s)]
        tasks: Sequence[Mapping[str, Any]] = ()
        if enabled:
            with engine_errors("list tasks"):
                tasks = _tasks(client, enabled, _STATES)
        return _Listing(services=services, tasks=tasks, at=at)


def _tasks(client: APIClient, services: Sequence[str], desired: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    filters = {"service": list(services), "desired-state": list(desired)}
    found: Sequence[Mapping[str, Any]] = client.tasks(filters=filters)  # type: ignore[no-untyped-call]
    return found


def post(client: APIClient, path: str, body: object, **query: int) -> None:
    """Ask for a change that the SDK has no method for, or one that makes the body anew and so loses fields.

    Raises:
        docker.errors.APIError: the engine refused; with what it said.
    """
    url = f"{client.base_url}/v{client.api_version}{path}"
    answer = client.post(url, json=body, params=query, timeout=client.timeout)
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise docker.errors.APIError(answer.reason, response=answer, explanation=_said(answer.text))


def is_overtaken(error: TargetError) -> bool:
    """Whether a change was refused since somebody else's came first; known by its words, not its status."""
    return _OVERTAKEN.search(str(error)) is not None


def _said(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, TypeError, KeyError):
        return text.strip()


def _overtaken(name: str) -> TargetError:
    return TargetError(
        f"{name} was changed by somebody else after this was decided; it is decided anew",
        reason=ErrorReason.OVERTAKEN,
    )


def _no_manager(said: str) -> TargetError:
    return TargetError(
        f"no answer from the Swarm's managers: {_said(said)};"
        " is this node a manager, and are more than half of them up?",
        reason=ErrorReason.ENGINE_UNAVAILABLE,
    )
