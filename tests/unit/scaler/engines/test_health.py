"""How long a health check may take, with what the engine does where nothing is said."""

from typing import Any

import pytest

from scaler.engines.health import health_seconds

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        (None, 0),
        ({}, 0),
        ({"Test": ["NONE"]}, 0),
        ({"Interval": 5 * SECOND}, 0),
        ({"Test": ["CMD", "true"]}, 30 * 4 + 30),
        (
            {
                "Test": ["CMD-SHELL", "true"],
                "Interval": 30 * SECOND,
                "Retries": 2,
                "StartPeriod": 20 * SECOND,
                "Timeout": 3 * SECOND,
            },
            20 + 30 * 3 + 3,
        ),
        ({"Test": ["CMD", "true"], "Interval": SECOND // 2, "Retries": 1, "Timeout": SECOND}, 2),
    ],
)
def test_it_is_start_period_and_all_tries_and_the_last_ones_timeout(
    check: dict[str, Any] | None, seconds: float
) -> None:
    assert health_seconds(check) == seconds
