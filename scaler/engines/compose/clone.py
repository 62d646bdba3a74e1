"""From one container's ``inspect`` to the definition of its next sibling. Values only, no I/O.

Compose counts, lists, scales and removes containers by their labels, so a sibling that carries all of
them with the next number is Compose's own. All of ``Config`` and ``HostConfig`` is copied; only what
belongs to the one container alone (addresses, ids, anonymous volumes, its name among the aliases) is left
out or made anew.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scaler.model.errors import TargetError
from scaler.model.labels import (
    COMPOSE_NUMBER,
    COMPOSE_PROJECT,
    COMPOSE_REPLACE,
    COMPOSE_SERVICE,
    compose_stem,
)
from scaler.model.reasons import ErrorReason

_ANONYMOUS: Final = re.compile(r"[0-9a-f]{64}")
_SHORT_ID: Final = 12
_SEVERAL_NETWORKS: Final = (1, 44)
"""The first API version that takes more than one network at create."""
_PREDEFINED: Final = frozenset({"bridge", "none"})
"""Networks that the engine brings; it connects to them by ``NetworkMode`` alone and refuses aliases there."""


@dataclass(frozen=True, kw_only=True)
class Clone:
    """What to ask of the Engine API.

    Attributes:
        name: of the new container.
        config: the body of ``POST /containers/create``.
        connect: networks to connect after create, name to endpoint settings.
    """

    name: str
    config: dict[str, Any]
    connect: dict[str, dict[str, Any]]


def clone(model: Mapping[str, Any], *, number: int, image: str, api_version: tuple[int, int]) -> Clone:
    """Define a sibling of a container.

    Args:
        model: the answer of ``GET /containers/<id>/json``.
        number: Compose's container number for the sibling.
        image: name or id of the image to create it from.
        api_version: the Engine API's, such as (1, 41).

    Returns:
        The definition.

    Raises:
        TargetError: the service has something that only one container can have; it says what.
    """
    name = _sibling_name(model, number)
    config = copy.deepcopy(dict(model["Config"]))
    host = copy.deepcopy(dict(model["HostConfig"]))
    _refuse_unique(model, host)
    if config.get("Hostname") == model["Id"][:_SHORT_ID]:
        del config["Hostname"]
    config.pop("MacAddress", None)
    config["Image"] = image
    labels = dict(config["Labels"]) | {COMPOSE_NUMBER: str(number)}
    labels.pop(COMPOSE_REPLACE, None)
    config["Labels"] = labels
    host.pop("ContainerIDFile", None)
    _renew_anonymous_volumes(config, host)
    first = host.get("NetworkMode", "")
    networks = _endpoints(model, name, number)
    at_create = {n: e for n, e in networks.items() if n == first or api_version >= _SEVERAL_NETWORKS}
    return Clone(
        name=name,
        config={**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": at_create}},
        connect={n: e for n, e in networks.items() if n not in at_create},
    )


def _cannot(what: str, way_out: str) -> TargetError:
    return TargetError(f"cannot make another replica: {what}; {way_out}", reason=ErrorReason.CANNOT_CLONE)


def _sibling_name(model: Mapping[str, Any], number: int) -> str:
    labels, name = model["Config"]["Labels"], model["Name"].lstrip("/")
    stem = compose_stem(name, labels)
    if stem is not None:
        return f"{stem}{number}"
    given = "-".join(labels[label] for label in (COMPOSE_PROJECT, COMPOSE_SERVICE, COMPOSE_NUMBER))
    raise _cannot(
        f"the service has container_name: {name}, or somebody has renamed its container, which was {given}",
        f"remove container_name from the service, or docker rename {name} {given}; where another container"
        f" has that name, before it docker rename {given} {given}-aside, and then that one to its own",
    )


def _refuse_unique(model: Mapping[str, Any], host: Mapping[str, Any]) -> None:
    for port, bindings in (host.get("PortBindings") or {}).items():
        for binding in bindings or ():
            host_port = binding.get("HostPort", "")
            first, _, last = host_port.partition("-")
            if host_port not in {"", "0"} and last in {"", first}:
                raise _cannot(
                    f"the service publishes the fixed host port {host_port} (for {port})",
                    "publish nginx instead and let the service only expose its port",
                )
    if host.get("NetworkMode") == "host":
        raise _cannot("the service has network_mode: host", "put it on a network of its own")
    for network, endpoint in model["NetworkSettings"]["Networks"].items():
        static = {k: v for k, v in (endpoint.get("IPAMConfig") or {}).items() if v and k != "LinkLocalIPs"}
        if static:
            address = next(iter(static.values()))
            raise _cannot(
                f"the service has the static address {address} on network {network}",
                "remove ipv4_address and ipv6_address from the service",
            )


def _renew_anonymous_volumes(config: dict[str, Any], host: dict[str, Any]) -> None:
    volumes = dict(config.get("Volumes") or {})
    kept = []
    for bind in host.get("Binds") or ():
        source, _, rest = bind.partition(":")
        if _ANONYMOUS.fullmatch(source):
            volumes[rest.partition(":")[0]] = {}
        else:
            kept.append(bind)
    if host.get("Binds"):
        host["Binds"] = kept
    mounts = []
    for mount in host.get("Mounts") or ():
        handed_on = mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(mount.get("Source") or "")
        # Compose mounts the image's volumes by name only when it recreates a container.
        if handed_on and mount["Target"] in volumes:
            continue
        mounts.append({k: v for k, v in mount.items() if k != "Source"} if handed_on else mount)
    if host.get("Mounts"):
        host["Mounts"] = mounts
    config["Volumes"] = volumes or None


def _endpoints(model: Mapping[str, Any], name: str, number: int) -> dict[str, dict[str, Any]]:
    own = {model["Name"].lstrip("/"), model["Id"][:_SHORT_ID], model["Id"]}
    result = {}
    for network, endpoint in model["NetworkSettings"]["Networks"].items():
        if network in _PREDEFINED:
            continue
        aliases = [a for a in endpoint.get("Aliases") or () if a not in own]
        kept = {k: endpoint[k] for k in ("DriverOpts", "GwPriority", "IPAMConfig") if endpoint.get(k)}
        if endpoint.get("Links"):
            kept["Links"] = _links(endpoint["Links"], labels=model["Config"]["Labels"], number=number)
        result[network] = {**kept, "Aliases": [name, *dict.fromkeys(aliases)]}
    return result


def _links(links: list[str], *, labels: Mapping[str, str], number: int) -> list[str]:
    """Renumber links: Compose names the other container after the number of the one that links, too."""
    project, old = labels[COMPOSE_PROJECT], labels[COMPOSE_NUMBER]
    result = []
    for link in links:
        container, _, alias = link.partition(":")
        other = re.fullmatch(rf"{re.escape(project)}([-_])(.+)\1[0-9]+", container)
        stem = f"{other[2]}{other[1]}" if other else ""
        numbered = {f"{stem}{old}", f"{project}{other[1]}{stem}{old}"} if other else set()
        own = f"{alias.removesuffix(old)}{number}" if alias in numbered else alias
        result.append(f"{container}:{own}")
    return result
