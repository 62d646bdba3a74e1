"""The house stays one that a newcomer finds a way in: how long, how wide and how full things may be."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = {p.relative_to(ROOT): ast.parse(p.read_text("utf-8")) for p in ROOT.glob("scaler/**/*.py")}

MOST_ARGUMENTS = 8
"""Of a constructor; what belongs together is one value."""

FLAT = {
    # Where we run, as the engine tells it in one go; passed on whole.
    "scaler/engines/contract.py: Place": 9,
    # What an engine says of one container; the engines alone make it.
    "scaler/model/services.py: Replica": 13,
    # Several threads replace its fields one by one, and all read them: ``view.serving``.
    "scaler/model/view.py: View": 11,
    # What the next is made of.
    "scaler/loop/views.py: ServiceView": 9,
    # The JSON that the API promises has these side by side.
    "scaler/web/schema.py: Decision": 9,
    "scaler/web/schema.py: History": 10,
    "scaler/web/schema.py: Inputs": 14,
    "scaler/web/schema.py: Limits": 13,
    "scaler/web/schema.py: Service": 16,
}
"""Values that stay wider than that, and how wide."""

LONGEST = 60
"""Lines of a function, with its docstring."""

FEWEST, MOST = 3, 10
"""Modules of a package: fewer are no room, more are no order."""


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each function with its place."""
    for path, module in MODULES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                yield f"{path}: {node.name}", node


def every(arguments: ast.arguments) -> list[ast.arg]:
    """All that a function names."""
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def fields() -> Iterator[tuple[str, list[str]]]:
    """Each class that is described by its fields, dataclass or struct, with those its constructor takes."""
    for path, module in MODULES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                named = [one for one in node.body if isinstance(one, ast.AnnAssign)]
                taken = [ast.unparse(f.target) for f in named if "init=False" not in ast.unparse(f)]
                yield f"{path}: {node.name}", taken


def test_no_constructor_takes_more_than_eight_arguments() -> None:
    taken = {where: len(every(f.args)) - 1 for where, f in functions() if f.name == "__init__"}  # but self
    taken |= {where: len(names) for where, names in fields()}

    assert {where: n for where, n in taken.items() if n > MOST_ARGUMENTS} == FLAT
    assert len(taken) > 100


def test_no_function_is_longer_than_a_screen() -> None:
    long = {where: f.end_lineno - f.lineno + 1 for where, f in functions() if f.end_lineno}

    assert {where: n for where, n in long.items() if n > LONGEST} == {}


def test_a_package_has_three_to_ten_modules() -> None:
    count = Counter(path.parent for path in MODULES if path.name != "__init__.py")

    assert {str(room): n for room, n in count.items() if not FEWEST <= n <= MOST} == {}
    assert len(count) > 10


def test_what_gives_the_time_is_called_by_which_time_it_gives() -> None:
    """``wall`` is seconds since the epoch and may be set, ``monotonic`` is never set back."""
    vague = {where for where, f in functions() for taken in every(f.args) if taken.arg == "clock"}
    vague |= {where for where, names in fields() if "clock" in names}

    assert vague == set()


def test_the_history_has_one_writer() -> None:
    """The journal makes an event of what it reads."""
    makers = {
        path.name
        for path, module in MODULES.items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event"
    }

    assert makers == {"recorder.py", "journal.py"}
