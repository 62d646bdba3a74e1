"""Rules on what a service may not have if there is to be a second replica of it, and on what that takes."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from alertscale.check import durations
from alertscale.check.compose import Service, Written
from alertscale.check.findings import Found
from alertscale.check.setup import Setup
from scaler.model.hooks import Hook, HookKind, hooks_of, written
from scaler.model.labels import HOOKS, PREFIX, READY, READY_LEAST, READY_TIMEOUT, healthy_within

_CHECK_DEFAULTS: Final = {"start_period": "0s", "interval": "30s", "timeout": "30s", "retries": "3"}
"""Docker's own, for what a health check does not say."""


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


def hook_without_label(setup: Setup) -> Iterator[Found]:
    """A hook that the scaler cannot see, since no container shows any."""
    for service in _scaled(setup):
        for kind, found in service.hooks.items():
            text = service.labels.get(PREFIX + HOOKS[kind].name)
            hooks = _read(found)
            if not found or (text is not None and (text.value is None or hooks is None)):
                continue
            if text is None or service.value(HOOKS[kind]) != hooks:
                yield Found(
                    text.place if text else found[0].place,
                    f"{service.name} is scaled and has {kind}, which no container shows to the scaler"
                    + (f", and {PREFIX}{HOOKS[kind].name} says something else" if text else ""),
                    _label_for(kind, hooks),
                )


def _read(found: tuple[Written, ...]) -> tuple[Hook, ...] | None:
    try:
        return hooks_of([one.value for one in found])
    except ValueError:
        return None


def _label_for(kind: HookKind, hooks: tuple[Hook, ...] | None) -> str:
    name = PREFIX + HOOKS[kind].name
    if hooks is None:
        return f"give it the label {name}, with what docker compose config --format json has as {kind}"
    # Compose takes one dollar for the beginning of a variable, YAML one quote for the end of a text.
    text = json.dumps([written(hook) for hook in hooks]).replace("$", "$$").replace("'", "''")
    return f"add the label {name}: '{text}'"


def ready_timeout_too_short(setup: Setup) -> Iterator[Found]:
    """A label that takes a replica away before its health check has decided."""
    for service in _scaled(setup):
        given = service.value(READY_TIMEOUT)
        needed = None if service.value(READY) else _healthy_within(service.healthcheck)
        if given is not None and needed is not None and given < needed:
            yield Found(
                service.place_of(READY_TIMEOUT),
                f"{service.name}: {PREFIX}{READY_TIMEOUT.name}: {durations.show(given)} is shorter than"
                f" its health check may take, {durations.show(needed)}"
                " (start_period + interval * (retries + 1) + timeout)",
                f"remove the label, which is then {durations.show(max(needed, READY_LEAST))}, or make it"
                f" {durations.show(needed)} or more",
            )


def _healthy_within(check: Mapping[str, object]) -> float | None:
    """What a health check may take, in seconds; None if there is none, or the files do not tell."""
    if check.get("test") in (None, ..., "NONE", ["NONE"]) or check.get("disable"):
        return None
    said = {key: str(check.get(key) or default) for key, default in _CHECK_DEFAULTS.items()}
    try:
        return healthy_within(
            start_period=durations.parse(said["start_period"]),
            interval=durations.parse(said["interval"]),
            retries=int(said["retries"]),
            timeout=durations.parse(said["timeout"]),
        )
    except ValueError:
        return None
