"""The status page on the whole stack, in a real browser.

What its script does with what it is told is shown without a stack, in
tests/integration/scaler/test_page_in_browser.py; here, that what it is told is so.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from testkit.load import Load
from testkit.stack import Stack, wait_until
from tests.page import browser
from tests.page.browser import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not()),
    pytest.mark.timeout(300),
]

SHOWN_WITHIN = 2.0
"""Seconds."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.running() as running:
        yield running


@pytest.fixture
def watched(one_replica: Stack, chromium: Browser) -> Iterator[Watched]:
    """The page, open on the stack; at the end it has complained of nothing and asked nobody else."""
    url = one_replica.url("SCALER_PORT", "/")
    with browser.opened(chromium, url, viewport={"width": 1280, "height": 1000}) as watched:
        watched.page.wait_for_selector(".controls:not([hidden])")
        yield watched
        assert watched.complaints == []
        assert watched.elsewhere == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def replicas(page: Page) -> list[str]:
    """The states of the boxes."""
    return page.locator(".replica:not(.free) .state").all_text_contents()


def give_token(page: Page, stack: Stack) -> None:
    page.fill("#ask-token input", stack.token())
    page.press("#ask-token input", "Enter")


def test_a_step_under_load_appears_within_two_seconds(page: Page, one_replica: Stack) -> None:
    stack = one_replica
    before = int(stack.events()[-1]["id"])
    with Load(port=stack.ports["NGINX_PORT"]):
        # Asked as often as may be, so that what is measured is the page's delay and not ours.
        wait_until(lambda: len(stack.service()["replicas"]) >= 2, within=60, what="a step", every=0.05)
        begun = time.monotonic()
        wait_until(lambda: len(replicas(page)) >= 2, within=10, what="the step on the page", every=0.05)
        assert time.monotonic() - begun < SHOWN_WITHIN
        wait_until(lambda: "HighCPU" in page.inner_text(".alerts"), within=5, what="the alert on the page")
        rule = wait_until(
            lambda: links_of_steps_up(page, since=before), within=30, what="the step in the timeline"
        )
        assert "cpu_utilization" in rule[0]


def links_of_steps_up(page: Page, *, since: int) -> list[str]:
    """Where the steps up after an event point to, newest first.

    Not every step: one down, of the test before, may come into the timeline while we look.
    """
    steps = page.locator(".event.of-step", has_text="was added")
    # In one go: the timeline moves while we read it.
    found = steps.evaluate_all("all => all.map(e => [e.dataset.key, e.querySelector('a')?.href ?? ''])")
    return [link for key, link in found if int(key) > since and link]


def low(*, firing: bool) -> dict[str, object]:
    """Alerts that ask for a step down at once, rather than when the rules' half minute is over."""
    status = "firing" if firing else "resolved"
    labels = {"alertname": "LowForATest", "scale": "down", "service": "flask-app"}
    resources = ("cpu", "memory")
    return {
        "version": "4",
        "alerts": [{"status": status, "labels": labels | {"resource": r}} for r in resources],
    }


def test_the_countdown_of_a_cooldown_counts(page: Page, one_replica: Stack) -> None:
    """After a step up nothing is removed for the cooldown of four seconds."""
    stack = one_replica
    # Of the load of the test before: it would beat ours, and has a cooldown of its own.
    wait_until(lambda: "up" not in [a["scale"] for a in stack.service()["alerts"]], within=40, what="no load")
    stack.scale(2)
    assert stack.change("/alerts", low(firing=True)).status_code == 202
    try:
        seen: list[str] = []
        counted: list[int] = []
        countdown = page.locator(".decision", has_text="the down cooldown ends").locator(".until")
        deadline = time.monotonic() + 8
        # Not while two boxes are shown: the page hears of the second a moment after we do.
        while time.monotonic() < deadline and len(counted) < 2:
            seen += [t for t in countdown.all_text_contents() if t not in seen]
            counted = [int(text.split()[1]) for text in seen if text.endswith(" s")]
        assert len(counted) >= 2, seen
        assert counted == sorted(counted, reverse=True)
    finally:
        stack.change("/alerts", low(firing=False))


