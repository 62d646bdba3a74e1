"""Who of several scalers acts: the one that holds the lease.

A holder writes the lease anew every few seconds. Whoever has watched it unchanged for ``ttl`` seconds, on a
clock of its own, may take it; a change is made on the version that was read, so of several that try one
succeeds. No clocks are compared, so none has to be right. A holder that could not write for four fifths
of that time has ceased to act before anybody else may begin. (The scheme of Kubernetes' leader election,
client-go's ``leaderelection`` package.)

The lease is kept by several nodes, of which one leads. When that one dies nothing can be written until they
have elected another, which takes longer than the lease lasts. A scaler on it that acted could not be replaced
in that time; hence the scaler that acts had better be elsewhere:

- One that stands by on the leader leaves a free lease to the others for one more ``ttl``.
- One that stands by elsewhere asks a holder on the leader for the lease, in the lease itself. That it could
  write there is the proof that it could act.
- One that could not read the lease for ``ttl`` begins to watch anew, so that after an election a holder that
  lives has the time to go on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from scaler.engines.contract import LeaseRecord, LeaseStore
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

TTL: Final = 6.0
"""Seconds without a change after which the lease may be taken."""

RENEW_EVERY: Final = 1.5
NEWS_EVERY: Final = 0.25
"""Seconds after which what a person asked for is written down for the next holder, at the latest."""

LOOK_EVERY: Final = 1.0
ASK_EVERY: Final = 4.0
"""Seconds between two looks of one that stands by at who leads; a request is good for ``ttl``."""

STEP_BACK: Final = 10.0
"""Seconds for which one that had the lease and could not act leaves it to others."""

ASK_AGAIN: Final = 600.0
"""Seconds for which such a one does not ask for it either."""

_CEASE: Final = 0.8
"""The part of ``ttl`` after which a holder that could not write ceases to act."""


@dataclass(kw_only=True, eq=False)
class Lease:
    """One scaler's part in it; for one thread.

    Args:
        store: where it is kept.
        me: a name that no other scaler has, and no earlier process of ours.
        address: ``host:port`` at which we serve.
        node: the node that we are on, as the store names it.
        monotonic: seconds, monotonic.
        ttl: see ``TTL``.
    """

    store: LeaseStore
    me: str
    address: str
    monotonic: Callable[[], float]
    node: str = ""
    ttl: float = TTL
    _seen: LeaseRecord | None = field(default=None, init=False)
    _seen_at: float = field(default=math.inf, init=False)
    _read_at: float = field(default=-math.inf, init=False)
    _free_at: float | None = field(default=None, init=False)
    _ask_at: float = field(default=-math.inf, init=False)
    _take_at: float = field(default=-math.inf, init=False)
    _wanted_at: float = field(default=-math.inf, init=False)
    _written_at: float = field(default=-math.inf, init=False)
    _before: str = field(default="", init=False)

    @property
    def holder(self) -> LeaseRecord | None:
        """The holder that was seen last; None when nobody acts, as far as is known."""
        seen = self._seen
        return (
            seen if seen is not None and seen.holder and self.monotonic() - self._seen_at < self.ttl else None
        )

    @property
    def note(self) -> str:
        """What the last holder wrote down for us."""
        return self._seen.note if self._seen is not None else ""

    @property
    def is_ours_again(self) -> bool:
        """Whether the one that held it before us was an earlier process on our node: nobody acted since."""
        return bool(self.node) and self._before == self.node

    @property
    def acting(self) -> bool:
        """Whether we hold it, and nobody else can."""
        return self.monotonic() - self._written_at < self.ttl * _CEASE

    @property
    def wanted(self) -> bool:
        """Whether one that could act from a better place has lately asked us, the holder, for it."""
        return self.monotonic() - self._wanted_at < self.ttl

    def try_to_take(self) -> bool:
        """Look at the lease once, and take it if it is free; ask for it if its holder is in a bad place.

        Returns:
            Whether we hold it now.

        Raises:
            TargetError: it cannot be reached.
        """
        found = self.store.read()
        now = self.monotonic()
        self._watch(found, now)
        if found is not None and found.holder and now - self._seen_at < self.ttl:
            self._free_at = None
            if now >= self._ask_at:
                self._ask_at = now + ASK_EVERY
                self._ask(found)
            return False
        self._free_at = now if self._free_at is None else self._free_at
        if now < self._take_at or (now - self._free_at < self.ttl and self._leads()):
            return False
        self._before = found.node if found is not None else ""
        return self._write(self._mine(found or LeaseRecord(holder="")))

    def _watch(self, found: LeaseRecord | None, now: float) -> None:
        unwatched = now - self._read_at > self.ttl
        self._read_at = now
        if _writing(found) != _writing(self._seen) or unwatched:
            self._seen_at = now
            self._free_at = None
        self._seen = found

    def _leads(self) -> bool:
        return bool(self.node) and self.store.leader() == self.node

    def _ask(self, found: LeaseRecord) -> None:
        """Ask the holder for the lease if that one's node leads and ours does not."""
        if not found.node or found.node == self.node or self.store.leader() != found.node:
            return
        try:
            self._seen = self.store.write(replace(found, wanted=self.me))
        except TargetError as error:
            # It was renewed, or taken, at this very moment.
            if error.reason is not ErrorReason.OVERTAKEN:
                raise

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
        if self._write(replace(self._mine(self._seen), note=note)):
            return True
        # It may be our own last writing, whose answer was lost, or somebody's request.
        found = self.store.read()
        if found is not None and found.holder == self.me:
            if found.wanted:
                self._wanted_at = self.monotonic()
            if self._write(replace(self._mine(found), note=note)):
                return True
        self._written_at = -math.inf
        return False

    def lay_down(self, note: str) -> None:
        """Let the next one take it at once.

        Args:
            note: for that one.

        Raises:
            TargetError: it cannot be reached; it runs out by itself.
        """
        acting, self._written_at = self.acting, -math.inf
        if acting and self._seen is not None:
            self._write(replace(self._seen, holder="", address="", wanted="", note=note))
            self._written_at = -math.inf

    def step_back(self) -> None:
        """Leave it to others for a while: we had it, and could not act."""
        self._take_at = self.monotonic() + STEP_BACK
        self._ask_at = self.monotonic() + ASK_AGAIN

    def _mine(self, record: LeaseRecord) -> LeaseRecord:
        return replace(record, holder=self.me, address=self.address, node=self.node, wanted="")

    def _write(self, record: LeaseRecord) -> bool:
        begun = self.monotonic()
        try:
            self._seen = self.store.write(replace(record, turn=record.turn + 1))
        except TargetError as error:
            if error.reason is not ErrorReason.OVERTAKEN:
                raise
            return False
        self._seen_at = self._written_at = begun
        return True


def _writing(record: LeaseRecord | None) -> tuple[str, int] | None:
    """What differs with each writing of a holder; a request changes the version alone."""
    return (record.holder, record.turn) if record is not None else None
