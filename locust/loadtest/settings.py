"""The environment, read once into frozen settings; every fault is reported, not only the first.

What may be set is in .env.example, but for this one, which the image and its volume must agree on:

    LOCUST_REPORTS    folder that holds a folder for each run (/reports)
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from loadtest.mix import MOST_WEIGHT, REQUESTS, read_mix
from loadtest.profiles import NAMES, TRACE
from loadtest.trace import Trace, TraceError, parse
from loadtest.verdict import Limits

_TIME: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SHORTEST, _LONGEST = 5, 86400


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
        by_itself: Run without the web UI, report, end.
        host: The URL that is loaded; paths are appended to it.
        ready_path: Path that answers 200 once the service is ready.
        wait_seconds: Longest time to wait for that.
        profile: Name of the course of the load; empty leaves it to the web UI.
        run_seconds: How long a run lasts.
        users: At the peak, in the closed model.
        spawn_rate: Users that the web UI proposes to add each second.
        arrival_rate: Requests per second at the peak, in the open model; 0 is the closed model.
        max_in_flight: Requests of the open model that may be under way at once.
        trace: What the profile `trace` replays; none with another.
        mix: Weight of each kind of request.
        limits: What must hold.
        reports: Folder that holds a folder for each run.
        report: Name of this run's folder; empty is one of the time and the profile.
    """

    by_itself: bool
    host: str
    ready_path: str
    wait_seconds: float
    profile: str
    run_seconds: float
    users: int
    spawn_rate: float
    arrival_rate: float
    max_in_flight: int
    trace: Trace | None
    mix: Mapping[str, int]
    limits: Limits
    reports: str
    report: str


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def fault(self, name: str, must: str) -> None:
        self.faults.append(f"{name}={self.environ.get(name, '')!r}: must be {must}")

    def text(self, name: str, *, default: str, fits: Callable[[str], object], must: str) -> str:
        value = self.environ.get(name, "") or default
        if fits(value):
            return value
        self.fault(name, must)
        return default

    def number(self, name: str, *, default: float, low: float, high: float, whole: bool = False) -> float:
        text = self.environ.get(name, "")
        if not text:
            return default
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        self.fault(name, f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}")
        return default

    def seconds(self, name: str, *, default: float) -> float:
        text = self.environ.get(name, "")
        if not text:
            return default
        parts = _TIME.fullmatch(text)
        hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
        value = 3600 * hours + 60 * minutes + seconds
        if _SHORTEST <= value <= _LONGEST:
            return value
        self.fault(name, f"a time from {_SHORTEST}s to 24h such as 90s, 5m or 1h30m")
        return default

    def mix(self, name: str) -> Mapping[str, int]:
        try:
            return read_mix(self.environ.get(name, ""))
        except ValueError:
            kinds = ", ".join(REQUESTS)
            self.fault(
                name, f"such as light=10,cpu=6 with kinds of {kinds} and whole weights to {MOST_WEIGHT}"
            )
            return read_mix("")

    def trace(self, name: str, *, default: str, read: Callable[[str], str]) -> Trace | None:
        path = self.environ.get(name, "") or default
        try:
            return parse(read(path), name=path)
        except TraceError as error:
            self.faults.append(f"{name}={path!r}: {error}")
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{name}={path!r}: must be a CSV in locust/ that can be read: {error}")
        return None


def _is_url(text: str) -> bool:
    return urlsplit(text).scheme in {"http", "https"} and bool(urlsplit(text).netloc)


def read_settings(environ: Mapping[str, str], *, read: Callable[[str], str]) -> Settings:
    """Read the settings from an environment; a variable that is unset or empty has its default.

    Args:
        environ: The environment.
        read: Returns the text of a file, by its path from the folder of the locustfile.

    Raises:
        SettingsError: At least one variable cannot be read or is out of range.
    """
    reader = _Reader(environ)
    number = reader.number
    by_itself = number("LOCUST_AUTOSTART", default=0, low=0, high=1, whole=True) == 1
    profile = reader.text(
        "LOCUST_PROFILE",
        default="steady" if by_itself else "",
        fits=lambda text: not text or text in NAMES,
        must=f"one of {', '.join(NAMES)}",
    )
    trace = (
        reader.trace("LOCUST_TRACE", default="traces/example.csv", read=read) if profile == TRACE else None
    )
    settings = Settings(
        by_itself=by_itself,
        host=reader.text(
            "LOCUST_HOST", default="http://nginx:80/", fits=_is_url, must="a URL such as http://nginx:80/"
        ),
        ready_path=reader.text(
            "LOCUST_READY_PATH",
            default="/",
            fits=lambda text: text.startswith("/"),
            must="a path such as /ready",
        ),
        wait_seconds=number("LOCUST_WAIT_SECONDS", default=300, low=1, high=3600),
        profile=profile,
        run_seconds=reader.seconds("LOCUST_RUN_TIME", default=300),
        users=int(number("LOCUST_USERS", default=20, low=1, high=10000, whole=True)),
        spawn_rate=number("LOCUST_SPAWN_RATE", default=2, low=0.01, high=1000),
        arrival_rate=number("LOCUST_ARRIVAL_RATE", default=0, low=0, high=5000),
        max_in_flight=int(number("LOCUST_MAX_IN_FLIGHT", default=500, low=1, high=5000, whole=True)),
        trace=trace,
        mix=reader.mix("LOCUST_MIX"),
        limits=Limits(
            p95_ms=number("LOCUST_P95_MS", default=2000, low=1, high=600000),
            failed_percent=number("LOCUST_FAILED_PERCENT", default=0, low=0, high=100),
        ),
        reports=reader.text("LOCUST_REPORTS", default="/reports", fits=lambda _: True, must="a folder"),
        report=reader.text(
            "LOCUST_REPORT",
            default="",
            fits=re.compile(r"([A-Za-z0-9][\w.-]{0,99})?").fullmatch,
            must="up to 100 letters, digits, dots, dashes and underscores",
        ),
    )
    if settings.arrival_rate and not profile:
        reader.fault(
            "LOCUST_ARRIVAL_RATE", f"empty without LOCUST_PROFILE, which is one of {', '.join(NAMES)}"
        )
    if reader.faults:
        raise SettingsError(tuple(reader.faults))
    return settings
