"""The site of docs/ in a real browser: its diagrams are drawn, and nothing comes from another server."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.page import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.untimed,
    pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not()),
]

ROOT = Path(__file__).parents[2]
DIAGRAM = '<pre class="mermaid">'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(into)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return into


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.running() as running:
        yield running


def test_every_diagram_is_drawn(folder: Path, address: str, chromium: Browser) -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in sorted(folder.rglob("*.html"))}
    with_diagrams = {page: text.count(DIAGRAM) for page, text in texts.items() if DIAGRAM in text}
    assert with_diagrams, "no page has a diagram"
    with browser.opened(chromium, address) as watched:
        for page, count in with_diagrams.items():
            url = f"{address}{page.relative_to(folder)}"
            watched.load(url)
            # The theme puts each drawing where its text was; one that cannot be read stays text.
            drawn = watched.page.locator("div.mermaid")
            drawn.nth(count - 1).wait_for(state="visible", timeout=30_000)
            for one in drawn.all():
                box = one.bounding_box()
                assert box is not None
                assert box["height"] > 50, f"{url}: an empty drawing"
            assert watched.elsewhere == [] == watched.complaints, url


def test_the_search_finds_a_page_by_its_words(address: str, chromium: Browser) -> None:
    with browser.opened(chromium, address) as watched:
        words = watched.page.locator("input.md-search__input")
        words.click()
        words.press_sequentially("alertscale.drain")
        found = watched.page.locator('.md-search-result__link[href*="/labels/"]').first
        found.wait_for(state="attached", timeout=30_000)
        assert watched.elsewhere == []
