"""``/api/v1``: each answer that docs/api.md names, and that a refused request leaves everything as it was."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from scaler.loop.views import Inputs
from scaler.model.errors import JournalError, RequestError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, ErrorReason, EventKind, Pause
from scaler.policy.relief import Shares
from scaler.policy.scaling import Crew, Decision, Demand, State, Waits
from tests.unit.scaler.web.site import CHANGES, FAULTY, NAME, PAUSE, RETIRE, SCALE, VIEW, Demo, Site

NOBODY = "ALERTSCALE_PROMETHEUS is not set, so there is no Prometheus to ask"


def shown(value: object) -> str:
    return "a list or an object" if isinstance(value, list | dict) else repr(value)


def numbers(value: object) -> Iterator[float]:
    """Every number in an answer, however deep."""
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers(one)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("path", ["services", "events", f"history?service={NAME}", "pipeline"])
def test_no_time_is_a_number(demo: Demo, path: str) -> None:
    """There is one form of a time; seconds since the epoch would be a second one."""
    demo.autoscaler.until = until = time.time() + 7
    demo.autoscaler.tell(EventKind.DECISION, "up_cooldown", "holding at 1", detail={"until": until})

    answer = demo.client.get(f"/api/v1/{path}")

    assert answer.status_code == 200
    assert [n for n in numbers(answer.get_json()) if abs(n - until) < 2 * 86400] == []


class TestServices:
    def test_everything_that_is_known_of_each(self, site: Site) -> None:
        faulty, web = site.get("/api/v1/services").get_json()["services"]

        assert web == {
            "project": "shop",
            "service": "web",
            "min": 1,
            "max": 5,
            "load": {
                "at": None,
                "sentence": f"How busy it is, is not known: {NOBODY}",
                "error": NOBODY,
                "uses": [
                    {"resource": "cpu", "value": None, "ratio": True, "thresholds": []},
                    {"resource": "memory", "value": None, "ratio": True, "thresholds": []},
                ],
            },
            "replicas": [
                {
                    "number": 1,
                    "name": "shop-web-1",
                    "id": "c0ffee",
                    "state": "ready",
                    "address": "10.0.0.2",
                    "detail": "",
                    "cpu": None,
                    "memory": None,
                }
            ],
            "decision": {
                "direction": None,
                "reason": "up_cooldown",
                "replicas": 1,
                "target": 1,
                "resources": ["cpu"],
                "memory": None,
                "sentence": "Holding at 1: HighCPU fires; the up cooldown ends",
                "until": "2026-01-02T03:00:10.250Z",
                "at": "2026-01-02T03:00:00.000Z",
            },
            "alerts": [
                {
                    "alertname": "HighCPU",
                    "scale": "up",
                    "resource": "cpu",
                    "since": "2026-01-02T03:04:05Z",
                    "first_heard": "2026-01-02T02:59:50.000Z",
                    "last_heard": "2026-01-02T02:59:58.500Z",
                    "summary": "CPU is <b>high</b>",
                    "url": "http://localhost:10090/graph",
                }
            ],
            "pause": "up",
            "pause_label": "down",
            "wanted": 3,
            "faults": [],
            "notes": [],
            "limits": {
                "min": 1,
                "max": 5,
                "step": 1,
                "port": None,
                "ready": None,
                "ready_timeout": 60.0,
                "resources": ["cpu", "memory"],
                "cooldown_up": 10.0,
                "cooldown_down": 60.0,
                "drain": 30.0,
                "keepalive": 1.0,
                "balance": "round-robin",
                "pause": "down",
            },
            "inputs": {
                "replicas": 1,
                "versions": 1,
                "stepping": False,
                "last_change": "2026-01-02T03:00:00.250Z",
                "cooldown_up_until": "2026-01-02T03:00:10.250Z",
                "cooldown_down_until": "2026-01-02T03:01:00.250Z",
                "retry_at": None,
                "retry_down_at": None,
                "former": 2,
                "writable": True,
                "watched": True,
                "signal_ttl": 15.0,
                "up": ["cpu"],
                "down": [],
            },
            "failure": None,
        }
        assert (faulty["min"], faulty["decision"]) == (None, None)
        assert (faulty["limits"], faulty["inputs"]) == (None, None)
        assert faulty["faults"] == list(FAULTY.faults)
        assert faulty["notes"] == list(FAULTY.notes)

    def test_a_service_that_never_changed_has_no_cooldown(self, site: Site) -> None:
        assert VIEW.decided is not None
        inputs = Inputs(
            state=State(replicas=1, crew=Crew(versions=2), waits=Waits(retry_at=1_767_322_800.0)),
            demand=Demand(down=frozenset({"memory", "cpu"}), watched=False),
            limits=Limits(),
            signal_ttl=15.0,
        )
        site.scaler.view = replace(VIEW, decided=replace(VIEW.decided, inputs=inputs))
        _, web = site.get("/api/v1/services").get_json()["services"]

        shown = web["inputs"]
        assert (shown["last_change"], shown["cooldown_up_until"], shown["cooldown_down_until"]) == (None,) * 3
        assert (shown["retry_at"], shown["retry_down_at"]) == ("2026-01-02T03:00:00.000Z", None)
        assert (shown["versions"], shown["watched"]) == (2, False)
        assert (shown["up"], shown["down"]) == ([], ["cpu", "memory"])

    def test_what_a_step_for_memory_did_not_lower(self, site: Site) -> None:
        shares = Shares(before=0.82, lowest=0.81, now=0.83)
        decision = Decision(
            direction=None, replicas=2, target=2, reason=DecisionReason.NOT_HELPED, shares=shares
        )
        assert VIEW.decided is not None
        site.scaler.view = replace(VIEW, decided=replace(VIEW.decided, decision=decision))

        _, service = site.client.get("/api/v1/services").get_json()["services"]
        assert service["decision"]["memory"] == {"before": 0.82, "now": 0.83}

    @pytest.mark.parametrize("name", ["web", "shop/web"])
    def test_a_count_is_ordered_by_name_or_with_the_project(self, site: Site, name: str) -> None:
        answer = site.post(f"/api/v1/services/{name}/scale", {"replicas": 3})

        assert answer.status_code == 202
        assert answer.get_json()["service"] == "web"
        assert site.scaler.asked == [("scale", name, 3)]

    def test_replicas_are_taken_away_by_name(self, site: Site) -> None:
        answer = site.post(RETIRE, {"replicas": ["shop-web-1", "0f3c5a7be1d2"]})

        assert answer.status_code == 202
        assert site.scaler.asked == [("retire", "web", ("shop-web-1", "0f3c5a7be1d2"))]

    @pytest.mark.parametrize("value", [[], "shop-web-1", [1], {}, None, 3])
    def test_replicas_that_are_no_list_of_names_are_refused(self, site: Site, value: object) -> None:
        answer = site.post(RETIRE, {"replicas": value})

        assert answer.status_code == 400
        assert answer.get_json()["error"] == "replicas: not a list of ids or names of replicas"

    @pytest.mark.parametrize("pause", Pause)
    def test_steps_are_held(self, site: Site, pause: Pause) -> None:
        answer = site.post(PAUSE, {"pause": pause})

        assert answer.status_code == 200
        assert site.scaler.asked == [("pause", "web", pause)]

    @pytest.mark.parametrize("value", ["3", 3.0, 3.5, True, None, [], {}])
    def test_a_count_that_is_no_whole_number_is_refused(self, site: Site, value: object) -> None:
        answer = site.post(SCALE, {"replicas": value})

        assert answer.status_code == 400
        assert answer.get_json()["error"] == f"replicas: {shown(value)} is not a whole number"

    @pytest.mark.parametrize("value", ["", "yes", "UP", None, True, ["up"], {}])
    def test_a_pause_of_another_word_is_refused(self, site: Site, value: object) -> None:
        answer = site.post(PAUSE, {"pause": value})

        assert answer.status_code == 400
        assert answer.get_json()["error"] == f"pause: {shown(value)} is not one of none, up, down, all"

    @pytest.mark.parametrize(
        "raw", [b"", b"{", b"[]", b"3", b"{}", b'{"replica": 3}', b"\xff", b"[" * 100_000]
    )
    @pytest.mark.parametrize(("path", "name"), [(SCALE, "replicas"), (RETIRE, "replicas"), (PAUSE, "pause")])
    def test_another_body_is_refused(self, site: Site, path: str, name: str, raw: bytes) -> None:
        answer = site.post(path, raw=raw)

        assert answer.status_code == 400
        assert answer.get_json()["error"] == f'the body is not a JSON object with the field "{name}"'
        assert site.scaler.asked == []

    @pytest.mark.parametrize("path", [SCALE, RETIRE, PAUSE])
    def test_another_type_is_refused(self, site: Site, path: str) -> None:
        assert site.post(path, CHANGES[path], content_type="text/plain").status_code == 415

    @pytest.mark.parametrize(
        ("reason", "status"),
        [(ErrorReason.NOT_FOUND, 404), (ErrorReason.OUT_OF_BOUNDS, 409), (ErrorReason.LABELS, 409)],
    )
    def test_what_the_scaler_refuses_is_answered_with_its_reason(
        self, site: Site, reason: ErrorReason, status: int
    ) -> None:
        site.scaler.error = RequestError("because", reason=reason)
        answer = site.post(SCALE, {"replicas": 3})

        assert answer.status_code == status
        assert answer.get_json() == {"error": "because", "reason": reason}

    def test_a_journal_that_cannot_be_written_is_503(self, site: Site) -> None:
        site.scaler.error = JournalError("cannot use the journal /data/journal.sqlite: disk full")

        assert site.post(SCALE, {"replicas": 3}).status_code == 503


class TestLoad:
    def test_how_busy_a_service_and_each_replica_is_and_what_it_is_held_against(self, demo: Demo) -> None:
        demo.prometheus.cpu, demo.prometheus.memory = (0.46, 0.38), (0.11, 0.11)
        (service,) = demo.client.get("/api/v1/services").get_json()["services"]
        cpu, memory = service["load"]["uses"]

        assert service["load"]["error"] == ""
        assert service["load"]["sentence"] == (
            "CPU 42 % (adds above 70, removes below 30); memory 11 % (adds above 80, removes below 35)"
        )
        assert (cpu["resource"], cpu["value"], cpu["ratio"]) == ("cpu", pytest.approx(0.42), True)
        assert [(t["alertname"], t["operator"], t["value"]) for t in memory["thresholds"]] == [
            ("HighMemory", ">", 0.8),
            ("LowMemory", "<", 0.35),
        ]
        assert [(r["cpu"], r["memory"]) for r in service["replicas"]] == [
            (0.46, 0.11),
            (0.38, 0.11),
            (None, None),
        ]

    def test_on_swarm_a_replica_is_known_to_prometheus_by_its_containers_name(
        self, demo: Demo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (view,) = demo.autoscaler.services()
        tasks = tuple(replace(r, name=f"shop_web.{r.number}", container=r.name) for r in view.replicas)
        monkeypatch.setattr(demo.autoscaler, "services", lambda: (replace(view, replicas=tasks),))
        (service,) = demo.client.get("/api/v1/services").get_json()["services"]

        assert service["replicas"][0]["name"] == "shop_web.1"
        assert service["replicas"][0]["cpu"] == demo.prometheus.cpu[0]
        assert "CPU <b>86 %</b>" in demo.page()

    def test_where_prometheus_is_silent_it_says_so_and_the_rest_is_there(self, demo: Demo) -> None:
        demo.prometheus.dead = True
        answer = demo.client.get("/api/v1/services")
        (service,) = answer.get_json()["services"]

        assert answer.status_code == 200
        assert "Prometheus does not answer" in service["load"]["error"]
        assert (service["load"]["at"], service["replicas"][0]["cpu"]) == (None, None)
        assert service["decision"]["reason"] == "steady"

    def test_an_order_is_answered_without_waiting_for_it(
        self, demo: Demo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go = threading.Event()
        monkeypatch.setattr(demo.prometheus, "read", lambda *_: go.wait(30))
        demo.token = "s3cret"
        begun = time.monotonic()
        answer = demo.client.post(
            f"/api/v1/services/{NAME}/pause", json={"pause": "up"}, headers={"Authorization": "Bearer s3cret"}
        )
        go.set()

        assert answer.get_json()["load"]["error"] == "Prometheus is being asked"
        assert time.monotonic() - begun < 10


class TestEvents:
    def test_an_event(self, site: Site) -> None:
        assert site.get("/api/v1/events").get_json() == {
            "events": [
                {
                    "id": 7,
                    "at": "2026-01-02T03:00:00.500Z",
                    "project": "shop",
                    "service": "web",
                    "kind": "step",
                    "reason": "done",
                    "text": "up: replica 2 <i>done</i>",
                    "detail": {"number": 2},
                }
            ]
        }

    @pytest.mark.parametrize(
        ("query", "limit", "before"),
        [("", 100, None), ("?limit=1", 1, None), ("?limit=1000&before=7", 1000, 7), ("?before=0", 100, None)],
    )
    def test_pages(self, site: Site, query: str, limit: int, before: int | None) -> None:
        site.get(f"/api/v1/events{query}")

        assert site.scaler.asked == [("events", limit, before)]

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=",
            "limit=ten",
            "limit=1.5",
            "limit=%D9%A3",
            "limit=" + "0" * 19 + "1" + "0" * 30,
            "before=-1",
            "before=x",
            "before=" + "9" * 17,
            "before=" + "9" * 5000,
            "before=" + "0" * 20 + "9" * 30,
        ],
    )
    def test_a_page_that_cannot_be_is_refused(self, site: Site, query: str) -> None:
        """SQLite holds whole numbers up to 2**63; beyond it would be a fault of ours."""
        answer = site.get(f"/api/v1/events?{query}")

        assert answer.status_code == 400
        assert answer.get_json()["error"].startswith(query.partition("=")[0] + ": ")
        assert site.scaler.asked == []


class TestFigures:
    def test_the_chart(self, demo: Demo) -> None:
        answer = demo.client.get(f"/api/v1/history?service={NAME}&range=15m").get_json()
        assert answer["error"] == ""
        assert {len(answer[name]) for name in ("times", "replicas", "cpu", "memory")} == {181}
        first, last = (datetime.fromisoformat(answer["times"][at]) for at in (0, -1))
        assert (last - first).total_seconds() == 900
        assert [t["value"] for t in answer["thresholds"]] == [0.7, 0.8, 0.3, 0.35]

    def test_without_prometheus_the_chart_says_so(self, demo: Demo) -> None:
        demo.prometheus.dead = True
        answer = demo.client.get(f"/api/v1/history?service={NAME}")
        assert answer.status_code == 200
        assert "Prometheus does not answer" in answer.get_json()["error"]

    @pytest.mark.parametrize(
        ("query", "status"), [("", 404), ("service=nobody", 404), (f"service={NAME}&range=2h", 400)]
    )
    def test_what_is_not_there_is_refused(self, demo: Demo, query: str, status: int) -> None:
        assert demo.client.get(f"/api/v1/history?{query}").status_code == status

    def test_the_lights(self, demo: Demo) -> None:
        stations = demo.client.get("/api/v1/pipeline").get_json()["stations"]
        assert [s["light"] for s in stations] == ["ok"] * 6
