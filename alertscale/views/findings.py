"""What ``check`` found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from alertscale.views.parts import foreign
from alertscale.wording import clean, count

if TYPE_CHECKING:
    from alertscale.check import Report


def findings(report: Report) -> RenderableType:
    """Return the view of ``alertscale check``."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    for one in report.findings:
        style = "bold red" if str(one.severity) == "error" else "yellow"
        yield Text.assemble(
            f"{clean(str(one.file))}:{one.line}: ",
            (str(one.severity), style),
            f": {clean(one.text)} ",
            (f"[{one.rule}]", "dim"),
        )
        yield foreign(f"    Way out: {one.way_out}")
    for source in report.sources:
        files = ", ".join(map(str, source.files)) or "not found"
        note = f" ({source.note})" if source.note else ""
        yield foreign(f"{source.name}: {files}{note}", "" if source.files else "yellow")
    errors = sum(str(one.severity) == "error" for one in report.findings)
    warnings = len(report.findings) - errors
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}" if report.findings else _none(report)
    read = f"{count(report.scaled, 'scaled service')}, {count(report.alerts, 'alert')}"
    others = f"; the scaler is for {', '.join(map(clean, report.others))}" if report.others else ""
    absent = f"{others}; not found: {', '.join(report.absent)}" if report.absent else others
    style = "" if report.findings or report.absent or report.unfollowed else "green"
    yield Text(f"{found}: {read}, {count(report.routes, 'route')} read{absent}", style=style)


def _none(report: Report) -> str:
    # Labels of ours may stand in what was not read.
    return "No fault in what was read, which is not all" if report.unfollowed else "No fault found"
