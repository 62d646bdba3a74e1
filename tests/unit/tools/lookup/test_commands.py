"""docs/cli.md has every command, argument and option that the command line has."""

from __future__ import annotations

import click
import pytest

from alertscale.__main__ import main
from tools.lookup.commands import options
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")
PARAMETERS = [
    pytest.param(name, parameter, id=f"{name} {parameter.opts[0]}")
    for name, command in main.commands.items()
    for parameter in command.params
]


@pytest.mark.parametrize(("command", "parameter"), PARAMETERS)
def test_an_argument_or_option_has_a_row_with_its_default_and_meaning(
    command: str, parameter: click.Parameter
) -> None:
    if isinstance(parameter, click.Argument):
        written, meaning = f"`{parameter.metavar or parameter.human_readable_name.upper()}`", ""
    else:
        written = ", ".join(f"`{word}`" for word in parameter.opts)
        meaning = str(getattr(parameter, "help", ""))
    rows = [
        line
        for line in PAGE.splitlines()
        if f"| {written} |" in line
        and line.startswith((f"| `{command}` |", "| all |", "| those that ask the scaler |"))
    ]
    assert len(rows) == 1
    assert meaning in rows[0]
    if parameter.default in {50, 120}:
        assert f"| `{parameter.default}` |" in rows[0]


def test_what_all_commands_have_is_told_once() -> None:
    assert options().count("| `--json` |") == 1
    assert options().count("| `--url` |") == 1
