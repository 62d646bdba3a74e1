"""Typed reading of a tree: what is not of the expected form becomes a finding. Pure."""

from dataclasses import dataclass

from alertscale.check import durations
from alertscale.check.findings import Finding, Place, Rule, finding
from alertscale.check.tree import Node


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text that Compose or an alert's template may still change.

    Attributes:
        value: None if it cannot be known from the files.
        place: where it is written.
    """

    value: str | None
    place: Place


@dataclass(frozen=True, kw_only=True)
class Duration:
    """A duration and where it is written.

    Attributes:
        seconds: how long.
        place: of its key, or of what it is the default of.
    """

    seconds: float
    place: Place

    def __str__(self) -> str:
        """As a person would write it."""
        return durations.show(self.seconds)


def unexpected(node: Node, text: str, way_out: str) -> Finding:
    """A finding for a value that is not of the form it should have."""
    return finding(Rule.UNEXPECTED_FORM, node.place, text, way_out)


def tables(node: Node, key: str, *, findings: list[Finding]) -> tuple[Node, ...]:
    """The mappings in the list behind a key; others are reported and left out."""
    if node.form not in {"a mapping", "nothing"}:
        findings.append(unexpected(node, f"here is {node.form}", f"write a mapping with the key {key}"))
        return ()
    value = node.get(key)
    if value is None:
        return ()
    if value.form != "a list":
        findings.append(unexpected(value, f"{key} is {value.form}", f"write {key} as a list"))
        return ()
    findings += [
        unexpected(item, f"an entry of {key} is {item.form}", "write it as a mapping")
        for item in value.items
        if item.form != "a mapping"
    ]
    return tuple(item for item in value.items if item.form == "a mapping")


def duration(node: Node, key: str, *, findings: list[Finding]) -> Duration | None:
    """The duration behind a key; None if there is none that can be read."""
    value = node.get(key)
    if value is None:
        return None
    try:
        return Duration(seconds=durations.parse(value.text or ""), place=value.place)
    except ValueError as error:
        shown = value.form if value.text is None else repr(value.text)
        findings.append(unexpected(value, f"{key}: {shown} is not {error}", "write such a duration"))
        return None
