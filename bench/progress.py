"""Progress on a terminal as a moving line, elsewhere as a line every few seconds."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from bench.benchmark import Progress
from bench.words import number

_SECONDS_BETWEEN_LINES: Final = 15.0


class LiveProgress:
    """One line on the screen, for the part that is under way."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def stage(self, text: str, *, total: float | None = None) -> None:
        """Begin a part."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text, total=total, note="")

    def at(self, done: float, note: str = "") -> None:
        """So far."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, note=note)


class PlainProgress:
    """Lines, for a log: each part's beginning, and where it is every fifteen seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total: float | None = None
        self._text = ""
        self._begun = self._told = time.monotonic()

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


@contextlib.contextmanager
def progress_on(console: Console) -> Iterator[Progress]:
    """The kind that suits where it is shown; nothing of a moving line is left behind."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        yield LiveProgress(bar)
