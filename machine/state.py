"""Where these programs work, and the record of what was done, so that `make clean` takes back just that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from machine.errors import StateError

FILE = "state.json"


@dataclass(frozen=True, kw_only=True)
class Started:
    """An engine that we started.

    Attributes:
        units: The systemd units that we started; empty when dockerd was started by hand.
        pid: dockerd's process id, or 0 under systemd.
        birth: dockerd's start time in clock ticks since boot (field 22 of /proc/<pid>/stat), which
            tells it from a later process with the same id.
    """

    units: tuple[str, ...] = ()
    pid: int = 0
    birth: int = 0


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything that was done to this machine from this checkout.

    Attributes:
        packages: Debian packages that were installed.
        compose_plugin: The Compose program that was put in place, or the empty string.
        engine: The engine that was started, or None.
    """

    packages: tuple[str, ...] = ()
    compose_plugin: str = ""
    engine: Started | None = None

    def with_packages(self, packages: tuple[str, ...]) -> State:
        """Return the state with these packages added."""
        return replace(self, packages=tuple(dict.fromkeys(self.packages + packages)))


class StateStore:
    """Keeps the state in a JSON file, replaced as a whole at every change."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def load(self) -> State:
        """Read the state; an absent file is an untouched machine.

        Raises:
            StateError: The file is there and cannot be read.
        """
        if not self._file.exists():
            return State()
        try:
            return decode(json.loads(self._file.read_text(encoding="utf-8")))
        except (ValueError, TypeError, AttributeError, KeyError) as fault:
            raise StateError(
                f"{self._file}: not a state that these programs wrote ({fault}). Way out: look into "
                f"it for what was installed and started, then delete it."
            ) from fault

    def save(self, state: State) -> None:
        """Write the state, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
        aside.replace(self._file)


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where these programs work.

    Attributes:
        checkout: The folder of docker-compose.yml.
    """

    checkout: Path

    @property
    def state(self) -> Path:
        """The git-ignored folder of the record, the logs and whatever is unpacked."""
        return self.checkout / ".alertscale"

    @property
    def logs(self) -> Path:
        """Where the output of long programs goes."""
        return self.state / "log"

    @property
    def store(self) -> StateStore:
        """The record of what was done."""
        return StateStore(self.state)


def decode(raw: dict[str, Any]) -> State:
    """Turn the parsed JSON into a state.

    Raises:
        TypeError, AttributeError, KeyError: It has another form.
    """
    engine = raw.get("engine")
    return State(
        packages=tuple(raw.get("packages", ())),
        compose_plugin=raw.get("compose_plugin", ""),
        engine=None
        if engine is None
        else Started(units=tuple(engine["units"]), pid=engine["pid"], birth=engine["birth"]),
    )
