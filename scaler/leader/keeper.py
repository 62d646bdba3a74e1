"""Keeps the lease: stands by until it is ours, acts, and tells when it is lost.

While nobody answers for the lease, its holder stays the holder: it may change nothing (``Lease.acting``), and
goes on once it has renewed the lease, unless somebody else has taken it by then.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from wsgiref.types import WSGIApplication

import structlog

from scaler.leader.lease import LOOK_EVERY, NEWS_EVERY, RENEW_EVERY, Lease
from scaler.leader.standby import Standby, Switch
from scaler.model.errors import AlertscaleError
from scaler.model.reasons import ErrorReason

log = structlog.get_logger()

_LEAVES_WITHIN: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Acting:
    """What it takes to act.

    Attributes:
        app: answers requests.
        begin: starts the loop.
        note: makes what the next scaler to act has to know.
        idle: whether no step is under way.
    """

    app: WSGIApplication
    begin: Callable[[], object]
    note: Callable[[], str]
    idle: Callable[[], bool]


class Act(Protocol):
    """Makes what it takes to act."""

    def __call__(self, note: str, *, is_ours_again: bool) -> Acting:
        """Make it.

        Args:
            note: of the last holder.
            is_ours_again: whether that was an earlier process of ours.
        """


class Keeper:
    """One thread that looks after the lease.

    Args:
        lease: our part in it.
        act: makes what it takes to act.
        lost: called once when we must not act any more.
        leave: called once when another is to act in our place; sets ``stopping``.
        stopping: set when the scaler ends.
    """

    def __init__(
        self,
        *,
        lease: Lease,
        act: Act,
        lost: Callable[[], object],
        leave: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._lease = lease
        self._act = act
        self._lost = lost
        self._leave = leave
        self._stopping = stopping
        self._address = ""
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.app = Switch(Standby(lambda: self._address))
        """Answers: hands everything on while we stand by."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Lay the lease down, so that the next one need not wait; after ``stopping`` was set."""
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def _keep(self) -> None:
        try:
            while self._stand_by():
                acting = self._begin()
                if acting is not None:
                    self._hold(acting)
                    return
        except Exception:
            # Whatever it was: without this thread nobody else could act.
            log.exception("the lease could not be kept")
            self._lost()

    def _begin(self) -> Acting | None:
        """Begin to act; when that cannot be done, leave it to others."""
        log.info("this scaler acts")
        note = self._lease.note
        try:
            acting = self._act(note, is_ours_again=self._lease.is_ours_again)
        except Exception:
            log.exception("this scaler cannot act; it leaves that to others for a while")
            self._lease.step_back()
            self._lay_down(note)
            return None
        self.app.to(acting.app)
        acting.begin()
        return acting

    def _stand_by(self) -> bool:
        """Wait until the lease is ours; False when the scaler ends before."""
        log.info("this scaler stands by")
        while not self._stopping.is_set():
            try:
                if self._lease.try_to_take():
                    return True
            except AlertscaleError as error:
                log.warning("the lease cannot be read", error=str(error))
            holder = self._lease.holder
            self._address = holder.address if holder is not None else ""
            self._stopping.wait(LOOK_EVERY)
        return False

    def _hold(self, acting: Acting) -> None:
        told = self._lease.note
        while self._wait(acting, told):
            try:
                told = acting.note()
                kept = self._lease.renew(told) and self._lease.acting
            except AlertscaleError as error:
                log.warning("the lease cannot be renewed", error=str(error), may_act=self._lease.acting)
                kept = self._lease.acting or error.reason is ErrorReason.ENGINE_UNAVAILABLE
            if not kept:
                self._lost()
                return
        try:
            told = acting.note()
        except AlertscaleError as error:
            log.warning("the next scaler is told what was known before", error=str(error))
        self._lay_down(told)

    def _lay_down(self, note: str) -> None:
        try:
            self._lease.lay_down(note)
        except AlertscaleError as error:
            log.warning("the lease could not be laid down; it runs out by itself", error=str(error))

    def _wait(self, acting: Acting, told: str) -> bool:
        """Wait until it is time to renew, or there is news for the next one; False when we end."""
        due = time.monotonic() + RENEW_EVERY
        while not self._stopping.wait(min(NEWS_EVERY, RENEW_EVERY)):
            if self._lease.wanted and acting.idle():
                log.info("this node leads the managers; a scaler on another node acts from now on")
                self._leave()
                self._stopping.wait(_LEAVES_WITHIN)
                return False
            try:
                if time.monotonic() >= due or acting.note() != told:
                    return True
            except AlertscaleError:
                # Told when the renewal meets it.
                continue
        return False
