"""What takes less time in the stack of the tests than in the shipped one, made from the shipped files.

Usage must be low for three seconds, not for half a minute, until a replica is removed. Alertmanager remembers
the alerts of a Prometheus that has died for four seconds, not for twenty. And nginx is asked for its figures
every second: an idle connection that is asked anew is one that a reload does not have to wait for.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaler.model.labels import parse_duration
from testkit.stack import REPOSITORY, Stack, wait_until

RULES = Path("prometheus/alert.rules.yml")
DOWN = ("LowCPU", "LowMemory")
_HELD = re.compile(r"(?<=for: )\w+(?=\n +labels: \{ scale: down)")
_QUICK = "3s"
_NGINX = "  - job_name: nginx\n"
_RESEND = "--rules.alert.resend-delay="


def make_quick(directory: Path) -> None:
    """Change the files of a clone."""
    text, found = _HELD.subn(_QUICK, (directory / RULES).read_text(encoding="utf-8"))
    assert found == len(DOWN)
    replace(directory / RULES, text)
    often = f"{_NGINX}    scrape_interval: 1s\n    scrape_timeout: 1s\n"
    _edit(directory / "prometheus/prometheus.yml", _NGINX, often)
    _edit(directory / "docker-compose.yml", f"{_RESEND}5s", f"{_RESEND}1s")


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    replace(file, text.replace(old, new))


@contextlib.contextmanager
def shipped_rules(stack: Stack) -> Iterator[None]:
    """The alert rules as they are shipped."""
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


def replace(path: Path, text: str) -> None:
    """Write as editors do: a new file in the place of the old one."""
    aside = path.with_suffix(".edited")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def loaded(stack: Stack) -> dict[str, dict[str, Any]]:
    """Every rule that Prometheus evaluates, by its name."""
    answer: Any = stack.session.get(stack.url("PROMETHEUS_PORT", "/api/v1/rules"), timeout=10).json()
    return {rule["name"]: rule for group in answer["data"]["groups"] for rule in group["rules"]}
