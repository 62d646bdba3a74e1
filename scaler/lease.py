"""Who of several scalers acts: the one that holds the lease.

A holder writes the lease anew every few seconds. Whoever has watched it unchanged for ``ttl`` seconds, on a
clock of its own, may take it; a change is made on the version that was read, so of several that try one
succeeds. No clocks are compared, so none has to be right. A holder that could not write for four fifths
of that time has ceased to act before anybody else may begin. (The scheme of Kubernetes' leader election,
client-go's ``leaderelection`` package.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from scaler.errors import TargetError
from scaler.reasons import ErrorReason

TTL: Final = 6.0
"""Seconds without a change after which the lease may be taken."""

RENEW_EVERY: Final = 1.5
NEWS_EVERY: Final = 0.25
"""Seconds after which what a person asked for is written down for the next holder, at the latest."""

LOOK_EVERY: Final = 1.0

_CEASE: Final = 0.8
"""The part of ``ttl`` after which a holder that could not write ceases to act."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The lease as it is written.

    Attributes:
        holder: who acts; empty when the last one has laid it down.
        address: ``host:port`` at which the holder serves.
        note: what the next holder has to know, as text; the holder's own.
        turn: rises with each writing, so that each changes something.
        version: of the writing, given by whoever keeps it; 0 for one that is not written yet.
    """

    holder: str
    address: str = ""
    note: str = ""
    turn: int = 0
    version: int = 0


class LeaseStore(Protocol):
    """Where the lease is kept. Every method raises TargetError when it cannot be reached."""

    def read(self) -> Record | None:
        """Read the lease; None when there is none yet."""

    def write(self, record: Record) -> Record:
        """Write the lease in the place of the one with that version (0: where there is none); return it.

        Raises:
            TargetError: with the reason ``overtaken`` when another has been written meanwhile.
        """


class Lease:
    """One scaler's part in it; for one thread.

    Args:
        store: where it is kept.
        me: a name that no other scaler has, and no earlier process of ours.
        address: ``host:port`` at which we serve.
        clock: seconds, monotonic.
        ttl: see ``TTL``.
    """

    def __init__(
        self, *, store: LeaseStore, me: str, address: str, clock: Callable[[], float], ttl: float = TTL
    ) -> None:
        self._store = store
        self._me = me
        self._address = address
        self._clock = clock
        self._ttl = ttl
        self._seen: Record | None = None
        self._seen_at = math.inf
        self._written_at = -math.inf

    @property
    def holder(self) -> Record | None:
        """The holder that was seen last; None when nobody acts, as far as is known."""
        seen = self._seen
        return (
            seen if seen is not None and seen.holder and self._clock() - self._seen_at < self._ttl else None
        )

    @property
    def note(self) -> str:
        """What the last holder wrote down for us."""
        return self._seen.note if self._seen is not None else ""

    @property
    def acting(self) -> bool:
        """Whether we hold it, and nobody else can."""
        return self._clock() - self._written_at < self._ttl * _CEASE

    def try_to_take(self) -> bool:
        """Look at the lease once, and take it if it is free.

        Returns:
            Whether we hold it now.

        Raises:
            TargetError: it cannot be reached.
        """
        found = self._store.read()
        now = self._clock()
        if found is None:
            return self._write(Record(holder=self._me, address=self._address))
        if self._seen is None or found.version != self._seen.version:
            self._seen, self._seen_at = found, now
        if found.holder and now - self._seen_at < self._ttl:
            return False
        return self._write(replace(found, holder=self._me, address=self._address))

    def renew(self, note: str) -> bool:
        """Write it anew.

        Args:
            note: for the next holder.

        Returns:
            False when somebody else has it.

        Raises:
            TargetError: it cannot be reached; ``acting`` tells for how long that does not matter.
        """
        if self._seen is None:
            return False
        if self._write(replace(self._seen, holder=self._me, address=self._address, note=note)):
            return True
        # It may be our own last writing, whose answer was lost.
        found = self._store.read()
        if found is None or found.holder != self._me:
            return False
        return self._write(replace(found, address=self._address, note=note))

    def lay_down(self) -> None:
        """Let the next one take it at once.

        Raises:
            TargetError: it cannot be reached; it runs out by itself.
        """
        acting, self._written_at = self.acting, -math.inf
        if acting and self._seen is not None:
            self._write(replace(self._seen, holder="", address=""))
            self._written_at = -math.inf

    def _write(self, record: Record) -> bool:
        begun = self._clock()
        try:
            self._seen = self._store.write(replace(record, turn=record.turn + 1))
        except TargetError as error:
            if error.reason is not ErrorReason.OVERTAKEN:
                raise
            self._written_at = -math.inf
            return False
        self._seen_at = self._written_at = begun
        return True
