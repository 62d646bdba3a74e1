"""How long a health check may take, read off the engine's answer."""

from collections.abc import Mapping
from typing import Any, Final

from scaler.model.labels import healthy_within

_SECOND: Final = 1_000_000_000
_EVERY, _TIMEOUT, _RETRIES = 30.0, 30.0, 3
"""The engine's own, for what is left out or 0."""


def health_seconds(healthcheck: Mapping[str, Any] | None) -> float:
    """How long a new replica may take to be healthy, in seconds.

    Args:
        healthcheck: ``Config.Healthcheck`` of a container, or a Swarm service's; durations in nanoseconds.

    Returns:
        See :func:`scaler.model.labels.healthy_within`; 0 when there is no check.
    """
    if not healthcheck or (healthcheck.get("Test") or ["NONE"])[0] == "NONE":
        return 0.0
    return healthy_within(
        start_period=(healthcheck.get("StartPeriod") or 0) / _SECOND,
        interval=(healthcheck.get("Interval") or 0) / _SECOND or _EVERY,
        retries=healthcheck.get("Retries") or _RETRIES,
        timeout=(healthcheck.get("Timeout") or 0) / _SECOND or _TIMEOUT,
    )
