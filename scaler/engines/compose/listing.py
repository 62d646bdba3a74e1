"""The engine's list of containers as the services of Compose. Values only, no I/O."""

import re
from collections import defaultdict
from typing import Any, Final

from scaler.model.labels import (
    COMPONENT,
    COMPOSE_CONFIG_HASH,
    COMPOSE_FILES,
    COMPOSE_IMAGE,
    COMPOSE_NUMBER,
    COMPOSE_ONEOFF,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
    is_enabled,
)
from scaler.model.services import Health, Instance, Observation, Replica, Service, ServiceKey

_HEALTH: Final = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")


def read_listing(listed: list[dict[str, Any]], *, own_project: str, projects: frozenset[str]) -> Observation:
    """Sort the answer of ``GET /containers/json`` into services.

    Args:
        listed: the answer, every container of Compose's.
        own_project: our own Compose project.
        projects: those to look after; empty for all but the ones that bring a scaler of their own.

    Returns:
        What the loop works on.
    """
    listed = [c for c in listed if c["Labels"].get(COMPOSE_ONEOFF, "False") != "True"]
    foreign = {
        c["Labels"][COMPOSE_PROJECT]
        for c in listed
        if c["Labels"].get(COMPONENT) == "scaler" and c["Labels"][COMPOSE_PROJECT] != own_project
    }
    services: dict[ServiceKey, list[Replica]] = defaultdict(list)
    others: set[ServiceKey] = set()
    balancers = []
    for container in listed:
        labels = container["Labels"]
        key = (labels[COMPOSE_PROJECT], labels.get(COMPOSE_SERVICE, ""))
        ours = key[0] in projects if projects else key[0] not in foreign
        if ours and is_enabled(labels):
            services[key].append(_replica(container))
        else:
            others.add(key)
        if key[0] == own_project and labels.get(COMPONENT) == "nginx":
            balancers.append(container)
    return Observation(
        services=tuple(_service(key, replicas) for key, replicas in sorted(services.items())),
        others=frozenset(others - services.keys()),
        balancer=_balancer(balancers),
    )


def _service(key: ServiceKey, replicas: list[Replica]) -> Service:
    ordered = tuple(sorted(replicas, key=lambda r: (r.number, r.id)))
    return Service(key=key, replicas=ordered, files=ordered[-1].labels.get(COMPOSE_FILES, ""))


def _balancer(found: list[dict[str, Any]]) -> Instance | None:
    if not found:
        return None
    newest = max(found, key=lambda c: (c["State"] == "running", c["Created"]))
    return Instance(
        id=newest["Id"],
        networks=frozenset(newest["NetworkSettings"]["Networks"]),
        running=newest["State"] == "running",
    )


def _replica(container: dict[str, Any]) -> Replica:
    labels = container["Labels"]
    health = _HEALTH.search(container["Status"])
    networks = container["NetworkSettings"]["Networks"]
    number = labels.get(COMPOSE_NUMBER, "")
    return Replica(
        id=container["Id"],
        name=container["Names"][0].lstrip("/") if container["Names"] else container["Id"][:12],
        number=int(number) if number.isdecimal() else 0,
        status=container["State"],
        health=Health(health.group(1)) if health else Health.NONE,
        addresses={name: n["IPAddress"] for name, n in networks.items() if n.get("IPAddress")},
        ports=tuple(sorted({p["PrivatePort"] for p in container["Ports"] if p.get("Type") == "tcp"})),
        version=f"{labels.get(COMPOSE_CONFIG_HASH, '')}/{labels.get(COMPOSE_IMAGE, '')}",
        created_at=float(container.get("Created", 0)),
        labels=labels,
    )
