"""Rules on what a scaled service needs, and on what does not go together with scaling."""

import posixpath
from collections.abc import Iterator
from typing import Final

from alertscale.check import durations
from alertscale.check.compose import Service
from alertscale.check.findings import Found
from alertscale.check.setup import Setup
from scaler.model.labels import ENABLE, PORT, PREFIX, READY, RESOURCES

_LIMITS: Final = {"cpu": "cpus", "memory": "memory"}
"""How Compose calls the limit of a resource."""
_KEEPERS: Final = frozenset(
    {
        *("postgres", "postgresql", "postgis", "timescaledb", "pgvector", "cockroach", "mysql", "mariadb"),
        *(
            "percona",
            "mssql",
            "mongo",
            "mongodb",
            "redis",
            "valkey",
            "keydb",
            "dragonfly",
            "rabbitmq",
            "kafka",
        ),
        *("zookeeper", "etcd", "consul", "vault", "nats", "mosquitto", "elasticsearch", "opensearch", "solr"),
        *(
            "cassandra",
            "scylla",
            "couchdb",
            "couchbase",
            "neo4j",
            "influxdb",
            "clickhouse",
            "clickhouse-server",
        ),
        *("minio", "qdrant", "weaviate", "milvus", "registry", "prometheus", "grafana", "loki"),
    }
)
"""Images whose containers keep what the next request needs."""
_DATA: Final = (
    *("/var/lib/postgresql", "/var/lib/mysql", "/data/db", "/var/lib/mongodb", "/var/lib/rabbitmq"),
    *("/var/lib/redis", "/var/lib/cassandra", "/var/lib/influxdb", "/var/lib/clickhouse"),
    *("/usr/share/elasticsearch/data", "/usr/share/opensearch/data", "/bitnami"),
)
"""Where databases keep their data."""
OURS: Final = frozenset(
    {"nginx", "nginx-exporter", "exporter", "prometheus", "alertmanager", "scaler", "locust", "flask-app"}
)
"""The names by which alertscale's parts reach one another."""
_GRACE: Final = 10.0
"""Seconds between the stop signal and the end by force, if nobody says otherwise."""
_TWO: Final = 2
_UNKNOWN: Final = "?"
"""A port that a variable says."""


def nothing_enabled(setup: Setup) -> Iterator[Found]:
    """A project of which nothing is scaled."""
    stack = setup.stack
    if stack is None or stack.partial or stack.scaler or setup.scaling:
        return
    if all(service.enabled is False for service in stack.services.values()):
        yield Found(
            stack.place,
            f"no service has the label {PREFIX}{ENABLE.name}, so nothing of this project is scaled",
            f'put {PREFIX}{ENABLE.name}: "true" under labels of the service that is to follow the load',
        )


def scaler_without_service(setup: Setup) -> Iterator[Found]:
    """A scaler that has nothing to scale here, and is not said to be for others."""
    stack = setup.stack
    if stack is None or stack.partial or stack.scaler is None or stack.looked_after != ():
        return
    if all(service.enabled is False for service in stack.services.values()):
        yield Found(
            stack.scaler.place,
            f"no service beside {stack.scaler.name} has the label {PREFIX}{ENABLE.name}, so nothing of this "
            "project is scaled",
            f'put {PREFIX}{ENABLE.name}: "true" under labels of the service that is to follow the load; if '
            "it is for projects elsewhere, name them in ALERTSCALE_PROJECTS",
        )


def no_limits(setup: Setup) -> Iterator[Found]:
    """A measure of which nothing says what is all."""
    for service in _scaled(setup):
        resources = service.value(RESOURCES) or ()
        missing = [name for name in _LIMITS if name in resources and name not in service.limited]
        if missing and not service.partial:
            limits = ", ".join(f"{_LIMITS[name]}: ..." for name in missing)
            yield Found(
                service.place,
                f"{service.name} has no limit for {' and '.join(missing)}, so it is measured against the "
                "whole machine",
                f"give it deploy: resources: limits: {{ {limits} }}",
            )


def no_port(setup: Setup) -> Iterator[Found]:
    """A service of which nothing says where it serves."""
    for service in _scaled(setup):
        if _needs_port(service, setup) and not (_ports(service, setup) or _is_image_unknown(service, setup)):
            yield Found(
                service.place,
                f"nothing here says at which port {service.name} serves: unless its image exposes one, and "
                "one only, it is never ready",
                f"give it the label {PREFIX}{PORT.name}",
            )


def several_ports(setup: Setup) -> Iterator[Found]:
    """A service that may serve at one port or at another."""
    for service in _scaled(setup):
        ports = _ports(service, setup)
        if _needs_port(service, setup) and len(ports) >= _TWO and _UNKNOWN not in ports:
            yield Found(
                service.place,
                f"{service.name} exposes {', '.join(sorted(ports))}, not one port, so it is never ready",
                f"give it the label {PREFIX}{PORT.name}",
            )


