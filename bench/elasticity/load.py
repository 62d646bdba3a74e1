"""An open load: requests arrive when they arrive, however long those before them take.

A client that waits for its answer before it asks again asks less of a slow service, just when it matters.
Each request is a visitor of its own: a new connection, one request, no second try.
"""

import asyncio
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

PATIENCE: Final = 5.0
"""Seconds after which a visitor gives up: lost."""
MOST: Final = 400
"""Requests under way at once, at one door; whoever comes then is lost."""
_SLICE: Final = 0.5
_ASKED: Final = "/work?ms=5"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where requests go.

    Attributes:
        address: of an nginx.
        port: of it.
        host: the header by which that nginx tells its services apart.
    """

    address: str
    host: str
    port: int = 80


@dataclass(kw_only=True)
class Tally:
    """What became of the requests, by the whole second in which they arrived.

    Attributes:
        sent: all that arrived.
        took: seconds from the arrival to the whole answer, of those that were answered.
        lost: how many were lost, by what went wrong.
        lost_in: how many were lost, by second.
        latest: seconds by which a request was begun too late at most: the load's own fault.
    """

    sent: int = 0
    took: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost: Counter[str] = field(default_factory=Counter)
    lost_in: Counter[int] = field(default_factory=Counter)
    latest: float = 0.0

    def lose(self, second: int, why: str) -> None:
        """Count a lost request."""
        self.lost[why] += 1
        self.lost_in[second] += 1


async def play(
    door: Door,
    moments: Sequence[float],
    *,
    begin: float,
    tally: Tally,
    stop: threading.Event,
    patience: float = PATIENCE,
    most: int = MOST,
) -> None:
    """Send a request at each moment; return when the last one is answered or lost.

    Args:
        door: where.
        moments: seconds since ``begin``, rising. Every other request is a POST, which no proxy repeats.
        begin: on the clock of ``time.monotonic``.
        tally: is filled.
        stop: once set, no further request is begun.
        patience: seconds until a request counts as lost.
        most: requests under way at once.
    """
    under_way: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(moments):
            late = await _until(begin + at, stop)
            if stop.is_set():
                return
            tally.sent += 1
            tally.latest = max(tally.latest, late)
            if len(under_way) >= most:
                tally.lose(int(at), f"{most} requests were under way")
                continue
            method = "POST" if number % 2 else "GET"
            task = group.create_task(
                _visit(door, method, at=at, due=begin + at, tally=tally, patience=patience)
            )
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def _until(moment: float, stop: threading.Event) -> float:
    """Wait for a moment, in slices so that a stop is noticed; return the seconds that it is past."""
    monotonic = asyncio.get_running_loop().time
    while (left := moment - monotonic()) > 0 and not stop.is_set():
        await asyncio.sleep(min(left, _SLICE))
    return monotonic() - moment


async def _visit(door: Door, method: str, *, at: float, due: float, tally: Tally, patience: float) -> None:
    try:
        async with asyncio.timeout_at(due + patience):
            why = fault(await _exchange(door, method))
    except TimeoutError:
        why = f"{method}: no answer within {patience:g} s"
    except OSError as error:
        why = f"{method}: {error!r}"
    if why:
        tally.lose(int(at), why)
    else:
        tally.took[int(at)].append(asyncio.get_running_loop().time() - due)


async def _exchange(door: Door, method: str) -> bytes:
    reader, writer = await asyncio.open_connection(door.address, door.port)
    try:
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        head = f"{method} {_ASKED} HTTP/1.1\r\nHost: {door.host}\r\nConnection: close\r\n{length}\r\n"
        writer.write(head.encode())
        return await reader.read(-1)
    finally:
        writer.close()


def fault(answer: bytes) -> str:
    """What is wrong with the bytes of an answer: empty for a whole 200. Pure."""
    status = _STATUS.match(answer)
    if not status:
        return "an answer that is none" if answer else "closed without an answer"
    if status[1] != b"200":
        return status[1].decode()
    head, _, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    if not length or int(length[1]) != len(body):
        return f"{len(body)} bytes, not as many as announced"
    return ""
