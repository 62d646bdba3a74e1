"""An open load: what arrives does not wait for what is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from bench.elasticity.load import Door, Tally, fault, play

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(WHOLE)
    writer.close()


async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


def played(handler: Handler, moments: list[float], *, most: int = 100, stopped: bool = False) -> Tally:
    tally, stop = Tally(), threading.Event()
    if stopped:
        stop.set()

    async def whole() -> None:
        async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
            door = Door(address="127.0.0.1", port=server.sockets[0].getsockname()[1], host="one")
            begin = time.monotonic() - moments[0]
            await play(door, moments, begin=begin, tally=tally, stop=stop, patience=0.2, most=most)

    asyncio.run(whole())
    return tally


def test_every_answer_is_timed_in_the_second_of_its_arrival() -> None:
    tally = played(answer_at_once, [7.9, 7.95, 8.0])
    assert (tally.sent, dict(tally.lost)) == (3, {})
    assert {second: len(took) for second, took in tally.took.items()} == {7: 2, 8: 1}


def test_a_service_that_never_answers_slows_no_arrival_and_loses_each() -> None:
    tally = played(never_answer, [3.0, 3.0, 3.01, 3.02])
    assert tally.sent == 4
    assert tally.lost == {"GET: no answer within 0.2 s": 2, "POST: no answer within 0.2 s": 2}
    assert tally.lost_in == {3: 4}


def test_what_is_under_way_is_bounded_and_what_comes_beyond_is_lost() -> None:
    tally = played(never_answer, [0.0] * 5, most=2)
    assert tally.sent == 5
    assert tally.lost["2 requests were under way"] == 3


def test_once_stopped_nothing_is_sent() -> None:
    assert played(answer_at_once, [0.0, 60.0], stopped=True).sent == 0


def test_a_door_that_is_shut_loses_the_request_and_says_how() -> None:
    async def shut() -> Tally:
        server = await asyncio.start_server(answer_at_once, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        tally = Tally()
        door = Door(address="127.0.0.1", port=port, host="one")
        await play(door, [0.0], begin=time.monotonic(), tally=tally, stop=threading.Event())
        return tally

    (why,) = asyncio.run(shut()).lost
    assert why.startswith("GET: ConnectionRefusedError")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (WHOLE, ""),
        (WHOLE.replace(b"Content-Length", b"content-length"), ""),
        (b"", "closed without an answer"),
        (b"SSH-2.0", "an answer that is none"),
        (WHOLE.replace(b"200 OK", b"502 Bad Gateway"), "502"),
        (WHOLE[:-1], "1 bytes, not as many as announced"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "2 bytes, not as many as announced"),
    ],
)
def test_only_a_whole_200_is_an_answer(answer: bytes, why: str) -> None:
    assert fault(answer) == why
