"""HTTP: each answer that docs/api.md names, and that a refused request leaves everything as it was."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from scaler.loop.views import Health, Inputs, ReplicaView, ServiceView
from scaler.model.errors import AlertscaleError, JournalError, RequestError, UnavailableError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, Pause, ReplicaState
from scaler.model.records import Event
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, KnownServices, Signal, Verdict, judge
from scaler.state.metrics import Metrics
from scaler.web.app import MAX_BODY, STALLED_AFTER, create_app

VALIDATOR = Draft202012Validator(
    json.loads(resources.files("scaler.web").joinpath("alert.schema.json").read_text())
)
TOKEN = "s3cret"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
KNOWN = KnownServices(managed=frozenset({("shop", "web")}), others=frozenset({("shop", "db")}))
ALERT = Alert(
    firing=True,
    labels={"alertname": "HighCPU", "scale": "up", "service": "web", "resource": "cpu"},
    annotations={"summary": "CPU is <b>high</b>"},
    starts_at="2026-01-02T03:04:05Z",
    generator_url="http://localhost:10090/graph",
)
VIEW = ServiceView(
    key=("shop", "web"),
    limits=Limits(maximum=5, pause=Pause.DOWN),
    replicas=(
        ReplicaView(
            number=1, name="shop-web-1", id="c0ffee", state=ReplicaState.READY, address="10.0.0.2", detail=""
        ),
    ),
    decision=Decision(
        direction=None,
        replicas=1,
        target=1,
        reason=DecisionReason.UP_COOLDOWN,
        until=1_767_322_810.25,
        resources=("cpu",),
    ),
    decided_at=1_767_322_800.0,
    signals=(
        Signal(
            alert=ALERT,
            service=("shop", "web"),
            direction=Direction.UP,
            resource="cpu",
            first_heard=1_767_322_790.0,
            last_heard=1_767_322_798.5,
        ),
    ),
    pause=Pause.UP,
    wanted=3,
    faults=(),
    inputs=Inputs(
        replicas=1,
        versions=1,
        stepping=False,
        last_change=1_767_322_800.25,
        cooldown_up_until=1_767_322_810.25,
        cooldown_down_until=1_767_322_860.25,
        retry_at=None,
        former=2,
        writable=True,
        watched=True,
        signal_ttl=15.0,
        up=("cpu",),
        down=(),
    ),
)
FAULTY = ServiceView(
    key=("shop", "bad"),
    limits=None,
    replicas=(),
    decision=None,
    decided_at=0.0,
    signals=(),
    pause=Pause.NONE,
    wanted=None,
    faults=("compose.yml: service bad: alertscale.max: 'x' is not a whole number",),
)


@dataclass
class Scaler:
    """Stands for the autoscaler: notes what it was asked, answers or raises what the test says."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    error: Exception | None = None
    state: Health = field(
        default_factory=lambda: Health(
            passes_age=0.52, engine=True, watchdog_age=3.14, balancer_error="", journal_error=""
        )
    )

    def _note(self, *what: object) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(what)

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        alerts = tuple(alerts)
        self._note("submit", alerts)
        return tuple(judge(alert, known=KNOWN) for alert in alerts)

    def services(self) -> tuple[ServiceView, ...]:
        self._note("services")
        return (FAULTY, VIEW)

    def events(
        self,
        *,
        limit: int,
        before: int | None = None,
        service: ServiceKey | None = None,  # noqa: ARG002 - shown by test_page
        kind: EventKind | None = None,  # noqa: ARG002 - as above
    ) -> tuple[Event, ...]:
        self._note("events", limit, before)
        return (
            Event(
                id=7,
                at=1_767_322_800.5,
                kind=EventKind.STEP,
                reason="done",
                text="up: replica 2 <i>done</i>",
                service=("shop", "web"),
                detail={"number": 2},
            ),
        )

    def scale(self, name: str, replicas: int) -> ServiceView:
        self._note("scale", name, replicas)
        return VIEW

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        self._note("retire", name, replicas)
        return VIEW

    def pause(self, name: str, pause: Pause) -> ServiceView:
        self._note("pause", name, pause)
        return VIEW

    def health(self) -> Health:
        return self.state


