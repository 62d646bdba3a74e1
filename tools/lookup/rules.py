"""Every alert and record, from prometheus/*.rules.yml."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.lookup.filling import Makers
from tools.markdown import code, table

REPOSITORY: Final = Path(__file__).parents[2]
ALERTS: Final = REPOSITORY / "prometheus" / "alert.rules.yml"
RECORDS: Final = REPOSITORY / "prometheus" / "recording.rules.yml"

_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE: Final = re.compile(r"\{\{ \$value[^}]*\}\}")
_COMMENTED: Final = re.compile(r"((?:^ *#.*\n)+) *- record: (\S+)$", re.MULTILINE)
_READ: Final = re.compile(r"\$labels\.(\w+)")

Rule = Mapping[str, Any]


def groups(file: Path) -> dict[str, list[Rule]]:
    """Read the rules of a file, by group."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {group["name"]: group["rules"] for group in document["groups"]}


def alerts(group: str) -> str:
    """The table of a group's alerts, and their expressions."""
    rules = groups(ALERTS)[group]
    head = ("alert", "severity", "what it says", "it must hold for", "labels")
    rows = [
        (_link(rule), rule["labels"]["severity"], _said(rule), _held(rule), _labels(rule)) for rule in rules
    ]
    expressions = "\n".join(f"# {rule['alert']}\n{rule['expr'].rstrip()}\n" for rule in rules)
    return f"{table(head, rows)}\n```promql\n{expressions}```\n"


def _link(rule: Rule) -> str:
    return f"[{rule['alert']}]({rule['annotations']['runbook'].removeprefix('docs/')})"


def _said(rule: Rule) -> str:
    notes = rule["annotations"]
    return plain(f"{notes['summary']}. {notes['description']}")


def plain(template: str) -> str:
    """Return a template of an annotation with its labels and value as words in italics."""
    return _VALUE.sub("*value*", _LABEL.sub(r"*\1*", template))


def _held(rule: Rule) -> str:
    return code(str(rule["for"])) if rule.get("for", "0s") != "0s" else "at once"


def _labels(rule: Rule) -> str:
    fixed = [f"`{name}: {plain(str(value))}`" for name, value in rule["labels"].items() if name != "severity"]
    told = " ".join([*rule["annotations"].values(), *map(str, rule["labels"].values())])
    return ", ".join(fixed + [code(name) for name in sorted(set(_READ.findall(told)))])


def records() -> str:
    """The table of the recorded series; the meaning is the comment above each.

    Raises:
        ValueError: one has no comment.
    """
    return table(("record", "meaning"), [(code(name), meaning) for name, meaning in recorded()])


def recorded() -> Iterator[tuple[str, str]]:
    """Yield each recorded series with its meaning."""
    told = {
        name: " ".join(line.strip().lstrip("# ") for line in comment.splitlines())
        for comment, name in _COMMENTED.findall(RECORDS.read_text(encoding="utf-8"))
    }
    for rules in groups(RECORDS).values():
        for rule in rules:
            if rule["record"] not in told:
                raise ValueError(
                    f"{RECORDS.name}: {rule['record']}: put a comment above it that says what it is"
                )
            yield rule["record"], told[rule["record"]]


MAKERS: Final[Makers] = {f"alerts-{name}": (lambda name=name: alerts(name)) for name in groups(ALERTS)} | {
    "records": records
}
"""Each block of docs/alerts.md: a table for each group of alerts, and the records."""
