"""What the checks ask of the services of Compose files. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from alertscale.check.findings import Place
from alertscale.check.reading import Text
from scaler.model.hooks import HookKind
from scaler.model.labels import COMPONENT, ENABLE, PREFIX, Label

T = TypeVar("T")

_SCALER: Final = "scaler"
_NGINX: Final = "nginx"
_PROJECTS_VARIABLE: Final = "ALERTSCALE_PROJECTS"
_TTL_VARIABLE: Final = "ALERTSCALE_SIGNAL_TTL"
_OURS: Final = "alertscale"
"""What the network of alertscale is called by, which Compose names by the project."""
DEFAULT_NETWORK: Final = "default"
"""What a service is on that names no network."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A value of any form, and where it is written.

    Attributes:
        value: of texts, truths, lists and mappings.
        place: its line.
    """

    value: object
    place: Place


@dataclass(frozen=True, kw_only=True)
class Mount:
    """What a container finds under a path of its own, in the place of what its image has there.

    Attributes:
        place: where it is written.
        target: the path in the container, without a slash at its end; empty if it is not known.
        source: the file or folder of the machine; None if it is none.
        text: what the file holds, if Compose itself has it.
        volume: that it keeps its data in; empty if none.
    """

    place: Place
    target: str
    source: Path | None = None
    text: Text | None = None
    volume: str = ""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a container runs, and what it finds there.

    Attributes:
        image: that it is made of.
        build: the folder that the image is built of.
        dockerfile: its path; None if it stands in the Compose file itself.
        target: the stage of it that is meant; empty for the last.
        entrypoint: in words; None if the image's.
        command: in words; None if the image's.
        directory: that it is started in; None if the image's.
        mounts: each goes before those before it.
        published: the container's side of its ports, published or exposed.
    """

    image: Text | None = None
    build: Path | None = None
    dockerfile: Path | None = None
    target: str = ""
    entrypoint: tuple[Text, ...] | None = None
    command: tuple[Text, ...] | None = None
    directory: Text | None = None
    mounts: tuple[Mount, ...] = ()
    published: tuple[Text, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network of the project.

    Attributes:
        name: on the engine; None if Compose makes one of project and key, or it is not known.
        external: it is not the project's own.
    """

    name: str | None = None
    external: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of the composed files.

    Attributes:
        name: in Compose.
        place: of its first mention.
        labels: of ``labels`` and of ``deploy.labels``.
        deployed: of these, those that stand in the latter alone.
        environment: variables of its containers.
        program: what its containers run.
        container_name: if it has a fixed one.
        network_mode: if it has one.
        host_ports: the host's side of each published port that has one: one port, `a-b` for one of these,
            `a to b` for each of these.
        addresses: fixed ones, on any network.
        names: by which other containers reach it.
        networks: that it names, and by which further names it is reached there.
        hooks: what stands under ``post_start`` and ``pre_stop``, of all files.
        healthcheck: what stands under it; ``...`` for what needs a variable that is not known.
        limited: the resources that it has a limit for.
        stop_grace: ``stop_grace_period``.
        extra_hosts: names that its containers know without DNS, in lower case.
        clash: where it stands once more, as another one, in a file that includes the first.
        unfollowed: the keys that bring more of it from where nothing is read.
    """

    name: str
    place: Place
    labels: Mapping[str, Text] = field(default_factory=dict)
    deployed: frozenset[str] = frozenset()
    environment: Mapping[str, Text] = field(default_factory=dict)
    program: Program = field(default_factory=Program)
    container_name: Text | None = None
    network_mode: Text | None = None
    host_ports: tuple[Text, ...] = ()
    addresses: tuple[Text, ...] = ()
    names: frozenset[str] = frozenset()
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hooks: Mapping[HookKind, tuple[Written, ...]] = field(default_factory=dict)
    healthcheck: Mapping[str, object] = field(default_factory=dict)
    limited: frozenset[str] = frozenset()
    stop_grace: Text | None = None
    extra_hosts: frozenset[str] = frozenset()
    clash: Place | None = None
    unfollowed: tuple[str, ...] = ()

    def value(self, label: Label[T]) -> T | None:
        """What one of our labels says; None if that cannot be known, its default if it is not there."""
        text = self.labels.get(PREFIX + label.name)
        if text is None:
            return label.default
        try:
            return None if text.value is None else label.read(text.value.strip())
        except ValueError:
            return None

    def place_of(self, label: Label[T]) -> Place:
        """Where a label is written; the service's own place if it is not."""
        text = self.labels.get(PREFIX + label.name)
        return text.place if text else self.place

    @property
    def partial(self) -> bool:
        """Whether more of it may come from files that are not read."""
        return bool(self.unfollowed)

    @property
    def enabled(self) -> bool | None:
        """Whether it is scaled; None if that cannot be known."""
        return None if self.partial and PREFIX + ENABLE.name not in self.labels else self.value(ENABLE)

    @property
    def is_scaler(self) -> bool:
        """Whether it is alertscale's own scaler."""
        return self._is(_SCALER)

    @property
    def is_nginx(self) -> bool:
        """Whether it is alertscale's own nginx."""
        return self._is(_NGINX)

    def _is(self, part: str) -> bool:
        component = self.labels.get(COMPONENT)
        return component is not None and component.value == part

    def names_on(self, network: str) -> frozenset[str]:
        """By which names it is reached on a network; none if it is not on it."""
        if self.network_mode is not None:
            return frozenset()
        if not self.networks and network == DEFAULT_NETWORK:
            return self._own_names
        return self._own_names | self.networks[network] if network in self.networks else frozenset()

    @property
    def on(self) -> frozenset[str]:
        """The keys of the networks that it is on."""
        if self.network_mode is not None:
            return frozenset()
        return frozenset(self.networks) or frozenset({DEFAULT_NETWORK})

    @property
    def _own_names(self) -> frozenset[str]:
        fixed = self.container_name.value if self.container_name else None
        return frozenset({self.name, *([fixed] if fixed else [])})


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All services of the composed files.

    Attributes:
        services: by name.
        place: where they stand.
        networks: by their keys.
        project: its name, if that is written anywhere.
        for_swarm: something in it is for Swarm alone.
        partial: more services may come from files that are not read.
    """

    services: Mapping[str, Service]
    place: Place
    networks: Mapping[str, Network] = field(default_factory=dict)
    project: str | None = None
    for_swarm: bool = False
    partial: bool = False

    @cached_property
    def enabled(self) -> tuple[Service, ...]:
        """The services that are surely scaled."""
        return tuple(s for s in self.services.values() if s.enabled)

    @cached_property
    def scaler(self) -> Service | None:
        """Alertscale's own scaler."""
        return next((s for s in self.services.values() if s.is_scaler), None)

    @property
    def nginx(self) -> Service | None:
        """Alertscale's own nginx."""
        return next((s for s in self.services.values() if s.is_nginx), None)

    @property
    def signal_ttl(self) -> Text | None:
        """What the scaler is told of how long an alert is believed; None if nothing."""
        return self.scaler.environment.get(_TTL_VARIABLE) if self.scaler else None

    @property
    def looked_after(self) -> tuple[str, ...] | None:
        """The other projects that the scaler is told to look after; None if that cannot be known."""
        told = self.scaler.environment.get(_PROJECTS_VARIABLE) if self.scaler else None
        if told is not None and told.value is None:
            return None
        names = (told.value or "").split(",") if told else []
        return tuple(n for name in names if (n := name.strip()) and n != self.project)

    def external(self, service: Service) -> tuple[Network, ...]:
        """The networks that a service is on with those who are not of the project."""
        return tuple(n for key in sorted(service.on) if (n := self.networks.get(key)) and n.external)

    def joins_ours(self, service: Service) -> bool:
        """Whether a service is on the network of an alertscale that stands elsewhere."""
        return any(self.is_ours(key) for key in service.on)

    def is_ours(self, key: str) -> bool:
        """Whether a network, by its key, is that of an alertscale that stands elsewhere."""
        network = self.networks.get(key)
        return network is not None and network.external and _OURS in (network.name or key)

    def reached(self, source: Service, name: str) -> tuple[Service, ...]:
        """The services that a service reaches by a name."""
        return tuple(
            s for s in self.services.values() if any(name in s.names_on(network) for network in source.on)
        )
