"""Every label that alertscale reads, from scaler/model/labels.py and exporter/swarm.py."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any, Final

from exporter import swarm
from scaler.model import labels
from scaler.model.labels import ALL, PREFIX, Label
from tools.lookup.filling import Makers
from tools.lookup.words import told_below
from tools.markdown import code, table


def of_services() -> str:
    """The table of our labels on a service."""
    rows = [
        (
            code(PREFIX + label.name),
            label.without or code(shown(label.default)),
            allowed(label),
            label.meaning,
        )
        for label in ALL
    ]
    return table(("label", "default", "value", "meaning"), rows)


def shown(value: object) -> str:
    """Return a default as it is written in a Compose file."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}s"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def allowed(label: Label[Any]) -> str:
    """Say what a label may be, in the words of its own complaint.

    Raises:
        ValueError: it takes any text, so that nothing can be said.
    """
    try:
        label.read("\N{BLACK SQUARE}")
    except ValueError as complaint:
        return str(complaint)
    raise ValueError(f"scaler/model/labels.py: {PREFIX}{label.name} takes any text")


def of_containers() -> str:
    """The table of labels that are read off containers: the constants that have a string below them."""
    return table(("label", "meaning"), [(code(name), meaning) for name, meaning in read_off_containers()])


def read_off_containers() -> Iterator[tuple[str, str]]:
    """Yield each label that is read off a container, with its meaning."""
    for module in (labels, swarm):
        for _, value, meaning in told_below(ast.parse(inspect.getsource(module)).body):
            match value:
                case ast.Constant(value=str(name)):
                    yield name, meaning


MAKERS: Final[Makers] = {"labels-of-services": of_services, "labels-of-containers": of_containers}
