"""Every error message, from where our own exceptions are made and from what the scripts say of faults."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

from tools.markdown import table

REPOSITORY: Final = Path(__file__).parents[2]

PROGRAMS: Final = ("alertscale", "scaler", "exporter", "service", "machine", "locust")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """A text that a person may see.

    Attributes:
        text: with a word in angle brackets for each part that differs.
        error: the name of its class.
        file: where it is made, relative to the repository.
        line: likewise, from 1 on.
        way_out: what its argument ``way_out`` says; empty where there is none.
        reason: the member of ErrorReason or Reason that the call names; empty where it names none.
    """

    text: str
    error: str
    file: str
    line: int = field(compare=False)
    way_out: str = ""
    reason: str = ""


class UnreadableError(ValueError):
    """A text has no fixed word; ``str()`` names the file and the line."""


def classes(sources: Mapping[str, str]) -> frozenset[str]:
    """Return the names of all exceptions that these sources define, by their bases."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for text in sources.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }
    found: set[str] = {"Exception"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return frozenset(found - {"Exception"} | {"Missing"} & bases.keys() | {"ValueError"})


def _words(node: ast.expr) -> str:
    text = ast.unparse(node)
    names = re.findall(r"[A-Za-z]\w*", re.sub(r"'[^']*'", "", text))
    names = [
        n.strip("_") for n in names if n not in {"self", "str", "join", "repr", "len", "sorted", "strip"}
    ]
    return f"<{(names[-1] if names else 'value').lower().replace('_', ' ')}>"


def rendered(node: ast.expr, known: Mapping[str, ast.expr]) -> tuple[str, ...]:
    """Return each text that an expression can be, with placeholders."""
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.JoinedStr(values=parts):
            every = [
                rendered(p.value, known) if isinstance(p, ast.FormattedValue) else rendered(p, known)
                for p in parts
            ]
            return tuple("".join(one) for one in product(*every))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return tuple(a + b for a, b in product(rendered(left, known), rendered(right, known)))
        case ast.IfExp(body=body, orelse=orelse):
            return rendered(body, known) + rendered(orelse, known)
        case ast.Name() | ast.Attribute() if (name := ast.unparse(node)) in known:
            return rendered(known[name], {k: v for k, v in known.items() if k != name})
        case _:
            return (_words(node),)


def _assigned(body: Iterable[ast.AST]) -> dict[str, ast.expr]:
    found: dict[str, list[ast.expr]] = {}
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name() | ast.Attribute() as target], value=value):
                found.setdefault(ast.unparse(target), []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
    texts = ast.Constant | ast.JoinedStr | ast.BinOp | ast.IfExp
    return {name: of[0] for name, of in found.items() if len(of) == 1 and isinstance(of[0], texts)}


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A call, and where it stands.

    Attributes:
        node: the call.
        function: the innermost one around it; None at the top of the module.
        owner: the class around that; empty where there is none.
    """

    node: ast.Call
    function: Function | None
    owner: str

    @property
    def name(self) -> str:
        """What is called, without what stands before its last dot."""
        match self.node.func:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name
            case _:
                return ""

    @property
    def error(self) -> str:
        """The class that is made: also by its own ``super().__init__``."""
        return self.owner if ast.unparse(self.node.func) == "super().__init__" else self.name


def _calls(tree: ast.Module) -> Iterator[_Call]:
    def within(node: ast.AST, function: Function | None, owner: str) -> Iterator[_Call]:
        if isinstance(node, ast.Call):
            yield _Call(node=node, function=function, owner=owner)
        inner = node if isinstance(node, Function) else function
        around = node.name if isinstance(node, ast.ClassDef) else owner
        for child in ast.iter_child_nodes(node):
            yield from within(child, inner, around)

    yield from within(tree, None, "")


def _one_of(texts: tuple[str, ...]) -> ast.expr:
    first, *others = texts
    made = ast.Constant(value=first)
    return ast.IfExp(test=made, body=made, orelse=_one_of(tuple(others))) if others else made


def _given(call: _Call, function: Function, known: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
    """Return what a call gives to the parameters of a function, as its caller would read it."""
    names = [a.arg for a in function.args.args if a.arg not in {"self", "cls"}]
    bound = dict(zip(names, call.node.args, strict=False)) | {
        word.arg: word.value for word in call.node.keywords if word.arg
    }
    return {name: _one_of(rendered(value, known)) for name, value in bound.items()}


def _places(
    made: _Call, calls: Iterable[_Call], constants: Mapping[str, ast.expr]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, ast.expr]]]:
    """Yield the functions that a text goes through, and what its names stand for: once for each caller.

    One that nobody in its module calls stands for itself.
    """
    function = made.function
    if function is None:
        yield ("",), constants
        return
    known = {**constants, **_assigned(ast.walk(function))}
    parameters = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
    used = {n.id for n in ast.walk(made.node) if isinstance(n, ast.Name)} | {
        n.id for value in known.values() for n in ast.walk(value) if isinstance(n, ast.Name)
    }
    callers = [c for c in calls if c.name == function.name and c.function is not None]
    if not callers or not parameters & used or function.name == "__init__":
        yield (function.name,), known
        return
    for caller in callers:
        around = caller.function
        theirs = {**constants, **(_assigned(ast.walk(around)) if around else {})}
        yield (function.name, around.name if around else ""), {**known, **_given(caller, function, theirs)}


def messages(
    text: str, *, file: str, own: frozenset[str], passed: frozenset[str] = frozenset()
) -> Iterator[Message]:
    """Yield what one source can say.

    A function that puts its arguments into the text of an error is followed to its callers in that source.

    Args:
        text: of the source.
        file: its name.
        own: the names of exceptions of ours.
        passed: functions, as "file:function", where a text without a fixed word is right.

    Raises:
        UnreadableError: a text has no fixed word, and its function is not in ``passed``.
    """
    tree = ast.parse(text)
    constants = _assigned(tree.body)
    calls = tuple(_calls(tree))
    for call in calls:
        words = {k.arg: k.value for k in call.node.keywords}
        told = call.node.args[0] if call.node.args else words.get("what")
        if call.error not in own or told is None:
            continue
        reason = words.get("reason")
        named = reason.attr.lower() if isinstance(reason, ast.Attribute) else ""
        for functions, known in _places(call, calls, constants):
            way_out = " / ".join(rendered(words["way_out"], known)) if "way_out" in words else ""
            for one in rendered(told, known):
                if re.search(r"\w", re.sub(r"<[^<>]*>", "", one)):
                    line = call.node.lineno
                    yield Message(
                        text=one, error=call.error, file=file, line=line, way_out=way_out, reason=named
                    )
                elif "__init__" not in functions and not passed & {f"{file}:{name}" for name in functions}:
                    raise UnreadableError(f"{file}:{call.node.lineno}: {one} has no fixed word")


PASSED: Final[Mapping[str, str]] = {
    "alertscale/check/tree.py:read": "a text of the YAML parser",
    "alertscale/client.py:_failure": "the scaler's own sentence, which is in its table",
    "scaler/policy/signals.py:parse": "what the schema of an alert wants, with its place",
    "scaler/loop/autoscaler.py:run": "the text of the error that was caught",
    "scaler/loop/autoscaler.py:_find": "faults of labels: docs/labels.md",
    "scaler/steps/runner.py:_run": "the text of the error that was caught",
    "scaler/model/labels.py:read_limits": "faults of labels: docs/labels.md",
    "scaler/monitoring_password.py:read_login": "faults of variables: docs/settings.md",
    "scaler/monitoring_password.py:_print_hash": "faults of variables: docs/settings.md",
    "scaler/engines/refusals.py:refusal": "the engine's own words",
    "scaler/settings.py:read_settings": "faults of variables: docs/settings.md",
    "scaler/engines/compose.py:_model": "the text of the error that was caught",
    "exporter/cgroup.py:_read": "a path alone",
    "exporter/settings.py:read_settings": "faults of variables: docs/settings.md",
    "service/settings.py:read_settings": "faults of variables: docs/settings.md",
    "machine/cluster.py:start": "the list of what is missing, each an entry of the table",
    "machine/plan.py:decide": "the list of what is missing, each an entry of the table",
    "machine/stand_ins.py:lacks_mmdebstrap": "the list of what is missing, each an entry of the table",
    "machine/swarm.py:up": "the list of what is missing, each an entry of the table",
    "machine/swarm.py:possible": "the list of what is missing, each an entry of the table",
    "machine/venv.py:make": "the list of what is missing, each an entry of the table",
    "machine/venv.py:_provide_venv": "the list of what is missing, each an entry of the table",
    "locust/loadtest/mix.py:read_mix": "the word of LOCUST_MIX that cannot be read: docs/settings.md",
    "locust/loadtest/settings.py:read_settings": "faults of variables: docs/settings.md",
}
"""Where a text has no fixed word, as "file:function", and what it is then."""

_STRING: Final = r'"((?:[^"\\]|\\.)*)"'
_SHELL: Final = re.compile(
    rf"(?<![\w-])(die|fail|give_up|missing|say (?:ERROR|WARN)) {_STRING}(?: (?:\\\n *)?{_STRING})?"
)
_ECHO: Final = re.compile(rf"(?<![\w-])(echo) ({_STRING}(?:\s*\\?\s*{_STRING})*) *>&2")
_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "deploy": ("deploy/*.sh", "deploy/server/*.sh"),
    "nginx": ("nginx/*.sh", "nginx/tls/*.sh"),
    "alertmanager": ("alertmanager/*.sh",),
    "locust": ("locust/*.sh",),
}
_PART: Final = re.compile(r"\$\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\$\{!?(\w+)[^}]*\}|\$(\w+)|\$[*@#]")


def of_script(text: str, *, file: str) -> Iterator[Message]:
    """Yield what a script says of faults, with placeholders for its variables.

    That is what its helpers (``die`` and the like) are given, and what it echoes to the standard error.
    """

    def part(found: re.Match[str]) -> str:
        name = found[1] or found[2] or ""
        return f"<{name.lower().replace('_', ' ')}>" if name[:1].isalpha() else "<value>"

    plain = _PART.sub(part, text.replace("$0", Path(file).name))
    said = [(found, found[2], found[3] or "") for found in _SHELL.finditer(plain)]
    said += [(found, " ".join(re.findall(_STRING, found[2])), "") for found in _ECHO.finditer(plain)]
    for found, told, way_out in said:
        if re.search(r"\w", re.sub(r"<[^<>]*>", "", told)):
            line = plain.count("\n", 0, found.start()) + 1
            shown, out = told.replace("\\", ""), way_out.replace("\\", "")
            yield Message(text=shown, error=found[1], file=file, line=line, way_out=out)


def python_sources() -> Mapping[str, str]:
    """Return the product's Python files, by their paths in the repository."""
    return {
        file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8")
        for program in PROGRAMS
        for file in (REPOSITORY / program).rglob("*.py")
    }


def everything() -> Mapping[str, tuple[Message, ...]]:
    """Return what each program can say, sorted by file and text.

    Raises:
        UnreadableError: a text cannot be read.
    """
    sources = python_sources()
    own, passed = classes(sources), frozenset(PASSED)
    found = {
        program: [
            one
            for file, text in sources.items()
            if file.startswith(f"{program}/")
            for one in messages(text, file=file, own=own, passed=passed)
        ]
        for program in PROGRAMS
    }
    for program, patterns in _SCRIPTS.items():
        scripts = [file for pattern in patterns for file in REPOSITORY.glob(pattern)]
        found[program] = found.get(program, []) + [
            one
            for file in scripts
            for one in of_script(
                file.read_text(encoding="utf-8"), file=file.relative_to(REPOSITORY).as_posix()
            )
        ]
    return {
        program: tuple(sorted(set(of), key=lambda m: (m.file, m.text, m.way_out, m.error, m.reason)))
        for program, of in found.items()
    }


def page() -> str:
    """Return docs/messages.md. Raises as ``everything``."""
    parts = [_HEAD]
    for program, found in everything().items():
        rows = [(_code(m.text), _code(m.way_out), _kind(m), _code(m.file)) for m in found]
        if rows:
            parts.append(f"## {program}\n\n{table(('message', 'way out', 'error', 'made in'), rows)}")
    return "\n".join(parts)


def _code(text: str) -> str:
    shown = " ".join(text.split())
    if not shown:
        return ""
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _kind(message: Message) -> str:
    return f"[`{message.reason}`](errors.md)" if message.reason else _code(message.error)


_HEAD: Final = """# Messages

What the programs say when something is wrong, as it stands in the code. This page is made from it:
`make pages`. Search for a part of the text that never differs; a word in `<angle brackets>` stands for one
that does. The reasons and exit codes are in [errors.md](errors.md), what is said of labels in
[labels.md](labels.md), of variables in [settings.md](settings.md), and what `alertscale check` finds in
[check.md](check.md).

Not here: the words of other programs (the Docker Engine, nginx, Compose), which are passed on as they are.
"""
