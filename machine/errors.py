"""What can keep a machine from being ready; each message ends with the way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class EngineError(Exception):
    """Anything that ends a command of `python3 -m machine` with a message instead of a traceback."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """One thing that this machine lacks.

    Attributes:
        what: What is missing, as a clause.
        way_out: What to do about it, as a command or a sentence.
    """

    what: str
    way_out: str


class NotReadyError(EngineError):
    """The machine lacks something that these programs cannot or may not provide."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        self.missing = tuple(missing)
        lines = ["This machine is not ready for alertscale, and make cannot make it so:"]
        for item in self.missing:
            lines += [f"  - {item.what}", f"      way out: {item.way_out}"]
        super().__init__("\n".join(lines))


class CommandFailedError(EngineError):
    """A program that was run for us failed."""

    def __init__(self, *, title: str, code: int, tail: str, log: Path) -> None:
        self.code = code
        shown = "\n".join(f"    {line}" for line in tail.splitlines())
        super().__init__(
            f"{title}: failed with exit code {code}. The end of {log}:\n{shown}\n"
            f"Way out: put right what the last lines name, then run the same make target again."
        )


class StateError(EngineError):
    """The record of what was installed and started cannot be used."""


class ImageError(EngineError):
    """A pinned image can be neither read from the files, nor pulled, nor made."""


class DaemonError(EngineError):
    """The engine could not be started or stopped."""


class BackupError(EngineError):
    """A backup could not be made, or a file is not one that can be restored."""
