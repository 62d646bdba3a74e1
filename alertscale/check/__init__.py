"""Says what would make the loop fail or flap, from the files alone. docs/check.md explains each rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from alertscale.check.files import Files, find_files, load
from alertscale.check.findings import Finding, Rule, Severity, in_order, severity_of
from alertscale.check.rules import RULES
from alertscale.check.setup import Documents, read_setup

__all__ = ["Files", "Finding", "Rule", "Severity", "check", "find_files", "severity_of"]

_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})


def check(
    *,
    compose: tuple[Path, ...],
    rules: tuple[Path, ...],
    prometheus: Path | None,
    alertmanager: Path | None,
    environment: Mapping[str, str] | None = _NO_ENVIRONMENT,
) -> tuple[Finding, ...]:
    """Check files; what cannot be read is a finding too.

    Args:
        compose: Compose files, in the order of ``docker compose -f``; ``.env`` beside the first is read.
        rules: Prometheus' rule files.
        prometheus: ``prometheus.yml``; None leaves out what needs it.
        alertmanager: ``alertmanager.yml``; None leaves out what needs it.
        environment: variables for ``${...}`` in Compose files, such as ``os.environ``; None if neither they
            nor ``.env`` are at hand, and what needs a variable is to be left out.

    Returns:
        All findings, by file and line.
    """
    findings: list[Finding] = []
    files = Files(compose=compose, rules=rules, prometheus=prometheus, alertmanager=alertmanager)
    documents = load(files, environment=environment, findings=findings)
    return in_order([*findings, *_examine(documents)])


def _examine(documents: Documents) -> tuple[Finding, ...]:
    """Check what has been read. Pure.

    Args:
        documents: the trees of the files.

    Returns:
        All findings, by file and line.
    """
    findings: list[Finding] = []
    setup = read_setup(documents, findings=findings)
    for rule in RULES.values():
        findings += rule(setup)
    return in_order(findings)
