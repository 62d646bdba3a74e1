"""At the scaler's start: ``alertscale check`` on the stack's own files, for the status page and the log.

It runs as a program of its own, which takes with it the memory that reading YAML and PromQL needs. Nothing
waits for it, and what it finds changes nothing that the scaler does.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from scaler.model.errors import AlertscaleError
from scaler.model.reasons import ErrorReason

log = structlog.get_logger()

COMMAND: Final = ("alertscale", "check", "--json", "--without-variables")
"""``.env`` stays on the machine, since it holds a password: what needs a variable is left out."""

PATIENCE: Final = 60.0
_ENDED_WELL: Final = frozenset({0, 1})
"""Exit codes of ``alertscale check`` with a report: nothing worse than warnings, or errors."""
_TOLD: Final = 500


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that would make the loop fail or flap; ``docs/check.md`` explains each rule.

    Attributes:
        rule: which rule found it.
        severity: ``error`` or ``warning``.
        place: file and line, the file from the stack's directory.
        text: one sentence with the value.
        way_out: what to do about it.
    """

    rule: str
    severity: str
    place: str
    text: str
    way_out: str


class CheckFailedError(AlertscaleError):
    """The files could not be checked."""

    reason = ErrorReason.INTERNAL


@dataclass(kw_only=True, eq=False)
class SelfCheck:
    """What was found, once it is.

    Args:
        directory: the stack's files, laid out as in the checkout; one that is not there is not checked.
        survived: told of a check that could not be run.
        command: the program, before the directory.
    """

    directory: Path
    survived: Callable[[str, AlertscaleError], None]
    command: Sequence[str] = COMMAND
    _findings: tuple[Finding, ...] = field(default=(), init=False)

    def findings(self) -> tuple[Finding, ...]:
        """What was found; nothing while it is not known yet."""
        return self._findings

    def run(self) -> None:
        """Check now; takes about a second."""
        if not self.directory.is_dir():
            log.info("the stack's files are not checked", missing=str(self.directory))
            return
        try:
            self._findings = read_report(self._report(), directory=self.directory)
        except CheckFailedError as error:
            self.survived("check of the configuration files", error)
            return
        for finding in self._findings:
            log.warning("check", **asdict(finding))

    def _report(self) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - our own program, and a directory of the settings
                [*self.command, str(self.directory)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CheckFailedError(f"{self.command[0]} check cannot be run: {error}") from error
        if done.returncode not in _ENDED_WELL:
            said = (done.stderr or done.stdout).strip()[:_TOLD]
            raise CheckFailedError(f"{self.command[0]} check ended with {done.returncode}: {said}")
        return done.stdout


def read_report(text: str, *, directory: Path) -> tuple[Finding, ...]:
    """Read what ``alertscale check --json`` prints.

    Args:
        text: the document.
        directory: left out of the places.

    Raises:
        CheckFailedError: it says that nothing could be checked, or is not such a document.
    """
    try:
        document: dict[str, Any] = json.loads(text)
        if "error" in document:
            text, way_out = document["error"]["text"], document["error"]["way_out"]
            raise CheckFailedError(f"check: {text}. Way out: {way_out}")
        found: list[dict[str, Any]] = document["findings"]
        return tuple(_finding(one, directory=directory) for one in found)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailedError(f"alertscale check printed no report: {text[:_TOLD]!r}") from error


def _finding(one: dict[str, Any], *, directory: Path) -> Finding:
    file = str(one["file"]).removeprefix(f"{directory}/")
    said = {name: str(one[name]) for name in ("rule", "severity", "text", "way_out")}
    return Finding(place=f"{file}:{one['line']}", **said)
