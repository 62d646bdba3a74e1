"""Says what would make the loop fail or flap, from the files alone. docs/check.md explains each rule."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from alertscale.check.disk import Disk
from alertscale.check.files import Finder
from alertscale.check.findings import Finding, Rule, Severity, finding, in_order, severity_of
from alertscale.check.layers import find_layers
from alertscale.check.report import Report, Source, report
from alertscale.check.rules import RULES
from alertscale.check.seen import Scope
from alertscale.check.setup import read_setup
from alertscale.check.stacking import read_stack

__all__ = ["Finding", "Report", "Rule", "Severity", "Source", "check", "severity_of"]

_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})


def check(directory: Path, *, environment: Mapping[str, str] | None = _NO_ENVIRONMENT) -> Report:
    """Check a project; what cannot be read is a finding too.

    Args:
        directory: that of its Compose file.
        environment: variables for ``${...}`` in Compose files, such as ``os.environ``; ``.env`` is read too.
            None if neither they nor all files of the project are at hand: what needs a variable is left out
            then, and no file is said to be missing.

    Returns:
        What was read, and all findings, by file and line.
    """
    findings: list[Finding] = []
    disk = Disk(findings=findings)
    layers = find_layers(directory, environment=environment, disk=disk)
    stack = read_stack(layers, findings=findings)
    scope = Scope(directory=directory, whole=environment is not None)
    finder = Finder(stack=stack, scope=scope, disk=disk)
    setup = read_setup(stack, finder.documents(), findings=findings)
    for rule, find in RULES.items():
        findings += [finding(rule, *found) for found in find(setup)]
    return report(layers, setup, in_order(findings))