@dataclass
class Site:
    """The application with a client, and a token that can be replaced while it runs."""

    scaler: Scaler = field(default_factory=Scaler)
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))
    token: str = TOKEN

    def __post_init__(self) -> None:
        """Build the application."""
        self.app = create_app(
            orders=self.scaler,
            reading=self.scaler,
            metrics=self.metrics,
            validator=VALIDATOR,
            token=lambda: self.token,
            clock=lambda: 1_767_322_800.0,
        )
        self.client: FlaskClient = self.app.test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(
        self,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> TestResponse:
        data = json.dumps(body).encode() if raw is None else raw
        return self.client.post(
            path, data=data, content_type=content_type, headers=RIGHT if headers is None else headers
        )

    def webhooks(self, code: int) -> float:
        labels = {"code": str(code)}
        return self.metrics.registry.get_sample_value("alertscale_webhooks_total", labels) or 0.0


@pytest.fixture
def site() -> Site:
    return Site()


def notification(*labels: dict[str, str]) -> dict[str, Any]:
    return {"version": "4", "alerts": [{"status": "firing", "labels": entry} for entry in labels]}


SCALE = "/api/v1/services/web/scale"
RETIRE = "/api/v1/services/web/retire"
PAUSE = "/api/v1/services/web/pause"
CHANGES: dict[str, object] = {
    "/alerts": notification(dict(ALERT.labels)),
    SCALE: {"replicas": 3},
    RETIRE: {"replicas": ["shop-web-1"]},
    PAUSE: {"pause": "all"},
}


class TestAlerts:
    def test_202_with_one_result_per_alert(self, site: Site) -> None:
        answer = site.post(
            "/alerts",
            notification(
                dict(ALERT.labels),
                {**ALERT.labels, "service": "db"},
                {"alertname": "Watchdog"},
            ),
        )

        assert answer.status_code == 202
        assert answer.get_json() == {
            "results": [
                {"alertname": "HighCPU", "result": "accepted"},
                {
                    "alertname": "HighCPU",
                    "result": "ignored",
                    "reason": "not_enabled",
                    "detail": "'db' does not carry the label alertscale.enable: \"true\"",
                },
                {"alertname": "Watchdog", "result": "accepted"},
            ]
        }
        assert site.webhooks(202) == 1

    def test_a_charset_is_no_other_type(self, site: Site) -> None:
        answer = site.post("/alerts", notification(), content_type="application/json; charset=utf-8")

        assert answer.status_code == 202

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "the body is not JSON"),
            (b"", "the body is not JSON"),
            (b'{"version": "3", "alerts": []}', "$.version: '4' was expected"),
            (b'{"version": "4", "alerts": [{}]}', "$.alerts[0]: 'status' is a required property"),
        ],
    )
    def test_400_names_the_place(self, site: Site, body: bytes, said: str) -> None:
        answer = site.post("/alerts", raw=body)

        assert answer.status_code == 400
        assert answer.get_json()["error"].startswith(said)
        assert answer.get_json()["reason"] == "bad_request"
        assert site.webhooks(400) == 1

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_415_for_another_type(self, site: Site, kind: str) -> None:
        answer = site.post("/alerts", notification(), content_type=kind)

        assert answer.status_code == 415
        assert answer.get_json() == {
            "error": f"Content-Type: {kind!r} is not application/json",
            "reason": "not_json",
        }

    def test_413_for_a_body_that_is_too_large(self, site: Site) -> None:
        answer = site.post("/alerts", raw=b" " * (MAX_BODY + 1))

        assert answer.status_code == 413
        assert answer.get_json()["reason"] == "too_large"
        assert f"{MAX_BODY} bytes" in answer.get_json()["error"]
        assert site.webhooks(413) == 1

    def test_a_notification_of_two_thousand_alerts_is_not(self, site: Site) -> None:
        body = notification(*[{**ALERT.labels, "pad": "x" * 500}] * 2000)

        assert site.post("/alerts", body).status_code == 202

    def test_503_before_the_engine_was_listed_so_that_it_is_sent_again(self, site: Site) -> None:
        site.scaler.error = UnavailableError("the scaler has not listed the engine's services yet; try again")
        answer = site.post("/alerts", notification())

        assert answer.status_code == 503
        assert answer.get_json()["reason"] == "engine_unavailable"
        assert site.webhooks(503) == 1

    def test_405_for_another_method(self, site: Site) -> None:
        answer = site.get("/alerts")

        assert answer.status_code == 405
        assert answer.is_json

    def test_a_refused_request_never_reaches_the_scaler(self, site: Site) -> None:
        for headers in ({}, RIGHT):
            site.post("/alerts", raw=b"{", headers=headers)
            site.post("/alerts", notification(), headers=headers, content_type="text/plain")
        site.post("/alerts", notification(), headers={})

        assert site.scaler.asked == []


