"""What a manager tells of services and tasks, as services and replicas. Values only, no I/O."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from scaler.engines.health import health_seconds
from scaler.model.labels import COMPONENT, SWARM_STACK, is_enabled
from scaler.model.services import Health, Kept, Observation, Replica, Service, ServiceKey

_UPDATING: Final = frozenset({"updating", "rollback_started"})
_PENDING: Final = "pending"
SCALED: Final = "Replicated"
"""The mode of a service that has a count."""

_SAID_MODES: Final = {
    "Global": "a global service, of which Swarm runs one on each node",
    "ReplicatedJob": "a job, which ends by itself",
    "GlobalJob": "a job, which ends by itself",
}
_WORDS: Final = {"running": "running", "complete": "exited", "failed": "exited", "rejected": "exited",
                 "shutdown": "exited", "orphaned": "dead", "remove": "exited"}  # fmt: skip
"""Swarm's state of a task as the word for a container; one that has not begun to run is ``created``."""


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
    scaled = service["Spec"]["Mode"].get(SCALED)
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
