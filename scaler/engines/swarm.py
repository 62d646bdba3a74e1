"""Docker Swarm: replicated services and their tasks, as a manager tells of them.

Swarm places tasks, replaces dead ones and takes away the ones that are too many; what is changed here is the
count alone. Each change names the version of the service that it was decided on, and Swarm refuses it when
the service has another by now (``version`` of ``POST /services/<id>/update``), whoever changed it.

Swarm tells nobody of its tasks by events (only of services, nodes and the like), so they are asked for.
"""

import copy
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors
from scaler.engines.health import health_seconds
from scaler.model.errors import TargetError
from scaler.model.labels import COMPONENT, SWARM_STACK, is_enabled
from scaler.model.reasons import ErrorReason
from scaler.model.services import Change, Health, Kept, Observation, Replica, Service, ServiceKey

LOOK_EVERY: Final = 0.5
"""Seconds between two questions for the tasks."""

_FRESH_FOR: Final = 0.25
"""Seconds for which an answer may be used again: by the pass that it woke."""

_PING_TIMEOUT: Final = 3.0
_STATES: Final = ("running", "ready", "accepted", "remove")
"""Desired states of the tasks that are, or are to be, or are on their way out; the rest is history."""

_UPDATING: Final = frozenset({"updating", "rollback_started"})
_PENDING: Final = "pending"
_SCALED: Final = "Replicated"
_SAID_MODES: Final = {
    "Global": "a global service, of which Swarm runs one on each node",
    "ReplicatedJob": "a job, which ends by itself",
    "GlobalJob": "a job, which ends by itself",
}
_WORDS: Final = {"running": "running", "complete": "exited", "failed": "exited", "rejected": "exited",
                 "shutdown": "exited", "orphaned": "dead", "remove": "exited"}  # fmt: skip
"""Swarm's state of a task as the word for a container; one that has not begun to run is ``created``."""

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
        spec["Mode"][_SCALED]["Replicas"] = count
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


def digest(services: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]) -> object:
    """Make a value that differs whenever an observation would.

    Args:
        services: the answer of ``GET /services``.
        tasks: the answer of ``GET /tasks``.
    """
    # Their versions would do, but for the time stamps in a task's status: those change without anything new.
    return (
        frozenset((s["ID"], s["Version"]["Index"]) for s in services),
        frozenset(
            (t["ID"], t["DesiredState"], t["Status"]["State"], t["Status"].get("Err", "")) for t in tasks
        ),
    )


def service_key(labels: Mapping[str, str], name: str) -> ServiceKey:
    """Name a service as alerts do: by its stack (empty without one) and its name within that."""
    stack = labels.get(SWARM_STACK, "")
    return stack, name.removeprefix(f"{stack}_") if stack else name


def whose(
    services: Sequence[Mapping[str, Any]], *, own_stack: str, stacks: frozenset[str]
) -> Callable[[Mapping[str, Any]], bool]:
    """Make what tells whether a service is enabled and ours to scale; the arguments are read_listing's."""
    foreign = {
        stack
        for stack, labels in ((_key(s)[0], _labels(s)) for s in services)
        if labels.get(COMPONENT) == "scaler" and stack != own_stack
    }

    def is_ours(service: Mapping[str, Any]) -> bool:
        stack = _key(service)[0]
        return is_enabled(_labels(service)) and (stack in stacks if stacks else stack not in foreign)

    return is_ours


def read_listing(
    services: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    *,
    own_stack: str,
    stacks: frozenset[str],
) -> Observation:
    """Sort the answers of ``GET /services`` and ``GET /tasks`` into services.

    Args:
        services: all of them.
        tasks: of those that are enabled.
        own_stack: our own stack.
        stacks: those to look after; empty for all but the ones that bring a scaler of their own.

    Returns:
        What the loop works on. nginx is none of it: it follows Swarm's DNS by itself.
    """
    is_ours = whose(services, own_stack=own_stack, stacks=stacks)
    of_service: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks:
        of_service.setdefault(task["ServiceID"], []).append(task)
    found, others = [], set[ServiceKey]()
    for service in services:
        key = _key(service)
        if is_ours(service):
            found.append(_service(key, service, of_service.get(service["ID"], [])))
        else:
            others.add(key)
    return Observation(services=tuple(sorted(found, key=lambda s: s.key)), others=frozenset(others))


def _labels(service: Mapping[str, Any]) -> Mapping[str, str]:
    return service["Spec"].get("Labels") or {}


def _key(service: Mapping[str, Any]) -> ServiceKey:
    return service_key(_labels(service), service["Spec"]["Name"])


def _service(key: ServiceKey, service: Mapping[str, Any], tasks: list[Mapping[str, Any]]) -> Service:
    mode = next(iter(service["Spec"]["Mode"]))
    scaled = service["Spec"]["Mode"].get(_SCALED)
    refusal = (
        ""
        if scaled is not None
        else f"it is {_SAID_MODES.get(mode, mode)}, and has no count to change;"
        " let deploy.mode be replicated, or remove the label alertscale.enable"
    )
    kept = Kept(
        id=service["ID"],
        count=int((scaled or {}).get("Replicas") or 0),
        version=int(service["Version"]["Index"]),
        changed_at=datetime.fromisoformat(service["UpdatedAt"]).timestamp(),
        updating=(service.get("UpdateStatus") or {}).get("State") in _UPDATING,
        labels=_labels(service),
    )
    replicas = [_replica(key, service, task) for task in tasks]
    return Service(
        key=key,
        replicas=tuple(sorted(replicas, key=lambda r: (r.number, r.leaving, r.id))),
        files="its stack file",
        kept=kept,
        refusal=refusal,
        healthy=health_seconds(service["Spec"]["TaskTemplate"].get("ContainerSpec", {}).get("Healthcheck")),
    )


def _replica(key: ServiceKey, service: Mapping[str, Any], task: Mapping[str, Any]) -> Replica:
    status, spec = task["Status"], task["Spec"]
    state = status["State"]
    checked = bool((spec.get("ContainerSpec", {}).get("Healthcheck") or {}).get("Test"))
    health = Health.NONE if not checked else Health.HEALTHY if state == "running" else Health.STARTING
    ports = (service["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
    return Replica(
        id=task["ID"],
        name=f"{key[1]}.{task.get('Slot', 0)}",
        container=f"{service['Spec']['Name']}.{task.get('Slot', 0)}.{task['ID']}",
        number=int(task.get("Slot", 0)),
        status=_WORDS.get(state, "created"),
        # Swarm calls a task running only once its health check has passed, and ends it when that fails.
        health=health,
        addresses=_addresses(task),
        ports=tuple(sorted({int(p["TargetPort"]) for p in ports if p.get("Protocol") == "tcp"})),
        version=_version(spec),
        created_at=datetime.fromisoformat(task["CreatedAt"]).timestamp(),
        labels=_labels(service),
        leaving=task["DesiredState"] == "remove",
        trouble=str(status.get("Err") or "") if state == _PENDING else "",
    )


def _addresses(task: Mapping[str, Any]) -> dict[str, str]:
    attached = task.get("NetworksAttachments") or ()
    return {
        a["Network"]["Spec"]["Name"]: a["Addresses"][0].partition("/")[0]
        for a in attached
        if a.get("Addresses")
    }


def _version(spec: Mapping[str, Any]) -> str:
    """What the task runs; its resources, place and networks are part of it, its count is not."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:12]
