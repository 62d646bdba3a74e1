"""Memory is resident while it is held, bounded in total, and given back."""

import time
from pathlib import Path

import pytest

from service.memory import MIB, MemoryFullError, MemoryStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def resident_bytes() -> int:
    """Return this process' resident set: field 2 of /proc/self/statm, in pages."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_held_memory_is_resident_and_given_back_to_the_kernel_when_its_time_is_over() -> None:
    clock = Clock()
    store = MemoryStore(limit_mb=100, monotonic=clock, start=False)
    before = resident_bytes()
    assert store.hold(mb=80, seconds=10) == 80 * MIB
    assert resident_bytes() - before >= 79 * MIB
    clock.now = 9.9
    store.release_expired()
    assert store.held() == 80 * MIB
    clock.now = 10
    store.release_expired()
    assert store.held() == 0
    assert resident_bytes() - before < 20 * MIB


def test_holdings_end_in_the_order_of_their_times() -> None:
    clock = Clock()
    store = MemoryStore(limit_mb=100, monotonic=clock, start=False)
    store.hold(mb=1, seconds=30)
    store.hold(mb=2, seconds=10)
    assert store.release_expired() == 10
    clock.now = 10
    assert store.release_expired() == 20
    assert store.held() == 1 * MIB
    clock.now = 30
    assert store.release_expired() is None
    assert store.held() == 0


def test_the_total_is_bounded_and_a_refused_holding_holds_nothing() -> None:
    store = MemoryStore(limit_mb=10, monotonic=Clock(), start=False)
    store.hold(mb=6, seconds=10)
    with pytest.raises(MemoryFullError, match="5 MiB asked, 6 of 10 MiB held"):
        store.hold(mb=5, seconds=10)
    assert store.hold(mb=4, seconds=10) == 10 * MIB


def test_holdings_end_by_themselves() -> None:
    store = MemoryStore(limit_mb=10)
    store.hold(mb=1, seconds=5)
    store.hold(mb=1, seconds=0.05)
    deadline = time.monotonic() + 5
    while store.held() != 1 * MIB:
        assert time.monotonic() < deadline, "the shorter holding never ended"
        time.sleep(0.01)
