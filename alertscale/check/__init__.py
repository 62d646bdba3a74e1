"""Says what would make the loop fail or flap, from the files alone. docs/check.md explains each rule."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from alertscale.check.files import Files, find_files, load
from alertscale.check.findings import Finding, Rule, Severity, finding, in_order, severity_of
from alertscale.check.rules import RULES
from alertscale.check.setup import read_setup

__all__ = ["Files", "Finding", "Rule", "Severity", "check", "find_files", "severity_of"]

_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})


def check(files: Files, *, environment: Mapping[str, str] | None = _NO_ENVIRONMENT) -> tuple[Finding, ...]:
    """Check files; what cannot be read is a finding too.

    Args:
        files: ``.env`` beside the first Compose file is read too; a part that is not given leaves out what
            needs it.
        environment: variables for ``${...}`` in Compose files, such as ``os.environ``; None if neither they
            nor ``.env`` are at hand, and what needs a variable is to be left out.

    Returns:
        All findings, by file and line.
    """
    findings: list[Finding] = []
    setup = read_setup(load(files, environment=environment, findings=findings), findings=findings)
    for rule, find in RULES.items():
        findings += [finding(rule, *found) for found in find(setup)]
    return in_order(findings)
