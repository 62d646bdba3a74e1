"""Clients of nginx that never retry: every request is counted, and every answer."""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of client; without a word, those that make the CPU busy.

    Attributes:
        clients: how many.
        method: GET or POST.
        path: what they ask for.
        chunk: bytes read at once; 0 for all.
        pause: seconds between two chunks, for a slow reader.
        site: the name that they ask for; empty for that of the address.
        rest: seconds between two requests of a client.
    """

    clients: int = 12
    method: str = "GET"
    path: str = "/work?ms=60"
    chunk: int = 0
    pause: float = 0.0
    site: str = ""
    rest: float = 0.0

    def __str__(self) -> str:
        return f"{self.method} {self.site}{self.path}"


MIX = (
    Kind(clients=4, method="GET", path="/work?ms=1"),
    Kind(clients=4, method="POST", path="/work?ms=1"),
    Kind(clients=6, method="POST", path="/sleep?seconds=0.05"),
    Kind(clients=3, method="POST", path="/sleep?seconds=8"),
    Kind(clients=2, method="GET", path="/blob?mb=5", chunk=512 * 1024, pause=0.3),
)
"""GET and POST over keep-alive, short and 8-second requests, and a large answer read in three seconds."""


class Load:
    """Keep-alive clients, each sending one request after the other until told to stop.

    Args:
        *kinds: of clients; twelve that make the CPU busy where none is given.
        port: of nginx.
        host: where that is.
        patience: seconds after which a client gives a request up.
        tls: how they see that it is nginx; None for plain HTTP.

    Attributes:
        started: when, on the monotonic clock.
        sent: requests begun.
        answers: how each of them ended: ``200``, another status, or what went wrong.
        answered: requests that ended well, by kind.
        first_answer: replica to the seconds from the start to its first answer.
        answered_by: requests that ended well, by site and replica.
        sent_in: requests begun, by the second since the start.
        lost_in: requests that ended otherwise, by the second since the start.
        lost_by: the same by client, each numbered.
        lost_at: the same one by one: the site, the seconds since the start, and how it ended.
    """

    def __init__(
        self,
        *kinds: Kind,
        port: int,
        host: str = "127.0.0.1",
        patience: float = 60,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        clients = [kind for kind in kinds or (Kind(),) for _ in range(kind.clients)]
        self._threads = [threading.Thread(target=self._client, args=one) for one in enumerate(clients)]
        self._host, self._port = host, port
        self._patience = patience
        self._tls = tls
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.started = 0.0
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.first_answer: dict[str, float] = {}
        self.answered_by: Counter[tuple[str, str]] = Counter()
        self.sent_in: Counter[int] = Counter()
        self.lost_in: Counter[int] = Counter()
        self.lost_by: Counter[int] = Counter()
        self.lost_at: list[tuple[str, float, str]] = []

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Let each client finish the request that it is in."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=90)

    @property
    def lost(self) -> dict[str, int]:
        """Every end but 200 with a whole body."""
        with self._lock:
            return {answer: count for answer, count in self.answers.items() if answer != "200"}

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def _client(self, number: int, kind: Kind) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            with self._lock:
                self.sent += 1
                self.sent_in[int(self.seconds)] += 1
            replica = ""
            try:
                answer, replica = _exchange(connection, kind)
            except (OSError, http.client.HTTPException) as error:
                answer = f"{kind}: {error!r}"
                connection.close()
            with self._lock:
                self._count(number, kind, answer, replica)
            self._stop.wait(kind.rest)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._patience)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._patience, context=self._tls)

    def _count(self, number: int, kind: Kind, answer: str, replica: str) -> None:
        self.answers[answer] += 1
        if answer == "200":
            self.answered[str(kind)] += 1
            self.answered_by[kind.site, replica] += 1
            if replica:
                self.first_answer.setdefault(replica, self.seconds)
        else:
            self.lost_in[int(self.seconds)] += 1
            self.lost_by[number] += 1
            self.lost_at.append((kind.site, self.seconds, answer))


def _exchange(connection: http.client.HTTPConnection, kind: Kind) -> tuple[str, str]:
    """Return how a request ended, and the replica that answered, where the answer tells it."""
    connection.request(kind.method, kind.path, headers={"Host": kind.site} if kind.site else {})
    response = connection.getresponse()
    announced = response.headers.get("Content-Length", "-1")
    read, first = 0, b""
    while part := response.read(kind.chunk or None):
        read += len(part)
        first = first or part
        time.sleep(kind.pause)
    if response.status != http.client.OK:
        again = " with Retry-After" if "Retry-After" in response.headers else ""
        return f"{kind}: {response.status}{again}", ""
    # What comes in chunks says by itself where it ends.
    if not response.chunked and read != int(announced):
        return f"{kind}: {read} of {announced} bytes", ""
    try:
        told = json.loads(first) if response.headers.get_content_type() == "application/json" else {}
    except ValueError:
        return f"{kind}: JSON that cannot be read", ""
    return "200", str(told.get("replica", ""))
