"""Containers whose namespaces or volumes a service shares: ``ipc: service:db``, ``pid``, ``volumes_from``.

Compose writes the id of one container into each replica. Once that one has been made anew, only what was
learnt while it was there, the project's files, and the service's dependencies tell whose it was.

Another's network is not for several: their address is one, so that nginx could not tell them apart, and what
asks one of them whether it is well, at localhost, may be answered by another.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.compose.project_files import ProjectFiles
from scaler.engines.connection import engine_errors
from scaler.model.errors import TargetError
from scaler.model.labels import (
    COMPOSE_DEPENDS_ON,
    COMPOSE_NUMBER,
    COMPOSE_ONEOFF,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
)
from scaler.model.reasons import ErrorReason
from scaler.model.services import ServiceKey

_MODES: Final = {"IpcMode": "ipc", "PidMode": "pid"}
"""Fields of ``HostConfig``, and what a Compose file calls them."""
_NETWORK: Final = "network_mode"
_VOLUMES: Final = "volumes_from"
_SHORT_ID: Final = 12


class Shared:
    """Finds them as they are today.

    Args:
        client: of the Engine API.
        files: of the projects.
    """

    def __init__(self, *, client: APIClient, files: ProjectFiles) -> None:
        self._client = client
        self._files = files
        self._services: dict[str, ServiceKey] = {}

    def learn(self, model: Mapping[str, Any]) -> None:
        """Learn which services they are of, while they are there.

        Args:
            model: the answer of ``GET /containers/<id>/json``.

        Raises:
            TargetError: the engine did not comply.
        """
        for _, container in _references(model["HostConfig"]):
            self._look(container)

    def today(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the containers of today in the place of those that are gone.

        Args:
            model: the answer of ``GET /containers/<id>/json``.

        Returns:
            The same, with other ids in its ``HostConfig``.

        Raises:
            TargetError: there is none today, or it cannot be told of which service it was; or it is the
                network that is shared.
        """
        self._refuse_network(model)
        now = {(key, one): self._now(model, key, one) for key, one in _references(model["HostConfig"])}
        host = dict(model["HostConfig"])
        for field, key in _MODES.items():
            mode, colon, container = (host.get(field) or "").partition(":")
            if mode == "container":
                host[field] = mode + colon + now[key, container]
        if host.get("VolumesFrom"):
            parts = (volumes.partition(":") for volumes in host["VolumesFrom"])
            host["VolumesFrom"] = [now[_VOLUMES, one] + colon + way for one, colon, way in parts]
        return {**model, "HostConfig": host}

    def _now(self, model: Mapping[str, Any], key: str, container: str) -> str:
        found = self._look(container)
        if found is not None and (found["State"]["Running"] or key == _VOLUMES):
            return container
        labels = model["Config"]["Labels"]
        own = labels[COMPOSE_PROJECT]
        project, service = self._services.get(container) or (own, self._named(labels, key))
        # One that is another project's, or nobody's, is not to be taken for a service of the same name.
        if not service or project != own:
            what = f"{key} of the container {container[:_SHORT_ID]}" + (
                f" of {project}/{service}" if service else ""
            )
            if found is not None:
                raise _cannot(
                    f"{what}, which does not run", f"start it: docker start {container[:_SHORT_ID]}"
                )
            again = f"docker compose up -d --force-recreate {labels[COMPOSE_SERVICE]}"
            raise _cannot(f"{what}, which is gone", f"make its replicas anew, with the one of today: {again}")
        living = self._living(project, service)
        if not living:
            raise _cannot(
                f"{key} of service {service}, of which nothing runs",
                f"start it: docker compose up -d {service}",
            )
        return living[0]

    def _refuse_network(self, model: Mapping[str, Any]) -> None:
        mode, _, container = (model["HostConfig"].get("NetworkMode") or "").partition(":")
        if mode != "container":
            return
        found = self._look(container)
        labels = model["Config"]["Labels"]
        own = labels[COMPOSE_PROJECT]
        project, service = self._services.get(container) or (own, self._named(labels, _NETWORK))
        if service and project == own:
            whose = f"service:{service}"
        elif found is not None:
            whose = f"container:{found['Name'].lstrip('/')}"
        else:
            whose = "that of a container that is gone"
        raise TargetError(
            f"cannot make another replica: the service {labels[COMPOSE_SERVICE]} has {_NETWORK}: {whose},"
            " where all replicas would share one address; put it on a network of its own",
            reason=ErrorReason.CANNOT_CLONE,
        )

    def _look(self, container: str) -> Mapping[str, Any] | None:
        try:
            with engine_errors(f"look at {container[:_SHORT_ID]}"):
                found: Mapping[str, Any] = self._client.inspect_container(container)
        except TargetError as error:
            if not isinstance(error.__cause__, docker.errors.NotFound):
                raise
            return None
        labels = found["Config"]["Labels"] or {}
        self._services[container] = labels.get(COMPOSE_PROJECT, ""), labels.get(COMPOSE_SERVICE, "")
        return found

    def _named(self, labels: Mapping[str, str], key: str) -> str | None:
        """The one service that the files, or else Compose's note of what this one needs, can mean."""
        definition = self._files.definition(labels)
        said = [] if definition.unread else definition.says.get(key) or []
        said = [str(one) for one in (said if isinstance(said, list) else [said])]
        if any(one.startswith("container:") for one in said):
            return None
        written = [one.removeprefix("service:").partition(":")[0] for one in said]
        if not written:
            needed = [one.split(":") for one in labels.get(COMPOSE_DEPENDS_ON, "").split(",") if one]
            # Compose has what shares a namespace started again with the other, and notes that.
            written = [name for name, *more in needed if key == _VOLUMES or more[-1:] == ["true"]]
        return written[0] if len(written) == 1 else None

    def _living(self, project: str, service: str) -> list[str]:
        wanted = {COMPOSE_PROJECT: project, COMPOSE_SERVICE: service, COMPOSE_ONEOFF: "False"}
        with engine_errors(f"look for {project}/{service}"):
            listed = self._client.containers(filters={"label": [f"{k}={v}" for k, v in wanted.items()]})
        return [c["Id"] for c in sorted(listed, key=lambda c: int(c["Labels"].get(COMPOSE_NUMBER, 0)))]


def _references(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what each shared container is shared for, as a Compose file calls it, and its id."""
    for field, key in (*_MODES.items(), ("NetworkMode", _NETWORK)):
        mode, _, container = (host.get(field) or "").partition(":")
        if mode == "container":
            yield key, container
    for volumes in host.get("VolumesFrom") or ():
        yield _VOLUMES, volumes.partition(":")[0]


def _cannot(what: str, way_out: str) -> TargetError:
    return TargetError(
        f"cannot make another replica: the service shares {what}; {way_out}", reason=ErrorReason.CANNOT_CLONE
    )
