"""The status page as it comes from the server, without a script."""

import re
import threading
import time
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from scaler.config_check import Finding
from scaler.loop.views import Failure, Health
from scaler.model.reasons import EventKind, Pause, ReplicaState
from scaler.prometheus import load
from scaler.web.page import PAGE_OF_EVENTS, About, starting
from scaler.web.schema import VERSION
from tests.page.site import fill
from tests.unit.scaler.web.site import NAME, VIEW, Demo, Site


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


def words(html: str) -> str:
    """What a reader sees, without the white space between."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).replace(" ,", ",").replace(" :", ":").split())


class TestStatusPage:
    def test_it_shows_services_and_events(self, site: Site) -> None:
        text = site.get("/").text

        for shown in ("shop / web", "shop-web-1", "up_cooldown", "service bad: alertscale.max", "replica 2"):
            assert shown in text

    def test_foreign_text_is_escaped(self, site: Site) -> None:
        text = site.get("/").text

        assert "CPU is &lt;b&gt;high&lt;/b&gt;" in text
        assert '<p class="quiet note">/srv/&lt;shop&gt;/compose.yml cannot be read here</p>' in text
        assert "<i>done</i>" not in text

    def test_what_failed_last_is_said_of_its_service_with_the_last_lines_of_the_log(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = Failure(at=1_767_322_800.0, text="Replica 2 could not be added: x", log=("no <db>", "bye"))
        monkeypatch.setattr(site.scaler, "services", lambda: (replace(VIEW, failure=failed),))

        assert re.search(
            "Replica 2 could not be added: x.*>no &lt;db&gt;\nbye</pre>", site.get("/").text, re.DOTALL
        )
        (service,) = (site.get("/api/v1/services").json or {})["services"]
        assert service["failure"] == {
            "at": "2026-01-02T03:00:00.000Z",
            "text": failed.text,
            "log": ["no <db>", "bye"],
        }

    def test_it_says_when_alerts_do_not_arrive_and_nginx_is_behind(self, site: Site) -> None:
        site.scaler.state = Health(
            passes_age=1,
            engine=False,
            watchdog_age=float("inf"),
            balancer_error="nginx refuses",
            journal_error="",
        )
        text = site.get("/").text

        for shown in ("engine does not answer", "nothing is scaled down", "nginx refuses"):
            assert shown in text


class TestLoad:
    """How busy a service is now comes first."""

    def test_each_figure_stands_beside_what_it_is_held_against(self, demo: Demo) -> None:
        demo.prometheus.cpu, demo.prometheus.memory = (0.46, 0.38), (0.11, 0.11)
        text = words(demo.shown())

        assert "flask-app CPU 42 % adds above 70, removes below 30" in text
        assert "memory 11 % adds above 80, removes below 35 Holding at 3" in text

    def test_a_bar_shows_it_with_its_thresholds(self, demo: Demo) -> None:
        demo.prometheus.cpu = (0.425, 1.8)
        html = demo.shown()

        assert '<rect class="used" width="100" height="6"/>' in html  # no wider than the whole
        assert '<path d="M70.0 0v6"/><path d="M30.0 0v6"/>' in html

    def test_each_replica_has_its_own(self, demo: Demo) -> None:
        demo.prometheus.cpu, demo.prometheus.memory = (0.46, 0.38), (0.111,)
        text = words(demo.shown())

        assert "1 ready 172.18.0.3 alertscale-flask-app-1 CPU 46 % memory 11 %" in text
        assert "2 ready 172.18.0.4 alertscale-flask-app-2 CPU 38 % memory \N{EN DASH}" in text
        assert "3 ready 172.18.0.5 alertscale-flask-app-3 CPU \N{EN DASH} memory \N{EN DASH}" in text

    def test_a_service_that_nothing_measures_says_so(self, demo: Demo) -> None:
        demo.prometheus.cpu = demo.prometheus.memory = ()

        assert "CPU not measured adds above 70, removes below 30" in words(demo.shown())

    def test_where_prometheus_is_silent_it_says_so_once_and_shows_no_figure(self, demo: Demo) -> None:
        demo.prometheus.dead = True
        text = words(demo.shown())

        assert text.count("How busy it is, is not known: Prometheus does not answer at prometheus:9090") == 1
        assert "CPU" not in text.partition("No alert")[0].partition("Services")[2].partition("HighCPU")[0]

    def test_a_look_does_not_wait_for_a_prometheus_that_hangs(
        self, demo: Demo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it says is there with a later look; the script looks once a second."""
        go = threading.Event()
        monkeypatch.setattr(demo.prometheus, "read", lambda *_: go.wait(30))
        begun = time.monotonic()
        assert "How busy it is, is not known: Prometheus is being asked." in words(demo.page())
        assert time.monotonic() - begun < 10
        go.set()

    def test_however_many_look_prometheus_is_asked_no_more(self, demo: Demo) -> None:
        for _ in range(50):
            demo.page("?part=live")
            demo.client.get("/api/v1/services")

        assert sorted(demo.prometheus.asked) == ["/api/v1/query", "/api/v1/rules"]