def test_pausing_holds_and_a_manual_step_works(page: Page, one_replica: Stack) -> None:
    stack = one_replica
    page.click("text=One more")
    give_token(page, stack)
    wait_until(lambda: replicas(page) == ["ready"] * 2, within=30, what="two ready boxes")
    page.click("text=Pause")
    wait_until(lambda: stack.service()["pause"] == "all", within=5, what="the pause")
    wait_until(lambda: "steps are paused" in page.inner_text(".decision"), within=5, what="it on the page")
    page.click("text=Resume")
    wait_until(lambda: stack.service()["pause"] == "none", within=5, what="no pause")
    page.click("text=One fewer")
    page.click("text=Remove it")
    wait_until(lambda: replicas(page) == ["ready"], within=60, what="one ready box")


def test_the_chart_shows_prometheus_figures_with_the_thresholds_of_its_rules(
    page: Page, one_replica: Stack
) -> None:
    answer = one_replica.scaler(f"/api/v1/history?service={one_replica.project}/flask-app&range=15m")
    assert answer["error"] == ""
    for name in ("replicas", "cpu", "memory"):
        assert [v for v in answer[name] if v is not None], name
    now = wait_until(lambda: measured(one_replica), within=10, what="how busy each replica is")
    assert [{t["scale"] for t in use["thresholds"]} for use in now["uses"]] == [{"up", "down"}] * 2
    wait_until(lambda: "%" in page.inner_text(".load .cpu .figure"), within=10, what="it on the page")
    page.wait_for_selector(".u-over")
    thresholds = page.inner_text(".thresholds")
    for threshold in answer["thresholds"]:
        assert threshold["value"] is not None, threshold
        assert f"{threshold['alertname']}: {threshold['resource']}" in thresholds


def measured(stack: Stack) -> dict[str, Any]:
    """How busy the service is; empty while not all of it is measured, of each replica, too."""
    service = stack.service()
    shares = [r[name] for r in service["replicas"] for name in ("cpu", "memory")]
    load: dict[str, Any] = service["load"]
    return load if None not in (*shares, *(use["value"] for use in load["uses"])) else {}


def test_all_lights_are_on(page: Page) -> None:
    wait_until(lambda: page.locator(".station.ok").count() == 6, within=20, what="six lights")


@pytest.mark.drill  # in short in test_others_die.py, by what the page is made from
def test_a_killed_prometheus_and_a_silent_watchdog_are_shown(page: Page, one_replica: Stack) -> None:
    stack = one_replica
    (prometheus,) = stack.containers("prometheus")
    subprocess.run(["docker", "kill", prometheus["Id"]], check=True, capture_output=True)
    try:
        page.wait_for_selector(".station.down:has-text('Prometheus')", timeout=30_000)
        page.locator(".said", has_text="No figures from Prometheus").wait_for(timeout=30_000)
        # Alertmanager goes on for a while with what it knows; the scaler believes it for 15 s more.
        page.locator(".banner", has_text="The scaler is blind").wait_for(timeout=60_000)
        wait_until(
            lambda: page.locator(".station.down b").all_text_contents() == ["Prometheus", "Alertmanager"],
            within=10,
            what="two dark lights",
        )
        assert replicas(page) == ["ready"]
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "prometheus")
    page.locator(".banner").wait_for(state="detached", timeout=60_000)
    wait_until(lambda: page.locator(".station.ok").count() == 6, within=30, what="six lights again")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_axe_finds_nothing_serious(stack: Stack, chromium: Browser, scheme: str, width: int) -> None:
    size = {"width": width, "height": 1000}
    with browser.opened(
        chromium, stack.url("SCALER_PORT", "/"), viewport=size, color_scheme=scheme
    ) as watched:
        watched.page.wait_for_selector(".controls:not([hidden])")
        watched.page.locator("details.chart").first.scroll_into_view_if_needed()
        watched.page.wait_for_selector(".u-legend")
        assert browser.serious(watched.page) == []
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
        assert watched.complaints == []
