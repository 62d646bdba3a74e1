"""An autoscaler that only writes down what it is asked to change, and an app around it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flask import Flask
from prometheus_client import CollectorRegistry

from scaler.loop.views import Decided, Health, ReplicaView, ServiceView
from scaler.model.errors import LabelError, RequestError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, Pause, ReplicaState
from scaler.model.records import Event, EventQuery, Hold
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, KnownServices, Signal, Verdict, judge
from scaler.state.metrics import Metrics
from scaler.web.app import create_app

TOKEN = "the-token"
WEB: ServiceKey = ("shop", "web")
FAULTY: ServiceKey = ("shop", "faulty")
_NOW = 1_700_000_000.0


@dataclass(kw_only=True)
class Recording:
    """Keeps to the contracts of :mod:`scaler.web`, with one service and one that is faulty.

    Attributes:
        changes: what it was asked for, as ``("scale", "web", 2)``; alerts as ``("submit", ...)``.
    """

    changes: list[tuple[object, ...]] = field(default_factory=list)

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        known = KnownServices(managed=frozenset({WEB}), faulty=frozenset({FAULTY}), own_project="shop")
        verdicts = tuple(judge(alert, known=known) for alert in alerts)
        self.changes += [("submit", v.alert.name, v.result) for v in verdicts]
        return verdicts

    def services(self) -> tuple[ServiceView, ...]:
        return (_web(), _faulty())

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        event = Event(at=_NOW, kind=EventKind.STARTED, reason="started", text="The scaler started", id=1)
        left_out = query.kind not in {None, event.kind} or query.service not in {None, event.service}
        return () if left_out or (query.before is not None and query.before <= 1) else (event,)[: query.limit]

    def scale(self, name: str, replicas: int) -> ServiceView:
        view = self._find(name)
        if not 1 <= replicas <= 3:
            raise RequestError(f"replicas: {replicas} is not within bounds", reason=ErrorReason.OUT_OF_BOUNDS)
        self.changes.append(("scale", name, replicas))
        return view

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        view = self._find(name)
        if not all(one.startswith("shop-web-") for one in replicas):
            raise RequestError(f"no replica is called {replicas!r}", reason=ErrorReason.NOT_FOUND)
        self.changes.append(("retire", name, replicas))
        return view

    def pause(self, name: str, pause: Pause) -> ServiceView:
        view = self._find(name)
        self.changes.append(("pause", name, pause))
        return view

    def health(self) -> Health:
        return Health(
            passes_age=0.1, engine=True, watchdog_age=float("inf"), balancer_error="", journal_error=""
        )

    def _find(self, name: str) -> ServiceView:
        if name.rpartition("/")[2] == "faulty":
            raise LabelError(("alertscale.max: 'x' is not a whole number",))
        if name not in {"web", "shop/web"}:
            raise RequestError(f"no service is called {name!r}", reason=ErrorReason.NOT_FOUND)
        return _web()


def _web() -> ServiceView:
    labels = {"alertname": "HighCPU", "scale": "up", "service": "web", "resource": "cpu"}
    return ServiceView(
        key=WEB,
        limits=Limits(maximum=3),
        replicas=(
            ReplicaView(
                number=1,
                name="shop-web-1",
                id="0f3c5a7be1d2",
                state=ReplicaState.READY,
                address="172.18.0.3",
                detail="",
            ),
        ),
        decided=Decided(
            decision=Decision(
                direction=None,
                reason=DecisionReason.UP_COOLDOWN,
                replicas=1,
                target=1,
                resources=("cpu",),
                until=_NOW + 4,
            ),
            at=_NOW,
            inputs=None,
        ),
        signals=(
            Signal(
                alert=Alert(firing=True, labels=labels),
                service=WEB,
                direction=Direction.UP,
                resource="cpu",
                first_heard=1.0,
                last_heard=2.0,
            ),
        ),
        hold=Hold(wanted=2),
        faults=(),
    )


def _faulty() -> ServiceView:
    return ServiceView(
        key=FAULTY,
        limits=None,
        replicas=(),
        decided=None,
        signals=(),
        hold=Hold(),
        faults=("compose.yml: service faulty: alertscale.max: 'x' is not a whole number",),
    )


def recording_app(autoscaler: Recording) -> Flask:
    """The real app around a recording autoscaler; an error of its own fails the test that meets it."""
    return create_app(
        orders=autoscaler,
        reading=autoscaler,
        metrics=Metrics(CollectorRegistry()),
        token=lambda: TOKEN + "\n",
        wall=lambda: _NOW,
    )