class TestToken:
    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer \xfc\xe9"},
        ],
    )
    def test_whatever_changes_something_needs_it(
        self, site: Site, path: str, headers: dict[str, str]
    ) -> None:
        answer = site.post(path, CHANGES[path], headers=headers)

        assert answer.status_code == 401
        assert answer.get_json()["reason"] == "unauthorized"
        assert "docker compose exec scaler cat /run/alertscale/token" in answer.get_json()["error"]
        assert TOKEN not in answer.text
        assert site.scaler.asked == []

    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
    def test_with_it_the_request_is_done(self, site: Site, path: str, kind: str) -> None:
        headers = {"Authorization": f"{kind} {TOKEN}"}

        assert site.post(path, CHANGES[path], headers=headers).status_code in {200, 202}

    def test_every_route_that_takes_a_post_is_tried_above(self, site: Site) -> None:
        rules = {rule.rule for rule in site.app.url_map.iter_rules() if "POST" in (rule.methods or ())}

        assert rules == {path.replace("web", "<path:name>") for path in CHANGES}
        for rule in site.app.url_map.iter_rules():
            assert (rule.methods or set()) <= {"GET", "HEAD", "OPTIONS", "POST"}

    def test_it_can_be_replaced_while_we_run(self, site: Site) -> None:
        site.token = "another"

        assert site.post("/alerts", notification()).status_code == 401
        assert (
            site.post("/alerts", notification(), headers={"Authorization": "Bearer another"}).status_code
            == 202
        )

    def test_an_empty_token_lets_nobody_in(self, site: Site) -> None:
        site.token = ""

        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
            answer = site.post("/alerts", notification(), headers=headers)
            assert (answer.status_code, answer.get_json()["reason"]) == (503, "no_token")
        assert site.scaler.asked == []

    @pytest.mark.parametrize(
        "path", ["/", "/healthz", "/readyz", "/metrics", "/api/v1/services", "/api/v1/events"]
    )
    def test_reading_needs_none(self, site: Site, path: str) -> None:
        assert site.get(path).status_code == 200


def shown(value: object) -> str:
    return "a list or an object" if isinstance(value, list | dict) else repr(value)


class TestServices:
    def test_everything_that_is_known_of_each(self, site: Site) -> None:
        faulty, web = site.get("/api/v1/services").get_json()["services"]

        assert web == {
            "project": "shop",
            "service": "web",
            "min": 1,
            "max": 5,
            "replicas": [
                {
                    "number": 1,
                    "name": "shop-web-1",
                    "id": "c0ffee",
                    "state": "ready",
                    "address": "10.0.0.2",
                    "detail": "",
                }
            ],
            "decision": {
                "direction": None,
                "reason": "up_cooldown",
                "replicas": 1,
                "target": 1,
                "resources": ["cpu"],
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
                "former": 2,
                "writable": True,
                "watched": True,
                "signal_ttl": 15.0,
                "up": ["cpu"],
                "down": [],
            },
        }
        assert (faulty["min"], faulty["decision"]) == (None, None)
        assert (faulty["limits"], faulty["inputs"]) == (None, None)
        assert faulty["faults"] == list(FAULTY.faults)

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


