"""A headless Chromium, for the tests of the status page and for its pictures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from machine.browser import find

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # In a container of CI there is often no user namespace to lock it into, and it only sees our own pages.
    "--no-sandbox",
)
DROPPED = "net::ERR_NETWORK_CHANGED"
"""What becomes of a request under way when a network of the machine comes or goes, as Docker's do."""
LOADS_AT_MOST = 5


def why_not() -> str:
    """Why no browser can be used here, with the way out; empty if one can."""
    if find() is None:
        return "this machine has no Chromium; on Debian: apt-get install chromium"
    if find_spec("playwright") is None:
        return "playwright is not installed; `make venv` installs it"
    return ""


@dataclass
class Watched:
    """A page, with all that it should not have said or asked for.

    Attributes:
        page: the page.
        origin: where it comes from.
        complaints: errors on the console, exceptions, violations of the content policy.
        elsewhere: requests to anywhere but the origin.
        dropped: requests that ended because a network of the machine came or went: neither page nor server is
            to blame.
    """

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("requestfailed", self._failed)

    def load(self, url: str = "") -> None:
        """Load it, or another of its site, anew as often as a part of it was dropped."""
        from playwright.sync_api import Error  # noqa: PLC0415 - the tests are collected without it, too

        for _ in range(LOADS_AT_MOST):
            before = len(self.dropped)
            try:
                self.page.goto(url or self.origin)
            except Error as fault:
                if DROPPED not in str(fault):
                    raise
                continue
            if len(self.dropped) == before:
                return
        raise AssertionError(f"the networks of this machine change all the time: {self.dropped}")

    def _failed(self, request: Any) -> None:  # noqa: ANN401 - playwright's own
        if request.failure == DROPPED:
            self.dropped.append(request.url)

    def _console(self, message: Any) -> None:  # noqa: ANN401 - playwright's own
        if message.type in {"error", "warning"} and DROPPED not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:  # noqa: ANN401 - playwright's own
        if not request.url.startswith((self.origin, "data:")):
            self.elsewhere.append(request.url)


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """Run a browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the tests are collected without it, too

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Watched]:  # noqa: ANN401 - playwright's own
    """Open a page in a context of its own."""
    context = browser.new_context(**options)
    try:
        watched = Watched(context.new_page(), origin=url)
        watched.load()
        yield watched
    finally:
        context.close()


def serious(page: Page) -> list[str]:
    """What axe finds that is serious or critical, a line each."""
    from axe_playwright_python.sync_playwright import (  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
        Axe,
    )

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


if __name__ == "__main__":
    sys.exit(why_not())
