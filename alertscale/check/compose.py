"""From Compose files to what the checks ask of a service. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from alertscale.check.findings import Finding, Place
from alertscale.check.reading import Text, unexpected
from alertscale.check.tree import Node
from alertscale.check.variables import interpolate
from scaler.model.hooks import HookKind
from scaler.model.labels import COMPONENT, ENABLE, PREFIX, Label

T = TypeVar("T")

_SCALER: Final = "scaler"
_NGINX: Final = "nginx"
_TTL_VARIABLE: Final = "ALERTSCALE_SIGNAL_TTL"
_BOOLEAN: Final = "tag:yaml.org,2002:bool"
_ELSEWHERE: Final = ("extends", "label_file")
"""Keys that bring labels from places that are not read here."""


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
class Service:
    """One service of the composed files.

    Attributes:
        name: in Compose.
        place: of its first mention.
        labels: of ``labels`` and of ``deploy.labels``.
        environment: variables of its containers.
        container_name: if it has a fixed one.
        network_mode: if it has one.
        host_ports: the host's side of each published port that has one: one port, `a-b` for one of these,
            `a to b` for each of these.
        addresses: fixed ones, on any network.
        names: by which other containers reach it.
        hooks: what stands under ``post_start`` and ``pre_stop``, of all files.
        healthcheck: what stands under it; ``...`` for what needs a variable that is not known.
        extra_hosts: names that its containers know without DNS, in lower case.
        partial: more labels may come from files that are not read.
    """

    name: str
    place: Place
    labels: Mapping[str, Text] = field(default_factory=dict)
    environment: Mapping[str, Text] = field(default_factory=dict)
    container_name: Text | None = None
    network_mode: Text | None = None
    host_ports: tuple[Text, ...] = ()
    addresses: tuple[Text, ...] = ()
    names: frozenset[str] = frozenset()
    hooks: Mapping[HookKind, tuple[Written, ...]] = field(default_factory=dict)
    healthcheck: Mapping[str, object] = field(default_factory=dict)
    extra_hosts: frozenset[str] = frozenset()
    partial: bool = False

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


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All services of the composed files.

    Attributes:
        services: by name.
        project: its name, if a file gives it one.
        partial: more services may come from files that are not read.
    """

    services: Mapping[str, Service]
    project: str | None = None
    partial: bool = False

    @property
    def enabled(self) -> tuple[Service, ...]:
        """The services that are surely scaled."""
        return tuple(s for s in self.services.values() if s.enabled)

    @property
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


