"""Every option of the command line, from click."""

from collections.abc import Iterator
from typing import Final

import click

from alertscale.__main__ import main
from tools.lookup.filling import Makers
from tools.markdown import code, table


def options() -> str:
    """The table of arguments and options; those that several commands share come first, once."""
    every = {name: list(_of(command)) for name, command in main.commands.items()}
    often = [row for rows in every.values() for row in rows if sum(row in of for of in every.values()) > 1]
    shared = list(dict.fromkeys(often))
    rows = [("those that ask the scaler" if row[0] != "`--json`" else "all", *row) for row in shared]
    rows += [(code(name), *row) for name, of in every.items() for row in of if row not in shared]
    return table(("command", "argument or option", "value", "default", "meaning"), rows)


_ARGUMENTS: Final = {
    "SERVICE": "A service, as in its Compose file, or `project/service` where several projects have one.",
    "N": "How many replicas.",
    "REPLICA": "The id or the name of a replica's container; repeatable.",
    "STEPS": "Which steps to hold.",
    "DIRECTORY": "Where the configuration files are; the current one without it.",
}
"""click has no help for arguments."""


def _of(command: click.Command) -> Iterator[tuple[str, str, str, str]]:
    for parameter in command.params:
        written = ", ".join(code(word) for word in [*parameter.opts, *parameter.secondary_opts])
        meaning = getattr(parameter, "help", None) or ""
        if isinstance(parameter, click.Argument):
            name = parameter.metavar or parameter.human_readable_name.upper()
            written, meaning = code(name), _ARGUMENTS[name]
        yield written, _value(parameter), _default(parameter), meaning


def _value(parameter: click.Parameter) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    match parameter.type:
        case click.Choice() as choice:
            return ", ".join(code(str(word)) for word in choice.choices)
        case click.IntRange() | click.FloatRange() as number:
            kind = "whole number" if isinstance(number, click.IntRange) else "number"
            return f"{kind}, {number.min} to {number.max}" if number.max else f"{kind}, at least {number.min}"
        case kind:
            return {"text": "text", "path": "file", "file": "file", "directory": "directory"}[kind.name]


def _default(parameter: click.Parameter) -> str:
    default = parameter.default
    return code(str(default)) if isinstance(default, str | int | float) and default else ""


MAKERS: Final[Makers] = {"options": options}
"""The block of docs/cli.md."""
