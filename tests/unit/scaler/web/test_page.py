"""The status page as it comes from the server, without a script."""

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from scaler.config_check import Finding
from scaler.loop.views import Health
from scaler.model.reasons import EventKind, Pause
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.web.app import create_app
from scaler.web.page import PAGE_OF_EVENTS
from tests.page.site import SHOP, Autoscaler, FakePrometheus, fill
from tests.recording import VALIDATOR

NAME = "/".join(SHOP)


class Site:
    """The application around an autoscaler and a Prometheus in memory."""

    def __init__(self, directory: Path) -> None:
        self.autoscaler = Autoscaler(journal=Journal(path=directory / "journal.sqlite", keep=20_000))
        self.prometheus = FakePrometheus()
        self.findings: list[Finding] = []
        self.client: FlaskClient = create_app(
            orders=self.autoscaler,
            reading=self.autoscaler,
            metrics=Metrics(CollectorRegistry()),
            validator=VALIDATOR,
            token=lambda: "",
            clock=time.time,
            prometheus=self.prometheus,
            findings=lambda: self.findings,
        ).test_client()

    def page(self, query: str = "") -> str:
        answer = self.client.get(f"/{query}")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.autoscaler.journal.close()


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


class TestServices:
    def test_the_decision_is_a_sentence_with_the_time_at_which_it_can_change(self, site: Site) -> None:
        site.autoscaler.until = 1_767_322_810.0
        text = site.page()
        assert "Holding at 3: HighCPU fires; the up cooldown ends <time" in text
        assert 'datetime="2026-01-02T03:00:10Z" data-until' in text

    def test_replicas_are_boxes_with_number_state_and_address(self, site: Site) -> None:
        site.autoscaler.starting = 1
        text = " ".join(site.page().split())
        assert '<span class="number">1</span><span class="state">ready</span>' in text
        assert '<span class="number">3</span><span class="state">starting</span>' in text
        assert '<span class="address">172.18.0.5</span>' in text

    def test_bounds_target_and_pause_are_shown(self, site: Site) -> None:
        site.autoscaler.wanted, site.autoscaler.held = 4, Pause.DOWN
        text = site.page()
        for name, value in (("min", 1), ("max", 5), ("target", 4), ("replicas", 3), ("paused", "down")):
            assert f"<dt>{name}</dt><dd>{value}</dd>" in text

    def test_an_alert_tells_since_when_and_when_it_was_last_heard_of(self, site: Site) -> None:
        text = " ".join(site.page().split())
        assert re.search(r'since <time datetime="[^"]+" data-ago>.*?, last heard <time datetime="20', text)


class TestBanner:
    def test_a_silent_watchdog_is_said_with_what_is_held(self, site: Site) -> None:
        site.autoscaler.state = Health(
            passes_age=0.1, engine=True, watchdog_age=60.0, balancer_error="", journal_error=""
        )
        text = " ".join(site.page().split())
        assert "The scaler is blind: the Watchdog alert is silent" in text
        assert "nothing is scaled down; held: flask-app at 3." in text

    def test_there_is_none_while_all_is_well(self, site: Site) -> None:
        assert 'class="banner"' not in site.page()


class TestFindings:
    def test_what_the_check_found_is_shown_with_place_and_way_out(self, site: Site) -> None:
        text = "alertscale.min 9 is more than <b>alertscale.max</b> 3"
        found = Finding(
            rule="min-above-max", severity="error", place="compose.yml:7", text=text, way_out="lower the one"
        )
        site.findings = [found]
        shown = site.page()
        assert "alertscale check found 1 thing" in shown
        assert "compose.yml:7" in shown
        assert "&lt;b&gt;alertscale.max" in shown
        assert "lower the one" in shown

    def test_nothing_is_said_while_nothing_was_found(self, site: Site) -> None:
        assert "alertscale check" not in site.page()


class TestTimeline:
    def test_each_entry_links_to_its_rule(self, site: Site) -> None:
        fill(site.autoscaler, events=0)
        links = [a["href"] or "" for tag, a in Tags(site.page("?kind=step")).all if tag == "a"]
        assert [link for link in links if link.startswith("http://localhost:10090/graph?")]

    def test_a_step_shows_the_time_of_each_phase(self, site: Site) -> None:
        fill(site.autoscaler, events=0)
        assert re.search(r"<span>create 0\.03 s</span>\s*<span>start 0\.24 s</span>", site.page())

    @pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//elsewhere"])
    def test_nothing_but_a_web_address_becomes_a_link(self, site: Site, address: str) -> None:
        site.autoscaler.tell(EventKind.ALERT, "accepted", "Odd fires", detail={"url": address})
        hrefs = [a.get("href") for tag, a in Tags(site.page()).all if tag == "a"]
        assert address not in hrefs

    def test_it_is_filtered_by_service_and_kind(self, site: Site) -> None:
        site.autoscaler.tell(EventKind.MANUAL, "pause", "of the shop")
        site.autoscaler.tell(EventKind.FAULT, "internal", "of the shop, a fault")
        site.autoscaler.tell(EventKind.MANUAL, "pause", "of another", service=("shop", "web"))
        shown = [
            [t for t in ("of the shop<", "a fault<", "of another<") if t.replace("<", "\n") in site.page(q)]
            for q in ("?kind=manual", f"?service={NAME}", f"?service={NAME}&kind=manual", "?service=nobody/x")
        ]
        assert shown == [["of the shop<", "of another<"], ["of the shop<", "a fault<"], ["of the shop<"], []]

    def test_it_comes_in_pages(self, site: Site) -> None:
        for number in range(PAGE_OF_EVENTS + 5):
            site.autoscaler.tell(EventKind.MANUAL, "pause", f"entry {number}")
        first = site.page()
        older = next(a["href"] for t, a in Tags(first).all if t == "a" and "before=" in (a.get("href") or ""))
        second = site.page((older or "").removeprefix("/"))
        assert first.count('class="event ') == PAGE_OF_EVENTS
        assert second.count('class="event ') == 5
        assert "entry 0\n" in second

    @pytest.mark.parametrize("query", ["?kind=nonsense", "?before=-1", "?before=x", "?part=other"])
    def test_what_is_no_filter_is_refused(self, site: Site, query: str) -> None:
        assert site.client.get(f"/{query}").status_code == 400