def read_stack(
    documents: Sequence[Node], *, variables: Mapping[str, str] | None, partial: bool, findings: list[Finding]
) -> Stack | None:
    """Read Compose files, each laid over the ones before it.

    Args:
        documents: one for each file, in the order of ``docker compose -f``.
        variables: for ``${...}``; None if they are not at hand.
        partial: there are more files, which could not be read.
        findings: what is not of the form of a Compose file is added here.

    Returns:
        The services; None if there is no file.
    """
    if not documents:
        return None
    reader = _Reader(variables=variables, findings=findings)
    services: dict[str, Service] = {}
    for document in documents:
        for name, node in reader.table(document, "services").items():
            if node.form == "a mapping":
                services[name] = reader.service(name, node, below=services.get(name))
            elif node.form != "nothing":
                reader.report(node, f"the service {name} is {node.form}", "write it as a mapping of keys")
    projects = [text.value for d in documents if (text := reader.text(d.get("name")))]
    return Stack(
        services=services,
        project=projects[-1] if projects else None,
        partial=partial or any(d.get("include") for d in documents),
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    variables: Mapping[str, str] | None
    findings: list[Finding]

    def report(self, node: Node, text: str, way_out: str) -> None:
        self.findings.append(unexpected(node, text, way_out))

    def table(self, node: Node, key: str) -> Mapping[str, Node]:
        value = node.get(key)
        if value is None and node.form not in {"a mapping", "nothing"}:
            self.report(node, f"the file is {node.form}", "write a mapping with the key services")
        elif value and value.form != "a mapping":
            self.report(value, f"{key} is {value.form}", f"write {key} as a mapping of names")
        return value.entries if value else {}

    def text(self, node: Node | None) -> Text | None:
        if node is None or node.text is None:
            return None
        return Text(value=interpolate(node.text, variables=self.variables), place=node.place)

    def pairs(self, node: Node | None) -> dict[str, Text]:
        """Read labels or environment: a mapping, or a list of ``name=value``."""
        if node is None:
            return {}
        if node.form == "a text":
            self.report(node, f"{node.text!r} is not a mapping", "write a mapping, or a list of name=value")
        result = {name: self._text_or_empty(value) for name, value in node.entries.items()}
        for item in node.items:
            if item.text is not None:
                name, equals, _ = item.text.partition("=")
                value = interpolate(item.text, variables=self.variables)
                after = None if value is None else value.partition("=")[2]
                result[name] = Text(value=after if equals else "", place=item.place)
        return result

    def _text_or_empty(self, node: Node) -> Text:
        return self.text(node) or Text(value="", place=node.place)

    def service(self, name: str, node: Node, *, below: Service | None) -> Service:
        below = below or Service(name=name, place=node.place)
        networks = node.get("networks")
        container_name = self._single(node, "container_name", below.container_name)
        kept_ports = () if _replaces(node, "ports") else below.host_ports
        kept_addresses = () if _replaces(node, "networks") else below.addresses
        return Service(
            name=name,
            place=below.place,
            labels=self._laid_over(node, "labels", below.labels) | self.pairs(node.get("deploy", "labels")),
            environment=self._laid_over(node, "environment", below.environment),
            container_name=container_name,
            network_mode=self._single(node, "network_mode", below.network_mode),
            host_ports=(*kept_ports, *(p for item in node.listed("ports") if (p := self._host_port(item)))),
            addresses=(*kept_addresses, *self._addresses(networks)),
            names=below.names | self._names(name, node, networks),
            hooks={kind: self._hooks(node, kind, below) for kind in HookKind},
            healthcheck=self._healthcheck(node, below.healthcheck),
            extra_hosts=below.extra_hosts | self._extra_hosts(node),
            partial=below.partial or any(node.get(key) for key in _ELSEWHERE),
        )

    def _single(self, node: Node, key: str, below: Text | None) -> Text | None:
        return None if _resets(node, key) else self.text(node.get(key)) or below

    def _laid_over(self, node: Node, key: str, below: Mapping[str, Text]) -> dict[str, Text]:
        kept = {} if _replaces(node, key) else dict(below)
        return kept if _resets(node, key) else kept | self.pairs(node.get(key))

    def _hooks(self, node: Node, kind: HookKind, below: Service) -> tuple[Written, ...]:
        kept = () if _replaces(node, kind) else below.hooks.get(kind, ())
        own = () if _resets(node, kind) else node.listed(kind)
        return (*kept, *(Written(value=self._whole(item), place=item.place) for item in own))

    def _healthcheck(self, node: Node, below: Mapping[str, object]) -> Mapping[str, object]:
        kept = {} if _replaces(node, "healthcheck") else below
        found = None if _resets(node, "healthcheck") else node.get("healthcheck")
        return {
            **kept,
            **{key: self._whole(value) for key, value in (found.entries if found else {}).items()},
        }

    def _whole(self, node: Node) -> object:
        """A value as Compose reads it; None for nothing, ``...`` where a variable is not known."""
        if node.form == "a mapping":
            return {key: self._whole(value) for key, value in node.entries.items()}
        if node.form == "a list":
            return [self._whole(item) for item in node.items]
        text = self.text(node)
        if text is None:
            return None
        return text.value == "true" if node.tag == _BOOLEAN else ... if text.value is None else text.value

    def _host_port(self, node: Node) -> Text | None:
        if node.entries:
            return _published(self.text(node.get("published")), inside="")
        whole = self.text(node)
        if whole is None or whole.value is None:
            return whole
        parts = whole.value.partition("/")[0].rsplit(":", 2)
        return _published(replace(whole, value=parts[-2]), inside=parts[-1]) if len(parts) > 1 else None

    def _addresses(self, networks: Node | None) -> list[Text]:
        nodes = networks.entries.values() if networks else ()
        found = [self.text(n.get(key)) for n in nodes for key in ("ipv4_address", "ipv6_address")]
        return [text for text in found if text]

    def _names(self, name: str, node: Node, networks: Node | None) -> frozenset[str]:
        nodes = networks.entries.values() if networks else ()
        aliases = [self.text(item) for n in nodes for item in n.listed("aliases")]
        others = [self.text(node.get("container_name")), self.text(node.get("hostname")), *aliases]
        return frozenset({name, *(text.value for text in others if text and text.value)})

    def _extra_hosts(self, node: Node) -> frozenset[str]:
        hosts = node.get("extra_hosts")
        listed = [text.value for item in node.listed("extra_hosts") if (text := self.text(item))]
        written = [*(hosts.entries if hosts else ()), *(text for text in listed if text)]
        return frozenset(re.split("[:=]", text, maxsplit=1)[0].lower() for text in written)


def _published(host: Text | None, *, inside: str) -> Text | None:
    """Tell ports that Compose gives out one to one from a range of which each replica has one."""
    first, dash, last = ((host.value if host else None) or "").partition("-")
    if host is None or not dash:
        return host
    low, _, high = inside.partition("-")
    several = f"{first} to {last}" if high and low != high else host.value
    return replace(host, value=first if first == last else several)


def _resets(node: Node, key: str) -> bool:
    return key in node.entries and node.entries[key].tag == "!reset"


def _replaces(node: Node, key: str) -> bool:
    return key in node.entries and node.entries[key].tag in {"!reset", "!override"}
