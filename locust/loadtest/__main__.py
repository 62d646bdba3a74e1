"""`python -m loadtest`: read the environment, wait for the service, become Locust.

Exit codes: 0 the limits held; 1 one did not; 2 the settings are faulty, or the service was not ready in time.
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from loadtest.command import arguments, environment
from loadtest.settings import SettingsError, read_settings
from loadtest.waiting import NotReadyError, await_ready, why_not_ready

HERE = Path(__file__).resolve().parent.parent


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _refused(*reasons: str) -> int:
    for reason in reasons:
        _say(f"load test: {reason}")
    return 2


def _read(path: str) -> str:
    return (HERE / path).read_text(encoding="utf-8")


def main() -> int:
    """Become Locust, or return the exit code of what stands against it."""
    try:
        settings = read_settings(os.environ, read=_read)
        if settings.by_itself:
            await_ready(
                settings.host.rstrip("/") + settings.ready_path,
                seconds=settings.wait_seconds,
                look=why_not_ready,
                monotonic=time.monotonic,
                sleep=time.sleep,
                say=_say,
            )
    except SettingsError as error:
        return _refused(*error.faults)
    except NotReadyError as error:
        return _refused(str(error))
    words = arguments(settings, locustfile=str(HERE / "locustfile.py"), now=datetime.now(UTC))
    # Locust itself is to get the signals.
    return os.execvpe(words[0], [*words, *sys.argv[1:]], environment(os.environ, settings))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
