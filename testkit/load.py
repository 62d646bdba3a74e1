"""A load that makes the CPU busy: clients that all ask for the same, never retry, and count what they got."""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self


@dataclass(kw_only=True)
class Load:
    """Keep-alive clients on nginx, each sending one request after the other until told to stop.

    Attributes:
        port: of nginx.
        host: where that is.
        clients: how many.
        path: what they ask for.
        method: how.
        longest: seconds after which they stop by themselves.
        tls: how they see that it is nginx; None for plain HTTP.
        answers: how often each status, or each fault, was met.
        first_answer: replica to the seconds from the load's start to its first answer.
    """

    port: int
    host: str = "127.0.0.1"
    clients: int = 12
    path: str = "/work?ms=60"
    method: str = "GET"
    longest: float = 240.0
    tls: ssl.SSLContext | None = None
    answers: Counter[str] = field(default_factory=Counter)
    first_answer: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.started = 0.0

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        self._threads = [threading.Thread(target=self._client) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    @property
    def failures(self) -> dict[str, int]:
        """Everything but 200."""
        return {answer: count for answer, count in self.answers.items() if answer != "200"}

    def _client(self) -> None:
        connection = self._connection()
        while not self._stop.is_set() and time.monotonic() - self.started < self.longest:
            try:
                connection.request(self.method, self.path)
                response = connection.getresponse()
                body = response.read()
                self._count(str(response.status), body)
            except (OSError, http.client.HTTPException) as error:
                self._count(repr(error), b"")
                connection.close()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=60)
        return http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.tls)

    def _count(self, answer: str, body: bytes) -> None:
        with self._lock:
            self.answers[answer] += 1
            if answer == "200" and body.startswith(b"{"):
                replica = str(json.loads(body).get("replica", ""))
                self.first_answer.setdefault(replica, time.monotonic() - self.started)
