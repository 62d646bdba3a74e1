"""What several views share: consoles, tables, colours."""

import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alertscale.model import Replica
from alertscale.wording import clean

_LOG_WIDTH: Final = 200
"""Columns where there is no terminal: a log has no width."""

_STATE_STYLES: Final = {"ready": "green", "starting": "yellow", "draining": "yellow", "failed": "bold red"}


def console_on(stream: str, *, quiet: bool = False) -> Console:
    """Return a console, with colour only when it is a terminal.

    Args:
        stream: ``stdout`` or ``stderr``.
        quiet: it shows nothing of what it is given.
    """
    file = sys.stderr if stream == "stderr" else sys.stdout
    console = Console(file=file, highlight=False, markup=False, emoji=False, quiet=quiet)
    if not console.is_terminal:
        console.width, console.no_color = _LOG_WIDTH, True
    return console


def table(*columns: str) -> Table:
    """Return an empty table without lines."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def replica_table(replicas: Iterable[Replica]) -> Table:
    """Return replicas, each with its state, what it uses if that is known, address and detail."""
    replicas = tuple(replicas)
    measured = any(share is not None for r in replicas for share in (r.cpu, r.memory))
    rows = table("REPLICA", "STATE", *(("CPU", "MEMORY") if measured else ()), "ADDRESS", "")
    for replica in replicas:
        shares = (Text(_share(replica.cpu)), Text(_share(replica.memory))) if measured else ()
        rows.add_row(
            foreign(replica.name),
            _state(replica.state),
            *shares,
            foreign(replica.address),
            foreign(replica.detail),
        )
    return rows


def _share(share: float | None) -> str:
    return "?" if share is None else f"{share * 100:.0f} %"


def _state(word: str) -> Text:
    return Text(clean(word), style=_STATE_STYLES.get(word, ""))


def foreign(text: str, style: str = "") -> Text:
    """Return text of others, with nothing in it that a terminal would obey."""
    return Text(clean(text), style=style)
