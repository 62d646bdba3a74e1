"""An entry of the history, as one line."""

from typing import Final

from rich.text import Text

from alertscale.model import Event
from alertscale.wording import Times, clean

_STYLES: Final = {"fault": "bold red", "manual": "cyan", "step": "bold", "started": "dim", "reload": "dim"}
_WIDEST_KIND: Final = 8


def line(event: Event, times: Times) -> Text:
    """Return one entry: time, kind, service, text."""
    style = "bold red" if (event.kind, event.reason) == ("step", "failed") else _STYLES.get(event.kind, "")
    return Text.assemble(
        (times.at(event.at), "dim"),
        f"  {clean(event.kind):<{_WIDEST_KIND}}  ",
        (f"{clean(event.service)}  " if event.service else "", "bold"),
        (clean(event.text), style),
    )
