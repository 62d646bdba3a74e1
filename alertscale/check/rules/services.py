"""Rules on what a service may not have if there is to be a second replica of it."""

from collections.abc import Iterator

from alertscale.check.compose import Service
from alertscale.check.findings import Found
from alertscale.check.setup import Setup


def _scaled(setup: Setup) -> tuple[Service, ...]:
    return setup.stack.enabled if setup.stack else ()


def fixed_host_port(setup: Setup) -> Iterator[Found]:
    """A host port that only one replica can have."""
    for service in _scaled(setup):
        for port in service.host_ports:
            if port.value is not None and port.value not in {"", "0"} and "-" not in port.value:
                yield Found(
                    port.place,
                    f"{service.name} is scaled but publishes the fixed host port {port.value}, "
                    "which only one replica can have",
                    "publish nginx instead and let the service only expose its port",
                )


def container_name(setup: Setup) -> Iterator[Found]:
    """A container name that only one replica can have."""
    for service in _scaled(setup):
        if service.container_name:
            yield Found(
                service.container_name.place,
                f"{service.name} is scaled but has container_name: {service.container_name.value or ''}, "
                "which only one replica can have",
                "remove container_name from the service",
            )


def static_address(setup: Setup) -> Iterator[Found]:
    """An address that only one replica can have."""
    for service in _scaled(setup):
        for address in service.addresses:
            yield Found(
                address.place,
                f"{service.name} is scaled but has the static address {address.value or ''}, "
                "which only one replica can have",
                "remove ipv4_address and ipv6_address from the service",
            )


def host_network(setup: Setup) -> Iterator[Found]:
    """A network that replicas would have to share with something else."""
    for service in _scaled(setup):
        mode = service.network_mode
        if (
            mode
            and mode.value
            and (mode.value == "host" or mode.value.startswith(("container:", "service:")))
        ):
            yield Found(
                mode.place,
                f"{service.name} is scaled but has network_mode: {mode.value}, "
                "where all replicas would share one address",
                "put the service on a network of its own",
            )
