"""Rules on our labels: on a service, and on an alert."""

from collections.abc import Iterator
from typing import Final

from alertscale.check.compose import Service
from alertscale.check.findings import Found, nearest
from alertscale.check.promrules import Alert
from alertscale.check.setup import Setup
from scaler.model.labels import ALL, COMPONENT, ENABLE, MAX, MIN, PAUSE, PREFIX
from scaler.model.reasons import Direction, Pause

_KNOWN: Final = frozenset({COMPONENT, *(PREFIX + label.name for label in ALL)})
_WORDS: Final = {
    ENABLE.name: {
        "true": "true",
        "false": "false",
        "yes": "true",
        "on": "true",
        "no": "false",
        "off": "false",
    },
    PAUSE.name: {pause.value: pause.value for pause in Pause},
}
"""For labels with a closed list of values: what may have been written, and what was meant."""
_ON_ALERTS: Final = ("service", "resource")
_ALIKE: Final = 0.8
"""How like ours a foreign label must be to be taken for a slip; 1 is the same."""


def unreadable_label(setup: Setup) -> Iterator[Found]:
    """A label of ours with a value that cannot be read."""
    for service in setup.services:
        for label in ALL:
            text = service.labels.get(PREFIX + label.name)
            if text is None or text.value is None:
                continue
            try:
                label.read(text.value.strip())
            except ValueError as error:
                words = _WORDS.get(label.name, {})
                meant = nearest(text.value, words)
                yield Found(
                    text.place,
                    f"{service.name}: {PREFIX}{label.name}: {text.value!r} is not {error}, "
                    "so the scaler does not scale the service",
                    f"did you mean {words[meant]!r}?" if meant else f"write {error}",
                )


def min_above_max(setup: Setup) -> Iterator[Found]:
    """Bounds that contradict each other."""
    for service in setup.services:
        low, high = service.value(MIN), service.value(MAX)
        if low is not None and high is not None and low > high:
            yield Found(
                service.place_of(MIN if PREFIX + MIN.name in service.labels else MAX),
                f"{service.name}: alertscale.min: {low} is more than alertscale.max: {high}, "
                "so the scaler does not scale the service",
                f"lower alertscale.min to {high} or less, or raise alertscale.max to {low} or more",
            )


def unknown_label(setup: Setup) -> Iterator[Found]:
    """A label with our prefix that does not exist."""
    names = {name.removeprefix(PREFIX): name for name in _KNOWN}
    for service in setup.services:
        for name, text in service.labels.items():
            if name.startswith(PREFIX) and name not in _KNOWN:
                # Without the prefix, which alone would make any two names alike.
                near = nearest(name.removeprefix(PREFIX), names)
                key, colon, value = name.partition(": ")
                yield Found(
                    text.place,
                    f"{service.name}: alertscale has no label {name}, so the scaler does not scale it",
                    f"write - {key}={value}: in a list, what stands before = is the label"
                    if colon
                    else f"did you mean {names[near]}?"
                    if near
                    else "remove it; docs/labels.md lists ours",
                )


def label_for_swarm(setup: Setup) -> Iterator[Found]:
    """A label that Compose puts on no container."""
    if setup.stack is None or setup.stack.for_swarm:
        return
    for service in setup.services:
        ours = [text for name, text in service.labels.items() if name in service.deployed and name in _KNOWN]
        if ours:
            yield Found(
                min(text.place for text in ours),
                f"{service.name} has labels of alertscale under deploy, where only Swarm reads them: with "
                "docker compose its containers have none, and it is not scaled",
                "write them under labels of the service itself",
            )


def nearly_our_label(setup: Setup) -> Iterator[Found]:
    """A label that is not ours but looks like a slip, on a service or on an alert."""
    for service in setup.services:
        yield from _nearly_on_service(service)
    for alert in setup.alerts:
        yield from _nearly_on_alert(alert)


def _nearly_on_service(service: Service) -> Iterator[Found]:
    for name, text in service.labels.items():
        near = None if name.startswith(PREFIX) else nearest(name, sorted(_KNOWN), cutoff=_ALIKE)
        if near:
            yield Found(
                text.place,
                f"{service.name}: nobody reads the label {name}",
                f"did you mean {near}?",
            )


def _nearly_on_alert(alert: Alert) -> Iterator[Found]:
    for name, text in alert.labels.items():
        near = None
        if alert.scales:
            near = nearest(name, [known for known in _ON_ALERTS if known not in alert.labels], cutoff=_ALIKE)
        elif text.value in set(Direction):
            near = nearest(name, ["scale"], cutoff=_ALIKE)
        if near and name not in {"scale", *_ON_ALERTS}:
            yield Found(
                text.place,
                f"{alert.name}: the scaler does not read the label {name}",
                f"did you mean {near}?",
            )
