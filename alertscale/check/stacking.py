"""From Compose files, each laid over those before it, to the services that they make. Pure."""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from alertscale.check.compose import Mount, Network, Program, Service, Stack, Written
from alertscale.check.findings import Finding, Place
from alertscale.check.layers import Layer, Layers, normal
from alertscale.check.reading import Text, unexpected
from alertscale.check.tree import Node
from alertscale.check.variables import interpolate
from scaler.model.hooks import HookKind

_YAML: Final = "tag:yaml.org,2002:"
_NO_TEXT: Final = {"null": "nothing", "bool": "a truth", "int": "a number", "float": "a number"}
"""What Compose refuses in a list of labels or variables, by YAML's tag."""
_TRUTHS: Final = frozenset({"true", "false"})
"""Of what YAML 1.1 takes for a truth, that which Compose does, in lower case."""
_ELSEWHERE: Final = ("extends", "label_file")
"""Keys that bring labels from places that are not read here."""
_FILLED: Final = ("services", "labels", "environment", "ports", "networks", "volumes", "healthcheck")
"""Keys behind which Compose refuses nothing at all."""
_FORMS: Final = ("deploy", "resources", "limits")
_LIMITS: Final = {
    "cpu": (("cpus",), ("cpu_quota",), (*_FORMS, "cpus")),
    "memory": (("mem_limit",), (*_FORMS, "memory")),
}
_FOR_SWARM: Final = ("mode", "placement", "update_config", "rollback_config", "endpoint_mode")
"""Keys of ``deploy`` that only Swarm reads."""
_FOLDERS: Final = ("/", ".", "~")
"""What a volume begins with that is a folder or a file of the machine."""
_SECRETS: Final = "/run/secrets"


def read_stack(layers: Layers, *, findings: list[Finding]) -> Stack | None:
    """Read Compose files.

    Args:
        layers: their documents.
        findings: what is not of the form of a Compose file is added here.

    Returns:
        The services; None if there is no file.
    """
    if not layers.layers:
        return None
    readers = [_Reader(layer=layer, findings=findings) for layer in layers.layers]
    tops = _Tops()
    for reader in readers:
        reader.tops(tops)
    services: dict[str, Service] = {}
    origins: dict[str, _Origin] = {}
    for reader in readers:
        for name, node in reader.table("services").items():
            if node.form != "a mapping":
                reader.report(node, f"the service {name} is {node.form}", "write it as a mapping of keys")
                continue
            clash = reader.clash(name, node, origins)
            read = reader.service(name, node, below=services.get(name), tops=tops)
            services[name] = replace(read, clash=clash) if clash else read
    first = next(iter(services.values()), None)
    return Stack(
        services=services,
        place=first.place if first else layers.layers[0].document.place,
        networks=tops.networks,
        project=layers.project,
        for_swarm=any(reader.is_for_swarm() for reader in readers),
        partial=layers.partial,
    )


