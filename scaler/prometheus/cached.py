"""One slow question for many viewers: asked once in a while, in a thread of its own, and bounded."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from scaler.model.errors import AlertscaleError, UnavailableError

T = TypeVar("T")

_MOST_WAITING: Final = 5
"""Requests that may wait at once, for any answer; the server has eight threads, and the webhook needs one."""

_MOST_KEPT: Final = 32


@dataclass
class _Entry(Generic[T]):
    pending: Future[T] | None = None
    answer: T | None = None
    error: AlertscaleError | None = None
    at: float = float("-inf")


class Shared(Generic[T]):
    """Answers by key, each kept for a moment; a failure is kept as long. Safe for several threads.

    Args:
        executor: where questions are asked; it bounds how many at once.
        fresh: seconds for which an answer is not asked for again.
        patience: seconds that :meth:`get` waits at most.
        monotonic: seconds, monotonic.
    """

    _waiting: Final = threading.BoundedSemaphore(_MOST_WAITING)

    def __init__(
        self, *, executor: Executor, fresh: float, patience: float, monotonic: Callable[[], float]
    ) -> None:
        self._executor = executor
        self._fresh = fresh
        self._patience = patience
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return a fresh answer, waiting for it if need be.

        Args:
            key: what the answer is kept under.
            ask: asks; may raise an AlertscaleError, which is handed on.

        Raises:
            UnavailableError: no answer within the patience, or too many wait already.
            AlertscaleError: what ``ask`` raised.
        """
        return cast("T", self.recent(key, ask, within=0.0, wait=True))  # asked for, and not failed

    def recent(self, key: Hashable, ask: Callable[[], T], *, within: float, wait: bool) -> T | None:
        """Return what was answered lately; ask anew if it is not fresh.

        Args:
            key: what the answer is kept under.
            ask: asks, as in :meth:`get`.
            within: seconds for which an answer that is no longer fresh is taken rather than waited for; so
                is a failure.
            wait: for a fresh one where there is none of lately; else None is returned then.

        Raises:
            UnavailableError, AlertscaleError: as :meth:`get`.
        """
        entry, pending = self._begin(key, ask)
        with self._lock:
            late = self._monotonic() - entry.at > within
        if late and not wait:
            return None
        if late and pending is not None and not pending.done():
            self._wait(pending)
        with self._lock:
            if entry.error is not None:
                raise entry.error
            return entry.answer

    def peek(self, key: Hashable, ask: Callable[[], T]) -> T | None:
        """Return the last answer, however old, without waiting; ask anew if it is not fresh."""
        entry, _ = self._begin(key, ask)
        with self._lock:
            return entry.answer

    def _wait(self, pending: Future[T]) -> None:
        if not self._waiting.acquire(blocking=False):
            raise UnavailableError("too many wait for Prometheus already; it answers slowly; try again")
        try:
            pending.exception(timeout=self._patience)
        except FutureTimeoutError as error:
            raise UnavailableError(
                f"Prometheus has not answered within {self._patience:g} s; is it overloaded?"
            ) from error
        finally:
            self._waiting.release()

    def _begin(self, key: Hashable, ask: Callable[[], T]) -> tuple[_Entry[T], Future[T] | None]:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > _MOST_KEPT:
                self._entries.popitem(last=False)
            if entry.pending is not None or self._monotonic() - entry.at < self._fresh:
                return entry, entry.pending
            pending: Future[T] = Future()
            entry.pending = pending
        self._executor.submit(self._ask, entry, pending, ask)
        return entry, pending

    def _ask(self, entry: _Entry[T], pending: Future[T], ask: Callable[[], T]) -> None:
        answer, error = None, None
        try:
            answer = ask()
        except AlertscaleError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - whoever waits is told, rather than waiting in vain
            error = AlertscaleError(f"a fault of the scaler's own: {raised!r}")
        with self._lock:
            entry.error, entry.at, entry.pending = error, self._monotonic(), None
            if error is None:
                entry.answer = answer
        if error is None:
            pending.set_result(answer)  # type: ignore[arg-type]
        else:
            pending.set_exception(error)
