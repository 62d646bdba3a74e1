"""Whether the service held its limits."""

from dataclasses import dataclass
from typing import Final

# One slow answer among the first few is no limit.
_LEAST_REQUESTS: Final = 40
_IN_A_ROW: Final = 3


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What must hold.

    Attributes:
        p95_ms: Longest time within which 95 of 100 requests are answered.
        failed_percent: Largest share of requests that may fail.
    """

    p95_ms: float
    failed_percent: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen.

    Attributes:
        requests: All of them, failed and dropped ones included.
        failures: Those that failed or were dropped.
        p95_ms: Time within which 95 of 100 were answered.
    """

    requests: int
    failures: int
    p95_ms: float


def broken(seen: Seen, limits: Limits) -> tuple[str, ...]:
    """Return a sentence for each limit that did not hold: what was seen, and the variable that sets it."""
    if not seen.requests:
        return ("no request was made: a longer LOCUST_RUN_TIME or a higher load is needed",)
    found = []
    percent = 100 * seen.failures / seen.requests
    if percent > limits.failed_percent:
        found.append(
            f"{seen.failures} of {seen.requests} requests failed ({percent:.2g} %): "
            f"LOCUST_FAILED_PERCENT allows {limits.failed_percent:g} %"
        )
    if seen.p95_ms > limits.p95_ms:
        found.append(f"p95 was {seen.p95_ms:g} ms: LOCUST_P95_MS allows {limits.p95_ms:g} ms")
    return tuple(found)


class Watch:
    """Looks at a run while it goes on, for a limit that is broken and stays so.

    Args:
        limits: What must hold.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._in_a_row = 0

    def see(self, seen: Seen) -> tuple[str, ...]:
        """Return what is broken, once it was so three looks in a row on at least 40 requests."""
        faults = broken(seen, self._limits) if seen.requests >= _LEAST_REQUESTS else ()
        self._in_a_row = self._in_a_row + 1 if faults else 0
        return faults if self._in_a_row >= _IN_A_ROW else ()


def summary(seen: Seen, limits: Limits) -> str:
    """Return the outcome of a run in a few lines."""
    lines = [f"load test: {seen.requests} requests, {seen.failures} failed, p95 {seen.p95_ms:g} ms"]
    faults = broken(seen, limits)
    lines += [f"load test: failed: {fault}" for fault in faults]
    if not faults:
        lines.append(
            f"load test: passed: at most {limits.failed_percent:g} % failed, p95 at most {limits.p95_ms:g} ms"
        )
    return "\n".join(lines)