class TestReplicas:
    def test_why_several_are_not_ready_is_said_once(self, demo: Demo) -> None:
        demo.autoscaler.live, demo.autoscaler.starting = 4, 3
        text = words(demo.page())

        why = "Replicas 2, 3 and 4 are starting: port 5000/ready: [Errno 111] Connection refused"
        assert text.count("Connection refused") == text.count(why) == 1

    def test_one_alone_says_it_with_its_address(self, demo: Demo) -> None:
        demo.autoscaler.starting = 1

        assert "Replica 3 is starting: 172.18.0.5:5000/ready: [Errno 111]" in words(demo.page())

    def test_what_differs_is_told_apart(self) -> None:
        replicas = [
            replace(VIEW.replicas[0], number=n, state=ReplicaState.STARTING, detail=why, address=address)
            for n, why, address in (
                (1, "not asked yet", ""),
                (2, "10.0.0.9: no", "10.0.0.9"),
                (3, "not asked yet", ""),
            )
        ]
        assert starting(replace(VIEW, replicas=tuple(replicas))) == [
            "Replicas 1 and 3 are starting: not asked yet",
            "Replica 2 is starting: 10.0.0.9: no",
        ]


class TestAbout:
    def test_machine_version_and_time_zone_are_there(self, demo: Demo) -> None:
        assert f"version {VERSION}, times in UTC" in words(demo.page())

        demo.about(About(host="docker-1", folder="/srv/shop", read_token="docker compose exec scaler cat /t"))
        assert f"on docker-1, version {VERSION}, times in UTC" in words(demo.page())
        assert "<title>alertscale on docker-1</title>" in demo.page()

    def test_the_dialog_says_on_which_machine_and_in_which_folder_the_token_is_read(self, demo: Demo) -> None:
        here = "in the folder of alertscale's docker-compose.yml: docker compose exec scaler cat"
        assert here in words(demo.page())

        demo.about(
            About(host="docker-1", folder="/srv/<shop>", read_token="docker compose exec scaler cat /t")
        )
        told = "on docker-1 in the folder /srv/<shop>: docker compose exec scaler cat /t Copy"
        assert told in words(demo.page())

        demo.about(About(host="docker-1", read_token="docker exec c0ffee cat /t"))
        assert "This prints it, on docker-1: docker exec c0ffee cat /t Copy" in words(demo.page())


class TestServices:
    def test_the_decision_is_a_sentence_with_the_time_at_which_it_can_change(self, demo: Demo) -> None:
        demo.autoscaler.until = 1_767_322_810.0
        text = demo.page()
        assert "Holding at 3: HighCPU fires; the up cooldown ends <time" in text
        assert 'datetime="2026-01-02T03:00:10.000Z" data-until' in text

    def test_replicas_are_boxes_with_number_state_and_address(self, demo: Demo) -> None:
        demo.autoscaler.starting = 1
        text = " ".join(demo.page().split())
        assert '<span class="number">1</span><span class="state">ready</span>' in text
        assert '<span class="number">3</span><span class="state">starting</span>' in text
        assert '<span class="address">172.18.0.5</span>' in text

    def test_bounds_target_and_pause_are_shown(self, demo: Demo) -> None:
        demo.autoscaler.wanted, demo.autoscaler.held = 4, Pause.DOWN
        text = demo.page()
        for name, value in (("min", 1), ("max", 5), ("target", 4), ("replicas", 3), ("paused", "down")):
            assert f"<dt>{name}</dt><dd>{value}</dd>" in text

    def test_an_alert_tells_since_when_and_when_it_was_last_heard_of(self, demo: Demo) -> None:
        text = " ".join(demo.page().split())
        assert re.search(r'since <time datetime="[^"]+" data-ago>.*?, last heard <time datetime="20', text)


class TestBanner:
    def test_a_silent_watchdog_is_said_with_what_is_held(self, demo: Demo) -> None:
        demo.autoscaler.state = Health(
            passes_age=0.1, engine=True, watchdog_age=60.0, balancer_error="", journal_error=""
        )
        text = " ".join(demo.page().split())
        assert "The scaler is blind: the Watchdog alert is silent" in text
        assert "nothing is scaled down; held: flask-app at 3." in text

    def test_there_is_none_while_all_is_well(self, demo: Demo) -> None:
        assert 'class="banner"' not in demo.page()


