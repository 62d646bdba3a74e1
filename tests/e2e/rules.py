"""The alert rules of the stack: the shipped ones, or made from them to ask for fewer replicas sooner."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaler.labels import parse_duration
from tests.e2e.stack import REPOSITORY, Stack, wait_until

RULES = Path("prometheus/alert.rules.yml")
DOWN = ("LowCPU", "LowMemory")
_HELD = re.compile(r"for: (\w+)(?=\n +labels: \{ scale: down)")
QUICK = "3s"
"""How long usage must be low until a replica is removed."""


def quicken(directory: Path) -> None:
    """Have a clone ask for fewer replicas after seconds, rather than half a minute; change nothing else."""
    file = directory / RULES
    text, found = _HELD.subn(f"for: {QUICK}", file.read_text(encoding="utf-8"))
    assert found == len(DOWN)
    replace(file, text)


def replace(path: Path, text: str) -> None:
    """Write as editors do: a new file in the place of the old one."""
    aside = path.with_suffix(".edited")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


@contextlib.contextmanager
def shipped(stack: Stack) -> Iterator[None]:
    """The rules as they are shipped."""
    quick = (stack.directory / RULES).read_text(encoding="utf-8")
    _load(stack, (REPOSITORY / RULES).read_text(encoding="utf-8"))
    try:
        yield
    finally:
        _load(stack, quick)


def _load(stack: Stack, text: str) -> None:
    replace(stack.directory / RULES, text)
    wanted = [parse_duration(held) for held in _HELD.findall(text)]
    wait_until(
        lambda: [loaded(stack)[name]["duration"] for name in DOWN] == wanted,
        within=15,
        what=f"rules that hold {wanted} s",
    )


def loaded(stack: Stack) -> dict[str, dict[str, Any]]:
    """Every rule that Prometheus evaluates, by its name."""
    answer: Any = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/rules"), timeout=10).json()
    return {rule["name"]: rule for group in answer["data"]["groups"] for rule in group["rules"]}