def no_readiness(setup: Setup) -> Iterator[Found]:
    """A service that does not say when it can serve."""
    for service in _scaled(setup):
        told = _says_ready(service) or _checked(service, setup)
        if not (told or service.partial or _is_image_unknown(service, setup)):
            yield Found(
                service.place,
                f"{service.name} has neither the label {PREFIX}{READY.name} nor a health check here: unless "
                "its image has one, a replica gets requests as soon as something listens, perhaps too early",
                f"give it {PREFIX}{READY.name}, a path that answers 2xx when it can serve, or a healthcheck",
            )


def not_on_our_network(setup: Setup) -> Iterator[Found]:
    """A service that neither scaler nor nginx reaches."""
    stack = setup.stack
    for service in _scaled(setup):
        if stack is None or stack.partial or service.partial or service.network_mode is not None:
            continue
        if _is_image_unknown(service, setup) or (_checked(service, setup) and not _says_ready(service)):
            continue
        shared = stack.scaler and service.on & stack.scaler.on
        if not shared and not stack.external(service):
            yield Found(
                service.place,
                f"{service.name} is on no network of alertscale's, so that it is never ready, unless a "
                "health check of its image says so, and nginx does not have it",
                "add networks: [default, alertscale] to it, and to the file networks: alertscale: "
                "{ external: true, name: alertscale_default }",
            )


def stateful_service(setup: Setup) -> Iterator[Found]:
    """A service that keeps what each request needs."""
    for service in _scaled(setup):
        image = service.program.image.value if service.program.image else None
        called = posixpath.basename(image or "").partition("@")[0].partition(":")[0]
        kept = next((m for m in service.program.mounts if m.target.startswith(_DATA)), None)
        volume = next((m for m in service.program.mounts if m.volume or m.source), None)
        if kept or called in _KEEPERS:
            where = kept or volume
            data = f", and all of them would write into {where.volume or where.source}" if where else ""
            yield Found(
                service.place_of(ENABLE),
                f"{service.name} is scaled but keeps data ({kept.target if kept else called}): its "
                f"replicas are no copies of one another{data}",
                f"take {PREFIX}{ENABLE.name} off it; scale what asks it",
            )


def name_of_ours(setup: Setup) -> Iterator[Found]:
    """A service that is reached in the place of alertscale's own."""
    stack = setup.stack
    for service in setup.services if stack and not stack.scaler else ():
        for key in sorted(service.on) if stack else ():
            names = sorted(service.names_on(key) & OURS) if stack and stack.is_ours(key) else []
            if names:
                yield Found(
                    service.place,
                    f"{service.name} is called {names[0]} on the network {key}, as a part of alertscale is, "
                    "so that the other parts reach it in its place",
                    "call the service otherwise, or take it off this network",
                )


def include_same_name(setup: Setup) -> Iterator[Found]:
    """Two services that Compose makes one of, without a word."""
    for service in setup.services:
        if service.clash:
            yield Found(
                service.clash,
                f"{service.name} stands in {service.place.file} too, and Compose makes one service of the "
                "two, without a word",
                "call one of them otherwise",
            )


def short_stop_grace(setup: Setup) -> Iterator[Found]:
    """A replica that is ended by force before it can end by itself."""
    for service in _scaled(setup):
        grace = service.stop_grace
        try:
            seconds = durations.parse((grace.value if grace else None) or "")
        except ValueError:
            continue
        if grace and seconds < _GRACE:
            yield Found(
                grace.place,
                f"{service.name}: stop_grace_period: {durations.show(seconds)} is short: a replica that "
                "leaves or is replaced is ended by force so soon after its stop signal, whatever it is at",
                f"make it what the program needs to end, or take it out ({durations.show(_GRACE)})",
            )


def _scaled(setup: Setup) -> tuple[Service, ...]:
    return setup.stack.enabled if setup.stack else ()


def _says_ready(service: Service) -> bool:
    return PREFIX + READY.name in service.labels


def _checked(service: Service, setup: Setup) -> bool:
    """Whether it surely has a health check."""
    check, built = service.healthcheck, setup.documents.built.get(service.name)
    if check.get("test") in ("NONE", ["NONE"]) or check.get("disable"):
        return False
    return bool(check) or (built is not None and built.checked)


def _is_image_unknown(service: Service, setup: Setup) -> bool:
    """Whether it is built of a Dockerfile that cannot be read here."""
    return service.program.build is not None and service.name not in setup.documents.built


def _needs_port(service: Service, setup: Setup) -> bool:
    told = PREFIX + PORT.name in service.labels or service.partial
    return not told and (_says_ready(service) or not _checked(service, setup))


def _ports(service: Service, setup: Setup) -> frozenset[str]:
    built = setup.documents.built.get(service.name)
    written = [text.value or _UNKNOWN for text in service.program.published]
    found = (*written, *(built.ports if built else ()))
    return frozenset(_UNKNOWN if "$" in port else port for port in found)
