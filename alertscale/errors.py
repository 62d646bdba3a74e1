"""How a command ends: the exit codes, and the errors that lead to them."""

from enum import IntEnum
from typing import Any, Final


class Exit(IntEnum):
    """Every exit code; the name in small letters is the ``reason`` of an error in JSON."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHORIZED = 4
    NOT_REACHED = 5
    UNAVAILABLE = 6
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.OK: "done",
    Exit.REFUSED: "the scaler refused it (no such service, out of bounds); check found errors, or no files",
    Exit.USAGE: "the command line, or a variable that it reads, is wrong",
    Exit.UNREACHABLE: "the scaler cannot be reached",
    Exit.UNAUTHORIZED: "no token, or not the right one",
    Exit.NOT_REACHED: "scale: ordered, but the count was not reached while it waited",
    Exit.UNAVAILABLE: "the scaler cannot do it now, or what answered is not the scaler",
    Exit.INTERRUPTED: "interrupted by Ctrl+C",
}
"""What each exit code means, for --help and the documentation."""


class CliError(Exception):
    """The root of what a command raises; ``str()`` names the place and the value.

    Attributes:
        exit: the exit code.
        way_out: what to do about it.
    """

    exit = Exit.UNAVAILABLE

    def __init__(self, text: str, *, way_out: str) -> None:
        super().__init__(text)
        self.way_out = way_out

    def as_json(self) -> dict[str, Any]:
        """The error as a command with --json prints it."""
        return {
            "error": {
                "reason": self.exit.name.lower(),
                "exit": int(self.exit),
                "text": str(self),
                "way_out": self.way_out,
            }
        }


class RefusedError(CliError):
    """The scaler understood the request and will never do it."""

    exit = Exit.REFUSED


class SettingError(CliError):
    """What was given as the scaler's address, by an option or a variable, cannot be one."""

    exit = Exit.USAGE


class UnreachableError(CliError):
    """Nothing answers where the scaler should."""

    exit = Exit.UNREACHABLE


class UnauthorizedError(CliError):
    """The scaler wants a token, and has not got it or got another one."""

    exit = Exit.UNAUTHORIZED


class UnavailableError(CliError):
    """The scaler answers that it cannot do it now."""

    exit = Exit.UNAVAILABLE


class AnswerError(CliError):
    """What answered is not the scaler, or one of another version."""

    exit = Exit.UNAVAILABLE
