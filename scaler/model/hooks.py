"""What a service runs in a replica after its start and before its stop: Compose's hooks."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class HookKind(StrEnum):
    """When a hook is run; Compose's words."""

    POST_START = "post_start"
    """After the start, before the replica may get requests."""
    PRE_STOP = "pre_stop"
    """When it gets no more requests, before the signal to stop."""


@dataclass(frozen=True, kw_only=True)
class Hook:
    """One command, run in the container.

    Attributes:
        command: program and arguments.
        user: who runs it; empty for the container's own.
        privileged: with all rights on the machine.
        working_dir: where; empty for the container's own.
        environment: ``NAME=value`` each, on top of the container's; a name alone is taken out of it.
    """

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: tuple[str, ...] = ()


_KEYS: Final = frozenset(Hook.__dataclass_fields__)
_FORM: Final = (
    """a JSON list of hooks as Compose has them, such as [{"command": ["/warm"], "user": "root"}]"""
)


def read_hooks(text: str) -> tuple[Hook, ...]:
    """Read a label.

    Args:
        text: JSON, a list of hooks as ``docker compose config --format json`` shows them.

    Raises:
        ValueError: it is of another form; completes the sentence "is not …".
    """
    try:
        return hooks_of(json.loads(text))
    except (ValueError, RecursionError):
        raise ValueError(_FORM) from None


def hooks_of(value: object) -> tuple[Hook, ...]:
    """Read hooks in any form that Compose takes.

    Args:
        value: what stands under ``post_start`` or ``pre_stop``, variables replaced.

    Raises:
        ValueError: it is of another form.
    """
    if isinstance(value, list):
        return tuple(_hook(one) for one in value)
    raise ValueError(_FORM)


def _hook(value: object) -> Hook:
    if not isinstance(value, dict) or not value.keys() <= _KEYS:
        raise ValueError(_FORM)
    command, privileged = value.get("command"), value.get("privileged") or False
    words = shlex.split(command) if isinstance(command, str) else command
    texts = ["" if value.get(name) is None else value[name] for name in ("user", "working_dir")]
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) for word in [*words, *texts])
        or not isinstance(privileged, bool)
    ):
        raise ValueError(_FORM)
    return Hook(
        command=tuple(words),
        user=texts[0],
        privileged=privileged,
        working_dir=texts[1],
        environment=tuple(_environment(value.get("environment") or {})),
    )


def _environment(value: object) -> Iterator[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        yield from sorted(value)
    elif isinstance(value, dict):
        for name in sorted(value):
            yield name if value[name] is None else f"{name}={_said(value[name])}"
    else:
        raise ValueError(_FORM)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(_FORM)


def written(hook: Hook) -> Mapping[str, Any]:
    """A hook as a label holds it, without what is left at its default."""
    whole: dict[str, Any] = {
        "command": list(hook.command),
        "user": hook.user,
        "privileged": hook.privileged,
        "working_dir": hook.working_dir,
        "environment": list(hook.environment),
    }
    return {name: value for name, value in whole.items() if value}
