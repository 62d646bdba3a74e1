"""Locust's command line for settings."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from loadtest.settings import Settings

# Longer than a request may take, see the locustfile.
STOP_SECONDS: Final = 35


def report_folder(settings: Settings, *, now: datetime) -> str:
    """The folder of a run's report."""
    name = settings.report or f"{now:%Y-%m-%dT%H%M%SZ}-{settings.profile}"
    return str(PurePosixPath(settings.reports) / name)


def arguments(settings: Settings, *, locustfile: str, now: datetime) -> list[str]:
    """Locust's command line.

    Args:
        settings: What to run.
        locustfile: Path of the locustfile.
        now: UTC, for the report's name.
    """
    words = ["locust", "--locustfile", locustfile, "--host", settings.host]
    words += ["--users", str(settings.users), "--spawn-rate", f"{settings.spawn_rate:g}"]
    words += ["--stop-timeout", str(STOP_SECONDS)]
    if settings.by_itself:
        folder = report_folder(settings, now=now)
        words += ["--headless", "--html", f"{folder}/report.html", "--csv", f"{folder}/load"]
        words += ["--csv-full-history", "--only-summary"]
    return words


def environment(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment for Locust, which takes an empty variable of its own for a fault."""
    kept = {
        name: value
        for name, value in environ.items()
        if name != "LOCUST_AUTOSTART" and not (name.startswith("LOCUST_") and not value)
    }
    # The one default that differs when the load starts by itself.
    return {**kept, "LOCUST_PROFILE": settings.profile} if settings.profile else kept
