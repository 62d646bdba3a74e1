"""A mixed load from clients that never retry: every request is counted, and every answer."""

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from testkit.stack import Stack, wait_until


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of client.

    Attributes:
        clients: how many.
        method: GET or POST.
        path: what they ask for.
        chunk: bytes read at once; 0 for all.
        pause: seconds between two chunks, for a slow reader.
    """

    clients: int
    method: str
    path: str
    chunk: int = 0
    pause: float = 0.0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


MIX = (
    Kind(clients=4, method="GET", path="/work?ms=1"),
    Kind(clients=4, method="POST", path="/work?ms=1"),
    Kind(clients=6, method="POST", path="/sleep?seconds=0.05"),
    Kind(clients=3, method="POST", path="/sleep?seconds=8"),
    Kind(clients=2, method="GET", path="/blob?mb=5", chunk=512 * 1024, pause=0.3),
)
"""GET and POST over keep-alive, short and 8-second requests, and a large answer read in three seconds."""


@contextlib.contextmanager
def by_hand(stack: Stack) -> Iterator[Stack]:
    """Only the caller orders steps: no alert reaches the scaler."""
    firing = alerts(stack)
    stack.compose("stop", "alertmanager")
    try:
        forget(stack, firing)
        yield stack
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "alertmanager")


def alerts(stack: Stack) -> list[dict[str, str]]:
    """The labels of each alert that scales and that Alertmanager repeats to the scaler."""
    told = stack.session.get(stack.url("ALERTMANAGER_PORT", "/api/v2/alerts"), timeout=10).json()
    return [a["labels"] for a in told if "scale" in a["labels"]]


def forget(stack: Stack, firing: list[dict[str, str]]) -> None:
    """Tell the scaler that alerts are over which nobody repeats any more; others it forgets in 15 s."""
    over = [{"status": "resolved", "labels": labels} for labels in firing]
    answer = stack.change("/alerts", {"version": "4", "status": "resolved", "alerts": over})
    assert answer.status_code == 202, answer.text
    wait_until(lambda: not stack.service()["alerts"], within=30, what="the last alert's end")


def counts(*, seed: int, lowest: int, highest: int) -> Iterator[int]:
    """Counts in random order without an end, each one more or one fewer than the last, from the lowest on."""
    chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, not a secret
    now = lowest
    while True:
        now += 1 if now == lowest else -1 if now == highest else chance.choice([1, -1])
        yield now


class Drill:
    """Runs the mix until told to stop.

    Attributes:
        sent: requests begun.
        answers: how each of them ended: ``200``, another status, or what went wrong.
        answered: requests that ended well, by kind.
        sent_in: requests begun, by the second since the start.
        lost_in: requests that ended otherwise, by the second since the start.
        lost_by: the same by client, each numbered.
    """

    def __init__(
        self, *, port: int, host: str = "127.0.0.1", mix: tuple[Kind, ...] = MIX, patience: float = 60
    ) -> None:
        self._host, self._port = host, port
        self._mix = mix
        self._patience = patience
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._started = 0.0
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.sent_in: Counter[int] = Counter()
        self.lost_in: Counter[int] = Counter()
        self.lost_by: Counter[int] = Counter()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run the clients; at the end let each finish the request it is in."""
        kinds = [kind for kind in self._mix for _ in range(kind.clients)]
        threads = [
            threading.Thread(target=self._client, args=(number, kind)) for number, kind in enumerate(kinds)
        ]
        self._started = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=90)

    @property
    def lost(self) -> dict[str, int]:
        """Every end but 200 with a whole body."""
        with self._lock:
            return {answer: count for answer, count in self.answers.items() if answer != "200"}

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def _client(self, number: int, kind: Kind) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._patience)
        while not self._stop.is_set():
            with self._lock:
                self.sent += 1
                self.sent_in[int(self.seconds)] += 1
            try:
                answer = _exchange(connection, kind)
            except (OSError, http.client.HTTPException) as error:
                answer = f"{kind}: {error!r}"
                connection.close()
            with self._lock:
                self._count(number, kind, answer)
        connection.close()

    def _count(self, number: int, kind: Kind, answer: str) -> None:
        self.answers[answer] += 1
        if answer == "200":
            self.answered[str(kind)] += 1
        else:
            self.lost_in[int(self.seconds)] += 1
            self.lost_by[number] += 1


def _exchange(connection: http.client.HTTPConnection, kind: Kind) -> str:
    connection.request(kind.method, kind.path)
    response = connection.getresponse()
    announced = int(response.headers.get("Content-Length", "-1"))
    read = 0
    while part := response.read(kind.chunk or None):
        read += len(part)
        time.sleep(kind.pause)
    if response.status != http.client.OK:
        return f"{kind}: {response.status}"
    if read != announced:
        return f"{kind}: {read} of {announced} bytes"
    return "200"
