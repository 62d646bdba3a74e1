"""When may the balancer be reloaded? At once for what is urgent; the rest waits for old workers.

Each reload leaves workers of the configuration before it, for as long as they have requests, a download for
one: up to a minute, each with its memory. A replica that is ready now and not ready then would leave dozens.
One that was never in is no such: it is urgent too, since it is given up when it does not serve in time.
"""

import math
from collections.abc import Mapping
from typing import Final

_FIRST_REFUSED: Final = 4.0
_LONGEST_REFUSED: Final = 30.0

Servers = Mapping[str, frozenset[tuple[str, int]]]
"""From an upstream's name to the address and port of each of its servers."""

AT_ONCE: Final = 3
"""Beside so many generations of old workers nobody waits: a service that is scaled up makes one a step."""

FIRST: Final = 4.0
"""Seconds from the last reload beside one generation more; each further one doubles it."""

LONGEST: Final = 15.0
"""Seconds that no pause exceeds."""


def is_urgent(*, before: Servers, after: Servers) -> bool:
    """Whether a change may not wait: an address leaves, or a service that had nobody gets its first.

    Args:
        before: what the balancer serves with.
        after: what it is to serve with.
    """
    leaves = any(servers - after.get(name, frozenset()) for name, servers in before.items())
    return leaves or any(servers and not before.get(name) for name, servers in after.items())


def generations(*, leaving: int, workers: int) -> int:
    """How many generations so many old workers are, when one has so many."""
    return math.ceil(leaving / max(workers, 1))


def pause_before(old: int) -> float:
    """Seconds from the last reload to one that is not urgent, with so many generations of old workers."""
    return 0.0 if old <= AT_ONCE else min(FIRST * 2.0 ** min(old - AT_ONCE - 1, 10), LONGEST)


def pause_after_refusals(times: int) -> float:
    """Seconds until the balancer is asked again for what it did not take so many times in a row.

    After the first time none: whoever asks waits for a moment anyway.
    """
    return 0.0 if times <= 1 else min(_FIRST_REFUSED * 2.0 ** min(times - 2, 10), _LONGEST_REFUSED)
