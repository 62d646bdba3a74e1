"""The load on the stack: a user that looks around, now and then asks for something expensive."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from locust import FastHttpUser, between, task

if TYPE_CHECKING:
    from locust.env import Environment


class Visitor(FastHttpUser):
    """A user with a short pause between requests, most of which cost CPU time."""

    wait_time = between(0.1, 0.5)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # The web UI shows http://nginx:80/; a path is appended to it as it is.
        self.client.base_url = (self.client.base_url or "").rstrip("/")

    @task(10)
    def look(self) -> None:
        """Ask for the page."""
        self.client.get("/")

    @task(6)
    def work(self) -> None:
        """Burn CPU time."""
        self.client.get("/work?ms=50", name="/work")

    @task(3)
    def post_work(self) -> None:
        """Send a body that burns CPU time: a request that nginx must not send twice."""
        self.client.post("/work?ms=50", name="/work", data=b"x" * 1024)

    @task(1)
    def hold_memory(self) -> None:
        """Hold memory for a while; a replica that is full answers 503, which is no failure."""
        with self.client.post("/memory?mb=10&seconds=5", name="/memory", catch_response=True) as response:
            if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and (
                b"memory is full" in (response.content or b"")
            ):
                response.success()
