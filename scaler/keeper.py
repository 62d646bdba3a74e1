"""Keeps the lease: stands by until it is ours, acts, and tells when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from scaler.errors import AlertscaleError
from scaler.lease import LOOK_EVERY, NEWS_EVERY, RENEW_EVERY, Lease
from scaler.standby import Standby, Switch

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Acting:
    """What it takes to act.

    Attributes:
        app: answers requests.
        begin: starts the loop.
        note: makes what the next scaler to act has to know.
    """

    app: WSGIApplication
    begin: Callable[[], object]
    note: Callable[[], str]


class Keeper:
    """One thread that looks after the lease.

    Args:
        lease: our part in it.
        act: makes what it takes to act, given the note of the last holder.
        lost: called once when we must not act any more.
        stopping: set when the scaler ends.
    """

    def __init__(
        self,
        *,
        lease: Lease,
        act: Callable[[str], Acting],
        lost: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._lease = lease
        self._act = act
        self._lost = lost
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
            if self._stand_by():
                log.info("this scaler acts")
                acting = self._act(self._lease.note)
                self.app.to(acting.app)
                acting.begin()
                self._hold(acting.note)
        except Exception:
            # Whatever it was: without this thread nobody else could act.
            log.exception("the lease could not be kept")
            self._lost()

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

    def _hold(self, note: Callable[[], str]) -> None:
        told = self._lease.note
        while self._wait(note, told):
            try:
                told = note()
                kept = self._lease.renew(told)
            except AlertscaleError as error:
                log.warning("the lease cannot be renewed", error=str(error))
                kept = self._lease.acting
            if not kept or not self._lease.acting:
                self._lost()
                return
        try:
            self._lease.lay_down()
        except AlertscaleError as error:
            log.warning("the lease could not be laid down; it runs out by itself", error=str(error))

    def _wait(self, note: Callable[[], str], told: str) -> bool:
        """Wait until it is time to renew, or there is news for the next one; False when the scaler ends."""
        due = time.monotonic() + RENEW_EVERY
        while not self._stopping.wait(min(NEWS_EVERY, RENEW_EVERY)):
            try:
                if time.monotonic() >= due or note() != told:
                    return True
            except AlertscaleError:
                # Told when the renewal meets it.
                continue
        return False
