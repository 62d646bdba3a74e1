"""What the command ``check`` makes of :mod:`alertscale.check`, which is loaded only when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alertscale.errors import CliError, Exit

if TYPE_CHECKING:
    from alertscale.check import Report


class UncheckableError(CliError):
    """There is nothing to check, or it cannot be looked for."""

    exit = Exit.REFUSED


_ANOTHER: Final = "give the folder with docker-compose.yml: alertscale check DIRECTORY"


def report_on(directory: Path, *, environment: Mapping[str, str] | None) -> Report:
    """Check an installation.

    Args:
        directory: that of its Compose file.
        environment: goes before its ``.env``, as in Compose; None to leave out what needs a variable.

    Raises:
        UncheckableError: there are none of its files, or the directory cannot be looked into.
    """
    from alertscale import check  # noqa: PLC0415 - it loads parsers that no other command needs

    try:
        # A folder that may not be looked into would look like an empty one.
        next(directory.iterdir(), None)
        report = check.check(directory, environment=environment)
    except OSError as error:
        way_out = f"make it readable for you, or {_ANOTHER}"
        raise UncheckableError(f"{directory}: cannot be looked into: {error}", way_out=way_out) from error
    if report.is_empty:
        raise UncheckableError(
            f"{directory}: there is no Compose file, prometheus.yml or alertmanager.yml", way_out=_ANOTHER
        )
    return report


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as ``check --json`` prints it."""
    severities = Counter(str(one.severity) for one in report.findings)
    return {
        "errors": severities["error"],
        "warnings": severities["warning"],
        "findings": [asdict(one) | {"file": str(one.file)} for one in report.findings],
        "read": {
            "files": [asdict(one) | {"files": [str(file) for file in one.files]} for one in report.sources],
            "services": report.services,
            "scaled": report.scaled,
            "alerts": report.alerts,
            "routes": report.routes,
        },
    }
