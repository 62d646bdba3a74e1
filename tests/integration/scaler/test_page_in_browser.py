"""The status page in a real browser, around an autoscaler in memory: what its script does.

The same on the whole stack is in tests/e2e/test_status_page.py.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scaler.model.reasons import EventKind
from tests.page import browser
from tests.page.browser import Watched
from tests.page.site import SHOP, TOKEN, Autoscaler, FakePrometheus, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not()),
    pytest.mark.timeout(120),
]

NAME = "/".join(SHOP)
PARTS = """rows => rows.map(row => [...row.children].filter(e => e.matches("time, .kind, .whose")).map(e => {
  const range = document.createRange();
  range.selectNodeContents(e);  // its text may be wider than its box
  const { left, right } = range.getBoundingClientRect();
  return { text: e.textContent, begins: left, ends: right };
}))"""
"""Of each entry its time, kind and service: the text, and where it begins and ends."""
SOON = 5_000
"""Milliseconds that a change may take to appear: the machine of the tests is busy."""


@dataclass(kw_only=True)
class Served:
    """A page that is served."""

    url: str
    autoscaler: Autoscaler
    prometheus: FakePrometheus


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.running() as running:
        yield running


def served(directory: Path, **options: Any) -> Iterator[Served]:  # noqa: ANN401 - those of serve
    server, autoscaler, prometheus = serve(directory, **options)
    thread = threading.Thread(target=_run, args=(server,), daemon=True)
    thread.start()
    yield Served(
        url=f"http://127.0.0.1:{server.effective_port}/", autoscaler=autoscaler, prometheus=prometheus
    )
    server.close()
    thread.join(timeout=5)
    autoscaler.journal.close()


def _run(server: Any) -> None:  # noqa: ANN401 - waitress'
    try:
        server.run()
    except OSError:  # closed under it, which is how it ends
        return


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    yield from served(tmp_path)


@pytest.fixture
def watched(site: Served, chromium: Browser) -> Iterator[Watched]:
    """The page, open; at the end it has complained of nothing and asked nobody else."""
    with browser.opened(chromium, site.url, viewport={"width": 1280, "height": 1000}) as watched:
        watched.page.wait_for_selector(".controls:not([hidden])")
        yield watched
        assert watched.complaints == []
        assert watched.elsewhere == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def shows(page: Page, selector: str, text: str) -> None:
    """Wait until an element holds a text."""
    page.locator(selector, has_text=text).first.wait_for(state="attached", timeout=SOON)


class TestNow:
    def test_figures_follow_without_a_reload_and_vanish_with_prometheus(
        self, page: Page, site: Served
    ) -> None:
        page.evaluate("window.same = true")
        site.prometheus.cpu = (0.21, 0.22, 0.23)
        shows(page, ".load .cpu .figure", "22 %")
        shows(page, ".load .cpu", "adds above 70, removes below 30")
        shows(page, ".replica[title$='-3'] .share", "CPU 23 %")
        assert page.evaluate("document.querySelector('.load .cpu .used').getBBox().width") == 22

        site.prometheus.dead = True
        shows(page, ".silent", "How busy it is, is not known: Prometheus does not answer")
        assert page.locator(".load, .share").count() == 0
        assert page.evaluate("window.same")

    def test_why_some_are_starting_stands_once_and_in_no_box(self, page: Page, site: Served) -> None:
        site.autoscaler.live, site.autoscaler.starting = 4, 2
        shows(page, ".waiting", "Replicas 3 and 4 are starting: port 5000/ready")
        assert "Connection refused" not in " ".join(page.locator(".replica").all_inner_texts())

    def test_times_are_said_to_be_in_the_zone_of_whoever_looks(self, site: Served, chromium: Browser) -> None:
        with browser.opened(chromium, site.url, timezone_id="Asia/Tokyo") as watched:
            shows(watched.page, "#zone", "Asia/Tokyo")
            assert watched.complaints == []


class TestLive:
    def test_a_change_of_the_replicas_appears_without_a_reload(self, page: Page, site: Served) -> None:
        page.evaluate("window.same = true")
        site.autoscaler.live, site.autoscaler.starting = 4, 1
        shows(page, ".replica.starting .number", "4")
        assert page.evaluate("window.same")
        assert "4 replicas" in (page.text_content("#announce") or "")

    def test_the_countdown_counts(self, page: Page, site: Served) -> None:
        site.autoscaler.until = time.time() + 40
        page.wait_for_selector(".decision .until", timeout=SOON)
        left = [_seconds(page)]
        page.wait_for_function(
            "before => parseInt(document.querySelector('.until').textContent.slice(3)) <= before - 2",
            arg=left[0],
            timeout=SOON,
        )
        # The moment is rounded up to a whole second, and what is left until then once more.
        assert _seconds(page) < left[0] <= 41

    def test_an_event_is_added_and_the_others_stay_where_the_focus_is(self, page: Page, site: Served) -> None:
        page.locator(".events a", has_text="rule").first.focus()
        before = page.evaluate("document.activeElement.closest('li').dataset.key")
        site.autoscaler.tell(EventKind.FAULT, "internal", "something new")
        shows(page, ".events .text", "something new")
        assert page.evaluate("document.activeElement.closest('li')?.dataset.key") == before

    def test_a_log_that_is_unfolded_stays_so_when_something_changes(self, page: Page, site: Served) -> None:
        failed = {"why": "manual", "phases": {"start": 0.2}, "log": ["cannot reach <db>", "giving up"]}
        site.autoscaler.tell(EventKind.STEP, "failed", "replica 9 failed", detail=failed)
        shows(page, ".event", "replica 9 failed")
        page.click(".event .log summary")
        site.autoscaler.tell(EventKind.STEP, "done", "replica 10 done")
        shows(page, ".event", "replica 10 done")

        assert page.inner_text(".event .log[open] pre") == "cannot reach <db>\ngiving up"

    def test_a_scaler_that_does_not_answer_is_told_and_its_return_seen(self, watched: Watched) -> None:
        page = watched.page
        page.route("**/*part=live*", lambda route: route.abort())
        shows(page, "#connection", "The scaler does not answer")
        page.unroute("**/*part=live*")
        page.wait_for_selector("#connection", state="hidden", timeout=SOON)
        watched.complaints[:] = [c for c in watched.complaints if "ERR_FAILED" not in c]

    def test_a_silent_watchdog_is_told(self, page: Page, site: Served) -> None:
        site.autoscaler.state = replace(site.autoscaler.state, watchdog_age=60.0)
        shows(page, ".banner", "The scaler is blind")
        shows(page, ".station.down b", "Alertmanager")

    def test_filters_take_effect_at_once_and_stay_in_the_address(self, page: Page) -> None:
        page.select_option("select[name=kind]", "alert")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.events .kind')].every(k => k.textContent === 'alert')",
            timeout=SOON,
        )
        assert "kind=alert" in page.url
        assert page.locator(".event").count() > 3
        page.select_option("select[name=kind]", "all")
        shows(page, ".event", "nginx was reloaded")


def _seconds(page: Page) -> int:
    return int((page.text_content(".decision .until") or "").split()[1])


class TestActions:
    def test_the_token_is_asked_for_once(self, page: Page) -> None:
        page.click("text=One more")
        page.fill("#ask-token input", TOKEN)
        page.press("#ask-token input", "Enter")
        shows(page, ".replica.ready .number", "4")
        page.click("text=Pause")
        shows(page, ".bounds .paused", "all")
        page.wait_for_selector("button:has-text('Resume'):visible", timeout=SOON)
        page.click("text=Resume")
        page.wait_for_selector(".bounds .paused", state="detached", timeout=SOON)
        assert page.evaluate("localStorage.length") == 0

    def test_a_removal_is_asked_about_first(self, page: Page, site: Served) -> None:
        page.evaluate(f"sessionStorage.setItem('alertscale-token', '{TOKEN}')")
        page.click("text=One fewer")
        assert "from 3 to 2" in (page.text_content("#ask-removal .what") or "")
        page.click("text=Keep it")
        page.click("text=One fewer")
        page.press("#ask-removal", "Escape")
        assert site.autoscaler.wanted is None
        assert site.autoscaler.live == 3

        page.click("text=One fewer")
        page.click("text=Remove it")
        page.wait_for_function("() => document.querySelectorAll('.replica.ready').length === 2", timeout=SOON)

    def test_a_wrong_token_is_said_and_asked_for_again(self, watched: Watched) -> None:
        page = watched.page
        page.click("text=Pause")
        page.fill("#ask-token input", "wrong")
        page.press("#ask-token input", "Enter")
        shows(page, "#ask-token .wrong", "does not know that token")
        page.fill("#ask-token input", TOKEN)
        page.press("#ask-token input", "Enter")
        shows(page, ".bounds .paused", "all")
        # A browser itself writes every 401 to its console.
        watched.complaints[:] = [c for c in watched.complaints if "401" not in c]

    def test_bounds_are_kept(self, page: Page, site: Served) -> None:
        site.autoscaler.live = 5
        page.wait_for_selector("[data-action=more][aria-disabled=true]", timeout=SOON)
        site.autoscaler.live = 1
        page.wait_for_selector("[data-action=fewer][aria-disabled=true]", timeout=SOON)
        page.click("text=One fewer", force=True)
        assert not page.is_visible("#ask-removal")

    def test_everything_can_be_reached_by_keyboard(self, page: Page) -> None:
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 12)"))
            reached.add(page.evaluate("document.activeElement.className"))
        assert {"Skip to the ", "One more", "One fewer", "Pause", "plot"} <= reached

    def test_the_command_that_reads_the_token_is_copied(self, site: Served, chromium: Browser) -> None:
        with browser.opened(chromium, site.url, permissions=["clipboard-read", "clipboard-write"]) as watched:
            page = watched.page
            page.click("text=Pause")
            page.click("text=Copy")
            shows(page, "#ask-token button", "Copied")
            command = "docker compose exec scaler cat /run/alertscale/token"
            assert page.evaluate("navigator.clipboard.readText()") == command
            assert watched.complaints == []

    def test_without_a_clipboard_it_is_selected(self, page: Page) -> None:
        """As on plain HTTP from another machine."""
        page.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); 0")
        page.click("text=Pause")
        page.click("text=Copy")
        shows(page, "#ask-token button", "Selected")
        assert page.evaluate("getSelection().toString()").startswith("docker compose exec scaler cat")


class TestChart:
    def test_thresholds_are_those_of_the_rules(self, page: Page) -> None:
        shows(page, ".thresholds", "HighCPU: cpu over 70.0 %")
        shows(page, ".thresholds", "LowMemory: memory under 35.0 % for 30 s")

    def test_each_line_of_a_threshold_has_its_name_beside_it(self, page: Page) -> None:
        """What is painted cannot be read again: it is listened to."""
        page.evaluate(
            "window.painted = []; const fill = CanvasRenderingContext2D.prototype.fillText;"
            "CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {"
            " window.painted.push([text, this.textAlign]); return fill.call(this, text, x, y); }; 0"
        )
        page.check("input[value='15m']")
        page.wait_for_function("() => window.painted.some(([text]) => text.startsWith('Low'))", timeout=SOON)
        named = {text: side for text, side in page.evaluate("window.painted") if text[:3] in {"Hig", "Low"}}
        left, right = ("HighCPU 70 %", "LowCPU 30 %"), ("HighMemory 80 %", "LowMemory 35 %")
        assert named == dict.fromkeys(left, "left") | dict.fromkeys(right, "right")

    def test_hover_and_arrow_keys_show_values(self, page: Page) -> None:
        page.wait_for_selector(".u-over")
        page.hover(".u-over", position={"x": 300, "y": 60})
        page.wait_for_function(
            "() => /%/.test(document.querySelector('.u-legend').textContent)", timeout=SOON
        )
        page.focus(".plot")
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        shows(page, ".near", "replicas, CPU")

    def test_another_range_is_another_question(self, page: Page, site: Served) -> None:
        page.wait_for_selector(".u-over")
        before = len(site.prometheus.asked)
        page.check("input[value='24h']")
        page.wait_for_function("() => document.querySelector('.u-over') !== null")
        deadline = time.monotonic() + 5
        while len(site.prometheus.asked) == before and time.monotonic() < deadline:
            page.wait_for_timeout(20)
        assert "/api/v1/query_range" in site.prometheus.asked[before:]

    def test_the_table_has_the_same_figures(self, page: Page) -> None:
        page.wait_for_selector(".u-over")
        page.click("text=As a table")
        rows = page.locator(".values tbody tr")
        rows.first.wait_for(timeout=SOON)
        assert 20 <= rows.count() <= 30

    def test_a_dead_prometheus_is_said_and_the_rest_works(self, page: Page, site: Served) -> None:
        site.prometheus.dead = True
        page.check("input[value='6h']")
        shows(page, ".said", "No figures from Prometheus: Prometheus does not answer")
        page.wait_for_selector(".station.down:has-text('Prometheus')", timeout=20_000)
        site.autoscaler.live = 4
        shows(page, ".replica.ready .number", "4")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (380, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.drill),
        pytest.param(380, "light", marks=pytest.mark.drill),
    ],
)
def test_axe_finds_nothing_serious(site: Served, chromium: Browser, scheme: str, width: int) -> None:
    site.autoscaler.until, site.autoscaler.starting = time.time() + 60, 1
    site.autoscaler.state = replace(site.autoscaler.state, watchdog_age=60.0, journal_error="disk full")
    size = {"width": width, "height": 900}
    with browser.opened(chromium, site.url, viewport=size, color_scheme=scheme) as watched:
        page = watched.page
        page.locator("details.chart").scroll_into_view_if_needed()
        page.wait_for_selector(".u-legend")
        page.click("text=As a table")
        assert browser.serious(page) == []
        page.click("text=One more")
        assert browser.serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert watched.complaints == []


def test_it_works_without_a_script(site: Served, chromium: Browser) -> None:
    with browser.opened(chromium, site.url, java_script_enabled=False) as watched:
        page = watched.page
        assert "Holding at 3" in (page.text_content(".decision") or "")
        assert page.locator(".replica.ready").count() == 3
        assert not page.is_visible(".controls")
        page.select_option("select[name=kind]", "step")
        page.click("text=Show")
        assert set(page.locator(".events .kind").all_text_contents()) == {"step"}


@pytest.mark.parametrize("width", [1280, 380])
def test_without_a_script_no_part_of_an_entry_runs_into_another(
    site: Served, chromium: Browser, width: int
) -> None:
    """The times say UTC then, and are longer."""
    size = {"width": width, "height": 900}
    with browser.opened(
        chromium, f"{site.url}?kind=all", viewport=size, java_script_enabled=False
    ) as watched:
        rows = watched.page.locator(".event").evaluate_all(PARTS)
        assert len(rows) == 50
        for time_, *others in rows:
            assert time_["text"].endswith(" UTC")
            parts = [time_, *others]
            assert all(left["ends"] < right["begins"] for left, right in itertools.pairwise(parts)), parts


def test_fifty_services_and_ten_thousand_events_stay_smooth(tmp_path: Path, chromium: Browser) -> None:
    """No task of the page's takes long: it would be felt as a jerk."""
    for big in served(tmp_path, services=50, events=10_000):
        with browser.opened(chromium, big.url, viewport={"width": 1280, "height": 1000}) as watched:
            page = watched.page
            page.wait_for_selector(".controls:not([hidden])")
            assert page.locator("article.service").count() == 50
            page.evaluate(
                "window.long = []; new PerformanceObserver((l) => l.getEntries().forEach("
                "(e) => window.long.push(e.duration))).observe({type: 'longtask'})"
            )
            for live in (4, 5, 2):
                big.autoscaler.live = live
                page.wait_for_function(
                    "live => document.querySelectorAll('article:first-of-type .ready').length === live",
                    arg=live,
                )
            # Generous: two cores that others use as well.
            assert page.evaluate("Math.max(0, ...window.long)") < 500
            assert watched.complaints == []
