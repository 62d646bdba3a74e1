"""What the command ``check`` needs of :mod:`alertscale.check`, which is loaded only when it is asked for."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

from alertscale.errors import CliError, Exit


class Finding(Protocol):
    """One thing that would make the loop fail or flap."""

    @property
    def rule(self) -> str:
        """Which rule found it."""

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""

    @property
    def file(self) -> object:
        """Where: the file."""

    @property
    def line(self) -> int:
        """Where: the line, from 1."""

    @property
    def text(self) -> str:
        """What is wrong, with the value."""

    @property
    def way_out(self) -> str:
        """What to do about it."""


class Files(Protocol):
    """The files of one installation."""

    @property
    def compose(self) -> Any:  # noqa: ANN401 - handed on as it is
        """The Compose files, in the order of ``docker compose -f``."""

    @property
    def rules(self) -> Any:  # noqa: ANN401
        """The files of rules."""

    @property
    def prometheus(self) -> Any:  # noqa: ANN401
        """Prometheus' configuration."""

    @property
    def alertmanager(self) -> Any:  # noqa: ANN401
        """Alertmanager's configuration."""


class Checker(Protocol):
    """The package that checks."""

    def find_files(self, directory: Path) -> Files:
        """Find the files of the installation in a directory."""

    def check(
        self,
        *,
        compose: object,
        rules: object,
        prometheus: object,
        alertmanager: object,
        environment: Mapping[str, str] | None,
    ) -> Iterable[Finding]:
        """Check them, with the variables that Compose would fill in."""


class UncheckableError(CliError):
    """There is nothing to check, or it cannot be looked for."""

    exit = Exit.REFUSED


_ANOTHER: Final = "give the folder with docker-compose.yml: alertscale check DIRECTORY"


def load() -> Checker:
    """Load the package that checks, and what it needs to read YAML."""
    return cast("Checker", importlib.import_module("alertscale.check"))


def findings_in(
    directory: Path, checker: Checker, *, environment: Mapping[str, str] | None
) -> tuple[Finding, ...]:
    """Check an installation.

    Args:
        directory: that of its Compose file.
        checker: what checks.
        environment: goes before its ``.env``, as in Compose; None to leave out what needs a variable.

    Raises:
        UncheckableError: there are none of its files, or the directory cannot be looked into.
    """
    try:
        files = checker.find_files(directory)
    except OSError as error:
        way_out = f"make it readable for you, or {_ANOTHER}"
        raise UncheckableError(f"{directory}: cannot be looked into: {error}", way_out=way_out) from error
    if not (files.compose or files.rules or files.prometheus or files.alertmanager):
        raise UncheckableError(
            f"{directory}: there is no Compose file, prometheus.yml or alertmanager.yml", way_out=_ANOTHER
        )
    return tuple(
        checker.check(
            compose=files.compose,
            rules=files.rules,
            prometheus=files.prometheus,
            alertmanager=files.alertmanager,
            environment=environment,
        )
    )


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return findings as ``check --json`` prints them."""
    found = list(findings)
    severities = Counter(str(one.severity) for one in found)
    return {
        "errors": severities["error"],
        "warnings": severities["warning"],
        "findings": [
            {
                "rule": str(one.rule),
                "severity": str(one.severity),
                "file": str(one.file),
                "line": one.line,
                "text": one.text,
                "way_out": one.way_out,
            }
            for one in found
        ],
    }
