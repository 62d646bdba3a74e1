"""Progress on a terminal as a moving line, elsewhere as a line every few seconds."""

import time
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bench.words import number

_SECONDS_BETWEEN_LINES: Final = 15.0


class LiveProgress:
    """A spinner, a bar and a clock; keeps one line on the screen and leaves nothing behind."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Leave nothing on the screen."""
        self._progress.stop()

    def stage(self, text: str, *, total: float | None = None) -> None:
        """Begin a part."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=total, note="")

    def at(self, done: float, note: str = "") -> None:
        """So far."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, note=note)


class PlainProgress:
    """Lines, for a log: each part's beginning, and where it is every fifteen seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total: float | None = None
        self._text = ""
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """What is printed stays."""

    def stage(self, text: str, *, total: float | None = None) -> None:
        """Begin a part."""
        self._text, self._total = text, total
        self._begun = self._told = time.monotonic()
        self._say(f"{text} ...")

    def at(self, done: float, note: str = "") -> None:
        """So far."""
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES:
            return
        self._told = now
        of = f" of {number(self._total)}" if self._total else ""
        self._say(f"{self._text}: {number(round(done))}{of}, {note}, {now - self._begun:.0f} s")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def progress_on(console: Console) -> LiveProgress | PlainProgress:
    """The kind that suits where it is shown."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