class TestFindings:
    def test_what_the_check_found_is_shown_with_place_and_way_out(self, demo: Demo) -> None:
        text = "alertscale.min 9 is more than <b>alertscale.max</b> 3"
        found = Finding(
            rule="min-above-max", severity="error", place="compose.yml:7", text=text, way_out="lower the one"
        )
        demo.findings = [found]
        shown = demo.page()
        assert "alertscale check found 1 thing" in shown
        assert "compose.yml:7" in shown
        assert "&lt;b&gt;alertscale.max" in shown
        assert "lower the one" in shown

    def test_nothing_is_said_while_nothing_was_found(self, demo: Demo) -> None:
        assert "alertscale check" not in demo.page()


class TestTimeline:
    def test_each_entry_links_to_its_rule(self, demo: Demo) -> None:
        fill(demo.autoscaler, events=0)
        links = [a["href"] or "" for tag, a in Tags(demo.page("?kind=step")).all if tag == "a"]
        assert [link for link in links if link.startswith("http://localhost:10090/graph?")]

    def test_a_step_shows_the_time_of_each_phase(self, demo: Demo) -> None:
        fill(demo.autoscaler, events=0)
        assert re.search(r"<span>create 0\.03 s</span>\s*<span>start 0\.24 s</span>", demo.page())

    def test_a_step_that_failed_shows_the_last_lines_of_the_log_that_went_with_its_replica(
        self, demo: Demo
    ) -> None:
        detail = {"why": "manual", "log": ["cannot reach <db>", "giving up"]}
        demo.autoscaler.tell(EventKind.STEP, "failed", "Replica 2 could not be added: x", detail=detail)

        assert demo.page().count(">cannot reach &lt;db&gt;\ngiving up</pre>") == 1

    def test_an_entry_of_a_kind_that_only_a_later_version_knows_is_shown_as_it_is(self, demo: Demo) -> None:
        later: Any = "weather"
        demo.autoscaler.tell(later, "rain", "it pours")

        assert re.search(r'<span class="kind">weather</span>.*it pours', demo.page("?kind=all"), re.DOTALL)

    @pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//elsewhere"])
    def test_nothing_but_a_web_address_becomes_a_link(self, demo: Demo, address: str) -> None:
        demo.autoscaler.tell(EventKind.ALERT, "accepted", "Odd fires", detail={"url": address})
        hrefs = [a.get("href") for tag, a in Tags(demo.page()).all if tag == "a"]
        assert address not in hrefs

    def test_steps_and_faults_are_shown_unless_more_is_asked_for(self, demo: Demo) -> None:
        for kind in EventKind:
            demo.autoscaler.tell(kind, "x", f"a {kind} event")
        shown = {q: re.findall(r"\ba (\w+) event\n", demo.page(q)) for q in ("", "?kind=all", "?kind=alert")}

        assert shown == {"": ["fault", "step"], "?kind=all": [*reversed(EventKind)], "?kind=alert": ["alert"]}

    def test_that_none_is_there_is_said_of_those_that_are_shown(self, demo: Demo) -> None:
        assert "No step and no fault is in the history." in demo.page()
        assert "Nothing is in the history of that service." in demo.page(f"?kind=all&service={NAME}")
        assert "Nothing of that kind is in the history before that." in demo.page("?kind=alert&before=1")

    def test_it_is_filtered_by_service_and_kind(self, demo: Demo) -> None:
        demo.autoscaler.tell(EventKind.MANUAL, "pause", "of the shop")
        demo.autoscaler.tell(EventKind.FAULT, "internal", "of the shop, a fault")
        demo.autoscaler.tell(EventKind.MANUAL, "pause", "of another", service=("shop", "web"))
        shown = [
            [t for t in ("of the shop<", "a fault<", "of another<") if t.replace("<", "\n") in demo.page(q)]
            for q in (
                "?kind=manual",
                f"?service={NAME}",
                f"?service={NAME}&kind=all",
                f"?service={NAME}&kind=manual",
                "?service=nobody/x&kind=all",
            )
        ]
        assert shown == [
            ["of the shop<", "of another<"],
            ["a fault<"],
            ["of the shop<", "a fault<"],
            ["of the shop<"],
            [],
        ]

    def test_it_comes_in_pages(self, demo: Demo) -> None:
        for number in range(PAGE_OF_EVENTS + 5):
            demo.autoscaler.tell(EventKind.STEP if number % 2 else EventKind.FAULT, "x", f"entry {number}")
            demo.autoscaler.tell(EventKind.MANUAL, "pause", "not among them")
        first = demo.page()
        older = next(a["href"] for t, a in Tags(first).all if t == "a" and "before=" in (a.get("href") or ""))
        second = demo.page((older or "").removeprefix("/"))
        assert first.count('class="event ') == PAGE_OF_EVENTS
        assert second.count('class="event ') == 5
        assert "entry 0\n" in second
        assert "not among them" not in first + second

    @pytest.mark.parametrize("query", ["?kind=nonsense", "?before=-1", "?before=x", "?part=other"])
    def test_what_is_no_filter_is_refused(self, demo: Demo, query: str) -> None:
        assert demo.client.get(f"/{query}").status_code == 400