class TestPolling:
    def test_what_has_not_changed_is_not_sent_again(self, site: Site) -> None:
        first = site.client.get("/?part=live")
        again = site.client.get("/?part=live", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Alertscale-Now"]

        site.autoscaler.live = 4
        again = site.client.get("/?part=live", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 200

    def test_the_live_part_has_the_same_parts_as_the_page(self, site: Site) -> None:
        whole, live = (
            {a["data-live"] for _, a in Tags(site.page(q)).all if "data-live" in a}
            for q in ("", "?part=live")
        )
        assert whole == live == {"banner", "checked", NAME, "timeline"}


class TestFigures:
    def test_the_chart(self, site: Site) -> None:
        answer = site.client.get(f"/api/v1/history?service={NAME}&range=15m").get_json()
        assert answer["error"] == ""
        assert {len(answer[name]) for name in ("times", "replicas", "cpu", "memory")} == {181}
        assert [t["value"] for t in answer["thresholds"]] == [0.7, 0.8, 0.3, 0.35]

    def test_without_prometheus_the_chart_says_so(self, site: Site) -> None:
        site.prometheus.dead = True
        answer = site.client.get(f"/api/v1/history?service={NAME}")
        assert answer.status_code == 200
        assert "Prometheus does not answer" in answer.get_json()["error"]

    @pytest.mark.parametrize(
        ("query", "status"), [("", 404), ("service=nobody", 404), (f"service={NAME}&range=2h", 400)]
    )
    def test_what_is_not_there_is_refused(self, site: Site, query: str, status: int) -> None:
        assert site.client.get(f"/api/v1/history?{query}").status_code == status

    def test_the_lights(self, site: Site) -> None:
        stations = site.client.get("/api/v1/pipeline").get_json()["stations"]
        assert [s["light"] for s in stations] == ["ok"] * 6


class TestSafety:
    def test_nothing_is_inline_and_nothing_comes_from_elsewhere(self, site: Site) -> None:
        fill(site.autoscaler, events=0)
        for tag, attributes in Tags(site.page()).all:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href", "action") if tag != "a" else ():
                assert (attributes.get(name) or "/").startswith("/")

    def test_files_are_kept_for_good_and_have_another_address_when_they_change(self, site: Site) -> None:
        addresses = re.findall(r'"(/assets/[^"]+)"', site.page())
        assert len(addresses) == 5
        for address in addresses:
            answer = site.client.get(address)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert site.client.get("/assets/0000/app.js").status_code == 404
        assert site.client.get(addresses[0].rsplit("/", 1)[0] + "/nothing").status_code == 404


def rendered(site: Site) -> float:
    """CPU seconds of the fastest of several pages."""
    took = []
    for _ in range(5):
        begun = time.process_time()
        site.page("?part=live")
        took.append(time.process_time() - begun)
    return min(took)


def test_its_time_does_not_depend_on_the_length_of_the_history(site: Site) -> None:
    """200 ms are asked for with 50 services and 10,000 events; how long the history is must not matter."""
    site.autoscaler.count = 50
    fill(site.autoscaler, events=PAGE_OF_EVENTS)
    short = rendered(site)
    fill(site.autoscaler, events=10_000)
    assert rendered(site) < 3 * short + 0.02


def test_its_time_grows_with_the_services_and_no_faster(site: Site) -> None:
    fill(site.autoscaler, events=PAGE_OF_EVENTS)
    site.autoscaler.count = 10
    few = rendered(site)
    site.autoscaler.count = 100
    assert rendered(site) < 20 * few + 0.02


def test_a_whole_page_of_fifty_services_is_small(site: Site) -> None:
    site.autoscaler.count = 50
    fill(site.autoscaler, events=10_000)
    assert len(site.page()) < 512 * 1024


def test_a_scaler_without_the_chart_library_scales_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scaler.web.assets.PACKAGE", "not-installed-at-all")
    site = Site(tmp_path)
    assert "uplot.js" not in site.page()
    assert "not-installed-at-all is not installed" in capsys.readouterr().out
    site.autoscaler.journal.close()


def test_the_fakes_answer_has_the_form_of_the_recorded_one(site: Site) -> None:
    from tests.page.recorded import answer  # noqa: PLC0415 - beside what it is held against

    query: dict[str, Any] = {"start": "0", "end": "10", "step": "5"}
    for path, name in (("/api/v1/query_range", "query_range"), ("/api/v1/query", "query")):
        fake, real = site.prometheus.read(path, query), answer(name)
        assert fake["resultType"] == real["resultType"]
        label = "alertscale_series" if name == "query_range" else "station"
        assert {s["metric"][label] for s in fake["result"]} == {s["metric"][label] for s in real["result"]}
        assert {tuple(sorted(set(s) - {"metric"})) for s in fake["result"]} == {
            tuple(sorted(set(s) - {"metric"})) for s in real["result"]
        }