@dataclass(frozen=True, kw_only=True)
class _Tops:
    """What stands beside the services."""

    networks: dict[str, Network] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    """Named volumes that are a folder of the machine."""
    files: dict[tuple[str, str], Mount] = field(default_factory=dict)
    """Configs and secrets."""


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Which file says what a service is made of."""

    included: Path | None
    made_of: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    layer: Layer
    findings: list[Finding]

    def report(self, node: Node, text: str, way_out: str) -> None:
        self.findings.append(unexpected(node, text, way_out))

    def table(self, key: str) -> Mapping[str, Node]:
        document = self.layer.document
        if document.form != "a mapping":
            self.report(document, f"the document is {document.form}", "write a mapping with the key services")
        value = document.entries.get(key)
        if value and value.form != "a mapping" and (value.form != "nothing" or key in _FILLED):
            self.report(value, f"{key} is {value.form}", f"write {key} as a mapping of names")
        return value.entries if value else {}

    def text(self, node: Node | None) -> Text | None:
        if node is None or node.text is None:
            return None
        return Text(value=interpolate(node.text, variables=self.layer.variables), place=node.place)

    def word(self, node: Node | None, *keys: str) -> str:
        text = self.text(node.get(*keys)) if node else None
        return (text.value if text else None) or ""

    # What stands beside the services

    def tops(self, tops: _Tops) -> None:
        document = self.layer.document
        for key, node in _entries(document.get("networks")):
            external = node.get("external")
            tops.networks[key] = Network(
                name=self.word(node, "name") or self.word(external, "name") or None,
                external=external is not None and external.text != "false",
            )
        for key, node in _entries(document.get("volumes")):
            device = self.word(node, "driver_opts", "device")
            if "bind" in self.word(node, "driver_opts", "o") and device:
                tops.folders[key] = Path(device)
        for kind in ("configs", "secrets"):
            for key, node in _entries(document.get(kind)):
                file, content = self.text(node.get("file")), self.text(node.get("content"))
                tops.files[kind, key] = Mount(
                    place=content.place if content else node.place,
                    target="",
                    source=self._path(file.value) if file and file.value else None,
                    text=content,
                )

    def _path(self, name: str) -> Path:
        return normal(self.layer.directory / Path(name).expanduser())

    def is_for_swarm(self) -> bool:
        """Whether a service says what Compose does not read."""
        services = self.layer.document.get("services")
        return any(node.get("deploy", key) for _, node in _entries(services) for key in _FOR_SWARM)

    # Services

    def clash(self, name: str, node: Node, origins: dict[str, _Origin]) -> Place | None:
        """Where it stands, if a file that is included, or includes this one, has another of its name."""
        image, build = self.word(node, "image"), node.get("build")
        if not (image or build):
            return None
        made_of = ("", str(build.place)) if build else (_repository(image), "")
        own = _Origin(included=self.layer.included, made_of=made_of)
        other = origins.get(name)
        origins[name] = own
        apart = other is not None and other.included != own.included
        return node.place if other and apart and other.made_of != made_of else None

    def service(self, name: str, node: Node, *, below: Service | None, tops: _Tops) -> Service:
        below = below or Service(name=name, place=node.place)
        networks = node.get("networks")
        own_networks = {} if _replaces(node, "networks") else dict(below.networks)
        labels, deploy = self._laid_over(node, "labels", below.labels), node.get("deploy")
        deployed = self.pairs(deploy, "labels") if deploy else {}
        own = {name for name, text in labels.items() if below.labels.get(name) is not text}
        self._filled(node)
        return Service(
            name=name,
            place=below.place,
            labels=labels | deployed,
            deployed=(below.deployed | deployed.keys()) - own,
            environment=self._laid_over(node, "environment", below.environment),
            program=self._program(node, below.program, tops),
            container_name=self._single(node, "container_name", below.container_name),
            network_mode=self._single(node, "network_mode", below.network_mode),
            host_ports=self._added(node, "ports", below.host_ports, self._host_port),
            addresses=(
                *(() if _replaces(node, "networks") else below.addresses),
                *self._addresses(networks),
            ),
            names=below.names | self._names(name, node, networks),
            networks=own_networks | self._networks(networks, own_networks),
            hooks={kind: self._hooks(node, kind, below) for kind in HookKind},
            healthcheck=self._healthcheck(node, below.healthcheck),
            limited=below.limited | self._limited(node),
            stop_grace=self._single(node, "stop_grace_period", below.stop_grace),
            extra_hosts=below.extra_hosts | self._extra_hosts(node),
            clash=below.clash,
            unfollowed=tuple(dict.fromkeys((*below.unfollowed, *filter(node.get, _ELSEWHERE)))),
        )

    def _filled(self, node: Node) -> None:
        for holder in (node, node.get("deploy")):
            for key, value in holder.entries.items() if holder else ():
                if key in _FILLED and value.form == "nothing" and value.tag not in {"!reset", "!override"}:
                    self.report(
                        value, f"{key} has nothing behind it, which Compose refuses", f"take {key} out"
                    )

    def pairs(self, holder: Node, key: str) -> dict[str, Text]:
        """Read labels or environment: a mapping, or a list of ``name=value``."""
        node = holder.get(key)
        if node is None:
            return {}
        if node.form == "a text":
            self.report(node, f"{key}: {node.text!r} is not a mapping", "write a mapping of names")
        for name, value in node.entries.items():
            if value.form in {"a list", "a mapping"}:
                self.report(value, f"{key}: {name} is {value.form}, which Compose refuses", "write one text")
        result = {
            name: self.text(value) or Text(value="", place=value.place)
            for name, value in node.entries.items()
        }
        return result | dict(self._listed_pairs(node, key))

    def _listed_pairs(self, node: Node, key: str) -> Iterator[tuple[str, Text]]:
        for item in node.items:
            form = _form_in_list(item)
            if item.text is None or form:
                written = next(
                    (f"{name}={value.text or ''}" for name, value in item.entries.items()), "name=value"
                )
                self.report(
                    item,
                    f"an entry of {key} is {form or item.form}, which Compose refuses",
                    f"write - {written}, or all of {key} as a mapping, without dashes",
                )
            else:
                name, equals, _ = item.text.partition("=")
                value = interpolate(item.text, variables=self.layer.variables)
                after = None if value is None else value.partition("=")[2]
                yield name, Text(value=after if equals else "", place=item.place)

    def _single(self, node: Node, key: str, below: Text | None) -> Text | None:
        return None if _resets(node, key) else self.text(node.get(key)) or below

    def _laid_over(self, node: Node, key: str, below: Mapping[str, Text]) -> dict[str, Text]:
        kept = {} if _replaces(node, key) else dict(below)
        return kept if _resets(node, key) else kept | self.pairs(node, key)

    def _added(
        self, node: Node, key: str, below: tuple[Text, ...], read: Callable[[Node], Text | None]
    ) -> tuple[Text, ...]:
        kept = () if _replaces(node, key) else below
        return (*kept, *(text for item in node.listed(key) if (text := read(item))))

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
        return (
            text.value == "true" if node.tag == f"{_YAML}bool" else ... if text.value is None else text.value
        )

    def _limited(self, node: Node) -> frozenset[str]:
        given = {
            resource: [text for keys in ways if (text := self.text(node.get(*keys)))]
            for resource, ways in _LIMITS.items()
        }
        return frozenset(r for r, texts in given.items() if any(t.value not in {"", "0"} for t in texts))

    # Ports and networks

    def _host_port(self, node: Node) -> Text | None:
        if node.entries:
            return _published(self.text(node.get("published")), inside="")
        whole = self.text(node)
        if whole is None or whole.value is None:
            return whole
        parts = whole.value.partition("/")[0].rsplit(":", 2)
        return _published(replace(whole, value=parts[-2]), inside=parts[-1]) if len(parts) > 1 else None

    def _inner_port(self, node: Node) -> Text | None:
        whole = self.text(node.get("target") if node.entries else node)
        if whole is None or whole.value is None:
            return whole
        port, _, protocol = whole.value.partition("/")
        # The scaler asks over TCP.
        return replace(whole, value=port.rsplit(":", 1)[-1]) if protocol in {"", "tcp"} else None

    def _addresses(self, networks: Node | None) -> list[Text]:
        nodes = networks.entries.values() if networks else ()
        found = [self.text(n.get(key)) for n in nodes for key in ("ipv4_address", "ipv6_address")]
        return [text for text in found if text]

    def _aliases(self, node: Node) -> frozenset[str]:
        texts = [self.text(item) for item in node.listed("aliases")]
        return frozenset(text.value for text in texts if text and text.value)

    def _names(self, name: str, node: Node, networks: Node | None) -> frozenset[str]:
        aliases = [self._aliases(n) for n in (networks.entries.values() if networks else ())]
        others = [self.text(node.get("container_name")), self.text(node.get("hostname"))]
        return frozenset({name, *(text.value for text in others if text and text.value)}).union(*aliases)

    def _networks(
        self, networks: Node | None, below: Mapping[str, frozenset[str]]
    ) -> dict[str, frozenset[str]]:
        if networks is None:
            return {}
        listed = {item.text: frozenset[str]() for item in networks.items if item.text}
        named = {key: self._aliases(value) for key, value in networks.entries.items()}
        return {key: below.get(key, frozenset()) | names for key, names in (listed | named).items()}

    def _extra_hosts(self, node: Node) -> frozenset[str]:
        hosts = node.get("extra_hosts")
        listed = [text.value for item in node.listed("extra_hosts") if (text := self.text(item))]
        written = [*(hosts.entries if hosts else ()), *(text for text in listed if text)]
        linked = [item.text or "" for key in ("links", "external_links") for item in node.listed(key)]
        names = [re.split("[:=]", text, maxsplit=1)[0] for text in written]
        return frozenset(name.lower() for name in (*names, *(link.rpartition(":")[2] for link in linked)))

    # What its containers run, and find

    def _program(self, node: Node, below: Program, tops: _Tops) -> Program:
        build = node.get("build")
        context, dockerfile = self._build(build) if build else (below.build, below.dockerfile)
        ports = self._added(node, "ports", below.published, self._inner_port)
        return Program(
            image=self._single(node, "image", below.image),
            build=context,
            dockerfile=dockerfile,
            target=self.word(build, "target") or below.target,
            entrypoint=self._words(node, "entrypoint", below.entrypoint),
            command=self._words(node, "command", below.command),
            directory=self._single(node, "working_dir", below.directory),
            mounts=(*(() if _replaces(node, "volumes") else below.mounts), *self._mounts(node, tops)),
            published=self._added(node, "expose", ports, self._inner_port),
        )

    def _build(self, node: Node) -> tuple[Path | None, Path | None]:
        context = self.text(node if node.text else node.get("context"))
        name = self.word(node, "dockerfile") or "Dockerfile"
        if context is not None and (context.value is None or "://" in context.value):
            return None, None
        folder = self._path((context.value if context else None) or ".")
        return folder, None if node.get("dockerfile_inline") else normal(folder / name)

    def _words(self, node: Node, key: str, below: tuple[Text, ...] | None) -> tuple[Text, ...] | None:
        value = node.get(key)
        if value is None:
            return None if _resets(node, key) else below
        if value.form == "a list":
            return tuple(text for item in value.items if (text := self.text(item)))
        text = self.text(value)
        if text is None or text.value is None:
            return (text,) if text else ()
        return tuple(replace(text, value=word) for word in _split(text.value))

    def _mounts(self, node: Node, tops: _Tops) -> Iterator[Mount]:
        for item in node.listed("volumes"):
            yield self._mount(item, tops)
        for item in node.listed("tmpfs"):
            yield Mount(place=item.place, target=_target(self.word(item).partition(":")[0]), volume="tmpfs")
        for kind in ("configs", "secrets"):
            for item in node.listed(kind):
                name = item.text or self.word(item, "source")
                default = f"/{name}" if kind == "configs" else f"{_SECRETS}/{name}"
                file = tops.files.get((kind, name), Mount(place=item.place, target=""))
                target = posixpath.join(_SECRETS, self.word(item, "target") or default)
                yield replace(file, target=_target(target))

    def _mount(self, item: Node, tops: _Tops) -> Mount:
        if item.entries:
            name, target, kind = (self.word(item, key) for key in ("source", "target", "type"))
        else:
            parts = self.word(item).split(":")
            # A path alone is a volume without a name.
            name, target, kind = parts[0] if parts[1:] else "", parts[min(1, len(parts) - 1)], ""
        mount = Mount(place=item.place, target=_target(target))
        if name.startswith(_FOLDERS):
            return replace(mount, source=self._path(name))
        if name in tops.folders:
            return replace(mount, source=tops.folders[name], volume=name)
        return replace(mount, volume=name or kind or "a volume without a name")


def _entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    yield from (node.entries if node else {}).items()


def _repository(image: str) -> str:
    """An image's name without its version."""
    return re.sub(r"(:[^/:]*)?(@.*)?$", "", image)


def _form_in_list(item: Node) -> str | None:
    kind = item.tag.removeprefix(_YAML)
    if kind == "bool" and (item.text or "").lower() not in _TRUTHS:
        # A word to all but YAML 1.1.
        return None
    if kind in {"int", "float"} and ":" in (item.text or ""):
        return None
    return _NO_TEXT.get(kind) if item.form in {"a text", "nothing"} else None


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _target(path: str) -> str:
    return posixpath.normpath(path) if path else ""


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
