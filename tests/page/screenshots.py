"""Takes the screenshots in docs/images/ of the page around an autoscaler in memory.

python -m tests.page.screenshots [<directory>]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaler.web.page import About
from tests.page import browser
from tests.page.site import serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTHS = {"wide": 1280, "narrow": 380}
HEIGHT = 1100


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        server, autoscaler, prometheus = serve(Path(home), about=About(host="docker-1"))
        autoscaler.until, autoscaler.live, autoscaler.starting = time.time() + 300, 4, 1
        prometheus.cpu, prometheus.memory = prometheus.cpu[:3], prometheus.memory[:3]
        threading.Thread(target=server.run, daemon=True).start()
        with browser.running() as chromium:
            for scheme in ("light", "dark"):
                for name, width in WIDTHS.items():
                    _take(
                        chromium,
                        server.effective_port,
                        directory / f"status-{scheme}-{name}.png",
                        scheme,
                        width,
                    )


def _take(chromium: Browser, port: int, file: Path, scheme: str, width: int) -> None:
    options: dict[str, Any] = {"viewport": {"width": width, "height": HEIGHT}, "color_scheme": scheme}
    with browser.opened(chromium, f"http://127.0.0.1:{port}/", **options) as watched:
        watched.page.locator("details.chart").scroll_into_view_if_needed()
        watched.page.wait_for_selector(".u-legend")
        watched.page.hover(".u-over", position={"x": width / 3, "y": 80})
        watched.page.evaluate("scrollTo(0, 0)")
        watched.page.wait_for_timeout(1500)
        watched.page.screenshot(path=file)
        if watched.complaints:
            raise SystemExit("\n".join(watched.complaints))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
