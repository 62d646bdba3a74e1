"""The environment, read once into frozen settings; every fault is reported, not only the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class SettingsError(Exception):
    """The environment cannot be read as settings.

    Attributes:
        faults: One sentence per faulty variable: its name, its value and what is allowed.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator may set.

    Attributes:
        port: TCP port to listen on.
        threads: Requests that run at the same time; more of them wait in a queue.
        linger_seconds: Time without a request after SIGTERM, past which connections are refused.
        grace_seconds: Longest time that accepted requests may take to finish after SIGTERM.
        memory_limit_mb: Most memory (MiB) that `POST /memory` holds in total.
    """

    port: int
    threads: int
    linger_seconds: float
    grace_seconds: float
    memory_limit_mb: int


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; a variable that is unset or empty has its default.

    Raises:
        SettingsError: At least one variable is not a number or is out of range.
    """
    faults: list[str] = []

    def number(name: str, *, default: float, low: float, high: float, whole: bool) -> float:
        text = environ.get(name, "")
        if not text:
            return default
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        kind = "a whole number" if whole else "a number"
        faults.append(f"{name}={text!r}: must be {kind} from {low:g} to {high:g}")
        return default

    settings = Settings(
        port=int(number("PORT", default=5000, low=1, high=65535, whole=True)),
        threads=int(number("THREADS", default=8, low=1, high=64, whole=True)),
        linger_seconds=number("LINGER_SECONDS", default=1, low=0, high=60, whole=False),
        grace_seconds=number("GRACE_SECONDS", default=30, low=0, high=3600, whole=False),
        # Fits with the program itself (under 50 MiB) into the 256 MiB that Compose gives a replica.
        memory_limit_mb=int(number("MEMORY_LIMIT_MB", default=180, low=1, high=65536, whole=True)),
    )
    if faults:
        raise SettingsError(tuple(faults))
    return settings
