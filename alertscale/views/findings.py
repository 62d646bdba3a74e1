"""What ``check`` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from alertscale.views.parts import foreign
from alertscale.wording import clean, count

if TYPE_CHECKING:
    from alertscale.check import Finding


def findings(found: Sequence[Finding]) -> RenderableType:
    """Return the view of ``alertscale check``."""
    return Group(*_parts(found))


def _parts(found: Sequence[Finding]) -> Iterator[RenderableType]:
    for one in found:
        style = "bold red" if str(one.severity) == "error" else "yellow"
        yield Text.assemble(
            f"{clean(str(one.file))}:{one.line}: ",
            (str(one.severity), style),
            f": {clean(one.text)} ",
            (f"[{one.rule}]", "dim"),
        )
        yield foreign(f"    Way out: {one.way_out}")
    errors = sum(str(one.severity) == "error" for one in found)
    if not found:
        yield Text("Nothing found: the loop should neither fail nor flap.", style="green")
    else:
        yield Text(f"{count(errors, 'error')}, {count(len(found) - errors, 'warning')}")
