"""The environment, read once into frozen settings; every fault is reported, not only the first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


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


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A number in the environment.

    Attributes:
        default: where it is not given.
        low: the least that it may be.
        high: the most.
        whole: whether it must be a whole number.
        meaning: for the documentation.
    """

    default: float
    low: float
    high: float
    whole: bool = True
    meaning: str


VARIABLES: Mapping[str, Variable] = {
    "PORT": Variable(default=5000, low=1, high=65535, meaning="Port to listen on."),
    "THREADS": Variable(
        default=8, low=1, high=64, meaning="Requests that run at the same time; more wait in a queue."
    ),
    "LINGER_SECONDS": Variable(
        default=1,
        low=0,
        # Whoever never ceases to send is refused by then: LONGEST_LINGER_SECONDS, service/server.py.
        high=5,
        whole=False,
        meaning="Time without a request after SIGTERM, past which connections are refused.",
    ),
    "GRACE_SECONDS": Variable(
        default=30,
        low=0,
        high=3600,
        whole=False,
        meaning="Longest time that accepted requests may take to finish after SIGTERM.",
    ),
    # Fits with the program itself (under 50 MiB) into the 256 MiB that Compose gives a replica.
    "MEMORY_LIMIT_MB": Variable(
        default=180, low=1, high=65536, meaning="Most memory, in MiB, that `POST /memory` holds in total."
    ),
}
"""Every variable that is read."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; a variable that is unset or empty has its default.

    Raises:
        SettingsError: At least one variable is not a number or is out of range.
    """
    faults: list[str] = []

    def number(name: str) -> float:
        variable = VARIABLES[name]
        text = environ.get(name, "")
        if not text:
            return variable.default
        try:
            value = int(text) if variable.whole else float(text)
        except ValueError:
            value = math.nan
        if variable.low <= value <= variable.high:
            return value
        kind = "a whole number" if variable.whole else "a number"
        faults.append(f"{name}={text!r}: must be {kind} from {variable.low:g} to {variable.high:g}")
        return variable.default

    settings = Settings(
        port=int(number("PORT")),
        threads=int(number("THREADS")),
        linger_seconds=number("LINGER_SECONDS"),
        grace_seconds=number("GRACE_SECONDS"),
        memory_limit_mb=int(number("MEMORY_LIMIT_MB")),
    )
    if faults:
        raise SettingsError(tuple(faults))
    return settings
