"""Memory that is really resident for a given time and then really given back."""

import heapq
import itertools
import mmap
import threading
import time
from collections.abc import Callable

MIB = 1024 * 1024
_PAGE = mmap.PAGESIZE


class MemoryFullError(Exception):
    """The holding asked for does not fit into what may be held in total."""

    def __init__(self, *, asked: int, held: int, limit: int) -> None:
        super().__init__(
            f"{asked // MIB} MiB asked, {held // MIB} of {limit // MIB} MiB held already; "
            "wait until a holding ends, or raise MEMORY_LIMIT_MB"
        )


class MemoryStore:
    """Holdings of memory, each with the time at which it ends.

    Anonymous mappings are used because closing one returns its pages to the kernel at once; memory
    freed to Python's or the C library's allocator may stay resident.
    """

    def __init__(
        self, *, limit_mb: int, monotonic: Callable[[], float] = time.monotonic, start: bool = True
    ) -> None:
        """Make an empty store.

        Args:
            limit_mb: Most memory held in total, MiB.
            monotonic: Seconds that never go back.
            start: Run the thread that ends the holdings; without it, call `release_expired`.
        """
        self.limit_mb = limit_mb
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._holdings: list[tuple[float, int, mmap.mmap]] = []
        self._serial = itertools.count()
        if start:
            threading.Thread(target=self._run, name="memory-releaser", daemon=True).start()

    def held(self) -> int:
        """Return the bytes held now."""
        with self._changed:
            return self._held()

    def hold(self, *, mb: int, seconds: float) -> int:
        """Make `mb` MiB resident for `seconds`; return the bytes held in total afterwards.

        Raises:
            MemoryFullError: The total would be over the limit; nothing is held in addition.
        """
        size = mb * MIB
        with self._changed:
            held = self._held()
            if held + size > self.limit_mb * MIB:
                raise MemoryFullError(asked=size, held=held, limit=self.limit_mb * MIB)
            block = mmap.mmap(-1, size)
            # A page is resident once it is written to.
            block[::_PAGE] = b"\x01" * (size // _PAGE)
            entry = (self._monotonic() + seconds, next(self._serial), block)
            heapq.heappush(self._holdings, entry)
            self._changed.notify()
            return held + size

    def release_expired(self) -> float | None:
        """End the holdings whose time is over; return the seconds until the next ends, if any."""
        with self._changed:
            now = self._monotonic()
            while self._holdings and self._holdings[0][0] <= now:
                _, _, block = heapq.heappop(self._holdings)
                block.close()
            return self._holdings[0][0] - now if self._holdings else None

    def _held(self) -> int:
        return sum(len(block) for _, _, block in self._holdings)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self.release_expired())
