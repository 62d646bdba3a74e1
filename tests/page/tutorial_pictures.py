"""Takes the pictures of docs/tutorial.md from the running stack, while somebody does what the page says.

    python -m tests.page.tutorial_pictures [<status page> [<Locust> [<directory>]]]

Start it when one replica runs and nothing loads it, then do the steps of the page from the load on. It
says what it waits for, takes a picture at each moment of ``MOMENTS``, and ends when one replica is left.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.page import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
STATUS_PAGE: Final = "http://localhost:8000/"
LOCUST: Final = "http://localhost:8089/"
VIEW: Final[dict[str, Any]] = {"viewport": {"width": 1000, "height": 875}, "color_scheme": "light"}
LONGEST_SECONDS: Final = 600
"""For a moment to come."""
LOOK_MS: Final = 100
REDRAWN_MS: Final = 6000
"""For the chart to show what the boxes show: it asks every 5 s, while it is in view."""
TALLEST: Final = 640
"""Pixels of a part that are taken."""
LOCUST_FORM: Final = 535
"""Pixels that Locust's form is high."""

_READY = "document.querySelectorAll('.replica.ready').length"
_BOXES = "document.querySelectorAll('.replica:not(.free)').length"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is waited for, and what is then taken.

    Attributes:
        picture: Name of the file, without its ending.
        until: JavaScript that is true on the status page when it has come.
        settle_ms: How long to wait then.
        of: Selector of the part to be taken; the window if empty.
    """

    picture: str
    until: str
    settle_ms: int = REDRAWN_MS
    of: str = ""


MOMENTS: Final = (
    Moment(picture="one-replica", until=f"{_BOXES} === 1 && {_READY} === 1"),
    # At once: a replica is ready within a second or two.
    Moment(picture="second-replica", until=f"{_BOXES} >= 2", settle_ms=0),
    Moment(picture="three-replicas", until=f"{_READY} >= 3"),
    Moment(picture="events", until=f"{_READY} >= 3", settle_ms=0, of="#events"),
    Moment(picture="chart", until=f"{_BOXES} === 1", of=".chart"),
)


def main(status_page: str = STATUS_PAGE, locust: str = LOCUST, directory: str = str(IMAGES)) -> None:
    """Take all pictures."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with browser.running() as chromium:
        with browser.opened(chromium, locust, **VIEW) as watched:
            watched.page.get_by_role("button", name="Start").wait_for()
            clip = {"x": 0, "y": 0, "width": VIEW["viewport"]["width"], "height": LOCUST_FORM}
            _write(watched.page, folder / "tutorial-locust.png", clip=clip)
        _follow(chromium, status_page, folder)


def _follow(chromium: Browser, status_page: str, folder: Path) -> None:
    with browser.opened(chromium, status_page, **VIEW) as watched:
        page = watched.page
        page.check(".ranges input[value='15m']")
        page.wait_for_selector(".u-legend")
        for moment in MOMENTS:
            _say(f"waiting for {moment.picture}")
            _wait(page, moment.until)
            _take(page, folder / f"tutorial-{moment.picture}.png", moment)
        if watched.complaints:
            raise SystemExit("\n".join(watched.complaints))


def _wait(page: Page, until: str) -> None:
    # Asked from here: the page's content policy forbids that a string is run in it over and over.
    ends = time.monotonic() + LONGEST_SECONDS
    while not page.evaluate(until):
        if time.monotonic() > ends:
            raise SystemExit(f"not within {LONGEST_SECONDS} s: {until}")
        page.wait_for_timeout(LOOK_MS)


def _take(page: Page, file: Path, moment: Moment) -> None:
    part = page.locator(moment.of or "body").first
    part.evaluate("part => part.scrollIntoView()")
    page.wait_for_timeout(moment.settle_ms)
    box = part.bounding_box()
    if moment.of and box:
        _write(page, file, clip={**box, "height": min(box["height"], TALLEST)})
    else:
        _write(page, file)


def _write(page: Page, file: Path, **options: Any) -> None:  # noqa: ANN401 - playwright's own
    page.screenshot(path=file, **options)
    _say(f"{file}: {file.stat().st_size // 1000} kB")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for whoever started it


if __name__ == "__main__":
    main(*sys.argv[1:])