class TestPolling:
    def test_what_has_not_changed_is_not_sent_again(self, demo: Demo) -> None:
        demo.shown()
        first = demo.client.get("/?part=live")
        again = demo.client.get("/?part=live", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Alertscale-Now"].endswith("Z")

        demo.autoscaler.live = 4
        again = demo.client.get("/?part=live", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 200

    def test_the_live_part_has_the_same_parts_as_the_page(self, demo: Demo) -> None:
        whole, live = (
            {a["data-live"] for _, a in Tags(demo.page(q)).all if "data-live" in a}
            for q in ("", "?part=live")
        )
        assert whole == live == {"banner", "checked", NAME, "timeline"}


class TestSafety:
    def test_nothing_is_inline_and_nothing_comes_from_elsewhere(self, demo: Demo) -> None:
        fill(demo.autoscaler, events=0)
        for tag, attributes in Tags(demo.page()).all:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href", "action") if tag != "a" else ():
                assert (attributes.get(name) or "/").startswith("/")

    def test_files_are_kept_for_good_and_have_another_address_when_they_change(self, demo: Demo) -> None:
        addresses = re.findall(r'"(/assets/[^"]+)"', demo.page())
        assert len(addresses) == 5
        for address in addresses:
            answer = demo.client.get(address)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert demo.client.get("/assets/0000/app.js").status_code == 404
        assert demo.client.get(addresses[0].rsplit("/", 1)[0] + "/nothing").status_code == 404


def rendered(demo: Demo) -> float:
    """CPU seconds of the fastest of several pages."""
    took = []
    for _ in range(5):
        begun = time.process_time()
        demo.page("?part=live")
        took.append(time.process_time() - begun)
    return min(took)


def test_its_time_does_not_depend_on_the_length_of_the_history(demo: Demo) -> None:
    """200 ms are asked for with 50 services and 10,000 events; how long the history is must not matter."""
    demo.autoscaler.count = 50
    fill(demo.autoscaler, events=PAGE_OF_EVENTS)
    short = rendered(demo)
    fill(demo.autoscaler, events=10_000)
    assert rendered(demo) < 3 * short + 0.02


def test_its_time_grows_with_the_services_and_no_faster(demo: Demo) -> None:
    fill(demo.autoscaler, events=PAGE_OF_EVENTS)
    demo.autoscaler.count = 10
    few = rendered(demo)
    demo.autoscaler.count = 100
    assert rendered(demo) < 20 * few + 0.02


def test_a_whole_page_of_fifty_services_is_small(demo: Demo) -> None:
    demo.autoscaler.count = 50
    fill(demo.autoscaler, events=10_000)
    assert len(demo.page()) < 512 * 1024


def test_a_scaler_without_the_chart_library_scales_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scaler.web.assets.PACKAGE", "not-installed-at-all")
    demo = Demo(tmp_path)
    assert "uplot.js" not in demo.page()
    assert "not-installed-at-all is not installed" in capsys.readouterr().out
    demo.autoscaler.journal.close()


def test_the_fakes_answer_has_the_form_of_the_recorded_one(demo: Demo) -> None:
    from tests.page.recorded import answer  # noqa: PLC0415 - beside what it is held against

    query: dict[str, Any] = {"start": "0", "end": "10", "step": "5"}
    now = {"query": load.query(())}
    for path, name, asked, label in (
        ("/api/v1/query_range", "query_range", query, "alertscale_series"),
        ("/api/v1/query", "query", query, "station"),
        ("/api/v1/query", "load", now, "alertscale_series"),
    ):
        fake, real = demo.prometheus.read(path, asked), answer(name)
        assert fake["resultType"] == real["resultType"]
        assert {s["metric"][label] for s in fake["result"]} == {s["metric"][label] for s in real["result"]}
        assert {tuple(sorted(set(s) - {"metric"})) for s in fake["result"]} == {
            tuple(sorted(set(s) - {"metric"})) for s in real["result"]
        }