class TestHealth:
    @pytest.mark.parametrize(
        ("passes_age", "engine", "healthy", "ready"),
        [(0.5, True, 200, 200), (0.5, False, 200, 503), (STALLED_AFTER, True, 503, 503)],
    )
    def test_alive_while_the_loop_runs_and_ready_while_the_engine_answers(
        self, site: Site, passes_age: float, engine: bool, healthy: int, ready: int
    ) -> None:
        site.scaler.state = Health(
            passes_age=passes_age,
            engine=engine,
            watchdog_age=float("inf"),
            balancer_error="refused",
            journal_error="",
        )

        for path, status in (("/healthz", healthy), ("/readyz", ready)):
            answer = site.get(path)
            assert answer.status_code == status
            assert answer.get_json() == {
                "engine": engine,
                "seconds_since_pass": passes_age,
                "seconds_since_watchdog": None,
                "balancer_error": "refused",
                "journal_error": "",
            }

    def test_not_ready_while_the_journal_cannot_be_written(self, site: Site) -> None:
        site.scaler.state = replace(site.scaler.state, journal_error="the journal's disk is full")

        assert site.get("/healthz").status_code == 200
        answer = site.get("/readyz")
        assert (answer.status_code, answer.get_json()["journal_error"]) == (503, "the journal's disk is full")
        assert "Nothing is scaled: the journal&#39;s disk is full" in site.get("/").text

    def test_metrics(self, site: Site) -> None:
        site.post("/alerts", notification())
        answer = site.get("/metrics")

        assert answer.content_type.startswith("text/plain; version=")
        assert 'alertscale_webhooks_total{code="202"} 1.0' in answer.text

    def test_only_alertmanagers_requests_are_counted_as_webhooks(self, site: Site) -> None:
        site.get("/healthz")
        site.post(SCALE, {"replicas": 3})
        site.get("/alerts")

        assert [site.webhooks(code) for code in (200, 202, 405)] == [0, 0, 0]


class TestStatusPage:
    def test_it_shows_services_and_events(self, site: Site) -> None:
        text = site.get("/").text

        for shown in ("shop / web", "shop-web-1", "up_cooldown", "service bad: alertscale.max", "replica 2"):
            assert shown in text

    def test_foreign_text_is_escaped(self, site: Site) -> None:
        text = site.get("/").text

        assert "CPU is &lt;b&gt;high&lt;/b&gt;" in text
        assert "<i>done</i>" not in text

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


class TestErrors:
    @pytest.mark.parametrize("path", ["/", "/api/v1/services", "/api/v1/events"])
    def test_a_fault_of_our_own_shows_no_traceback(self, site: Site, path: str) -> None:
        site.scaler.error = ZeroDivisionError("a secret of the inside")
        answer = site.get(path)

        assert answer.status_code == 500
        assert answer.get_json() == {
            "error": "the scaler met a fault of its own; its log says more: docker compose logs scaler",
            "reason": "internal",
        }

    def test_one_of_our_errors_without_a_status_is_500(self, site: Site) -> None:
        site.scaler.error = AlertscaleError("it broke")
        answer = site.post("/alerts", notification())

        assert (answer.status_code, answer.get_json()["error"]) == (500, "it broke")
        assert site.webhooks(500) == 1

    @pytest.mark.parametrize("path", ["/nowhere", "/api/v2/services", "/static/x", "/../etc/passwd"])
    def test_an_unknown_path_is_404_in_json(self, site: Site, path: str) -> None:
        answer = site.get(path)

        assert answer.status_code == 404
        assert answer.get_json()["reason"] == "not_found"

    @pytest.mark.parametrize("path", ["/", "/nowhere", "/metrics", "/api/v1/services"])
    def test_every_answer_forbids_scripts_and_sniffing(self, site: Site, path: str) -> None:
        headers = site.get(path).headers

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
