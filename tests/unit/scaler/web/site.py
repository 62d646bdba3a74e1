"""The application around an autoscaler that answers what a test says, with a client."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from scaler.config_check import Finding
from scaler.loop.views import Decided, Health, Inputs, ReplicaView, ServiceView
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, EventKind, Pause, ReplicaState
from scaler.model.records import Event, EventQuery, Hold
from scaler.policy.scaling import Decision, Demand, State, Waits
from scaler.policy.signals import Alert, KnownServices, Signal, Verdict, judge
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.web.app import create_app
from scaler.web.page import About
from tests.page.site import SHOP, Autoscaler, FakePrometheus

NAME = "/".join(SHOP)
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
    decided=Decided(
        decision=Decision(
            direction=None,
            replicas=1,
            target=1,
            reason=DecisionReason.UP_COOLDOWN,
            until=1_767_322_810.25,
            resources=("cpu",),
        ),
        at=1_767_322_800.0,
        inputs=Inputs(
            state=State(replicas=1, waits=Waits(last_change=1_767_322_800.25), former=2),
            demand=Demand(up=frozenset({"cpu"})),
            limits=Limits(),
            signal_ttl=15.0,
        ),
    ),
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
    hold=Hold(pause=Pause.UP, wanted=3),
    faults=(),
)
FAULTY = ServiceView(
    key=("shop", "bad"),
    limits=None,
    replicas=(),
    decided=None,
    signals=(),
    hold=Hold(),
    faults=("compose.yml: service bad: alertscale.max: 'x' is not a whole number",),
    notes=("/srv/<shop>/compose.yml cannot be read here",),
)


@dataclass
class Scaler:
    """Stands for the autoscaler: notes what it was asked, answers or raises what the test says."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    error: Exception | None = None
    view: ServiceView = VIEW
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
        return (FAULTY, self.view)

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        self._note("events", query.limit, query.before)
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
            token=lambda: self.token,
            wall=lambda: 1_767_322_800.0,
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


class Demo:
    """The application around the autoscaler of the demo, with a Prometheus in memory."""

    def __init__(self, directory: Path) -> None:
        self.autoscaler = Autoscaler(journal=Journal(path=directory / "journal.sqlite", keep=20_000))
        self.prometheus = FakePrometheus()
        self.findings: list[Finding] = []
        self.token = ""
        self.about(None)

    def about(self, about: About | None) -> None:
        """Say so of the scaler itself."""
        self.client: FlaskClient = create_app(
            orders=self.autoscaler,
            reading=self.autoscaler,
            metrics=Metrics(CollectorRegistry()),
            token=lambda: self.token,
            wall=time.time,
            prometheus=self.prometheus,
            findings=lambda: self.findings,
            about=about,
        ).test_client()

    def shown(self) -> str:
        """The page once Prometheus has been asked."""
        self.client.get("/api/v1/services")
        return self.page()

    def page(self, query: str = "") -> str:
        answer = self.client.get(f"/{query}")
        assert answer.status_code == 200, answer.text
        return answer.text
