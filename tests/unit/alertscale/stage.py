"""The scaler's real web application on a real socket, around an autoscaler that plays a script."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry
from werkzeug.serving import make_server

from scaler.loop.views import Decided, Health, Inputs, ReplicaView, ServiceView
from scaler.model.errors import LabelError, RequestError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, Pause, ReplicaState
from scaler.model.records import Event, EventQuery, Hold
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Decision, Demand, State, Waits
from scaler.policy.signals import Alert, Signal, Verdict
from scaler.prometheus.client import Source
from scaler.state.metrics import Metrics
from scaler.web.api import Orders, Reading
from scaler.web.app import create_app
from tests.page.site import FakePrometheus

TOKEN = "the-token"
WEB: ServiceKey = ("shop", "web")
NOW = 1_795_407_411.0


def view(
    count: int, *, wanted: int | None = None, decided: float = NOW, reason: str = "steady"
) -> ServiceView:
    """A service of 1 to 5 with so many ready replicas, for which HighCPU fires."""
    return ServiceView(
        key=WEB,
        limits=Limits(maximum=5),
        replicas=tuple(_replica(n + 1) for n in range(count)),
        decided=Decided(
            decision=Decision(direction=None, reason=DecisionReason(reason), replicas=count, target=count),
            at=decided,
            inputs=Inputs(
                state=State(replicas=count, waits=Waits(last_change=decided - 60)),
                demand=Demand(up=frozenset({"cpu"})),
                limits=Limits(),
                signal_ttl=15.0,
            ),
        ),
        signals=(_signal(),),
        hold=Hold(wanted=wanted),
        faults=(),
    )


def faulty() -> ServiceView:
    fault = "compose.yml: service bad: alertscale.max: 'x' is not a whole number"
    return replace(view(1), key=("shop", "bad"), limits=None, decided=None, faults=(fault,), signals=())


def _replica(number: int) -> ReplicaView:
    return ReplicaView(
        number=number,
        name=f"shop-web-{number}",
        id="0f3c5a7be1d2",
        state=ReplicaState.READY,
        address=f"10.0.0.{number}",
        detail="",
    )


def _signal() -> Signal:
    labels = {"alertname": "HighCPU", "scale": "up", "service": "web", "resource": "cpu"}
    return Signal(
        alert=Alert(firing=True, labels=labels, annotations={"summary": "CPU at \x1b[31m83 %"}),
        service=WEB,
        direction=Direction.UP,
        resource="cpu",
        first_heard=NOW - 8,
        last_heard=NOW - 2,
    )


@dataclass(kw_only=True)
class Script:
    """Keeps to the contracts of :mod:`scaler.web`.

    Attributes:
        views: the services as they stand.
        history: oldest first.
        looks: each is called once, at one look at the services, to let something happen.
        asked: what was ordered.
    """

    views: list[ServiceView] = field(default_factory=lambda: [view(2)])
    history: list[Event] = field(default_factory=list)
    looks: list[Callable[[], object]] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    figures: Health = field(
        default_factory=lambda: Health(
            passes_age=0.2, engine=True, watchdog_age=2.0, balancer_error="", journal_error=""
        )
    )

    def happens(self, kind: EventKind, text: str, *, reason: str = "done", service: ServiceKey = WEB) -> None:
        number = len(self.history) + 1
        self.history.append(Event(at=NOW, kind=kind, reason=reason, text=text, service=service, id=number))

    def becomes(self, shown: ServiceView) -> None:
        self.views[0] = shown

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        raise AssertionError(f"the command line delivers no alerts: {list(alerts)}")

    def services(self) -> tuple[ServiceView, ...]:
        if self.looks:
            self.looks.pop(0)()
        return tuple(self.views)

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        newest_first = [
            e
            for e in reversed(self.history)
            if (query.before is None or e.id < query.before)
            and query.service in {None, e.service}
            and query.kind in {None, e.kind}
        ]
        return tuple(newest_first[: query.limit])

    def scale(self, name: str, replicas: int) -> ServiceView:
        found = self._find(name)
        if replicas > 5:
            text = f"replicas: {replicas} is not within alertscale.min 1 and alertscale.max 5 of web"
            raise RequestError(text, reason=ErrorReason.OUT_OF_BOUNDS)
        self.asked.append(("scale", name, replicas))
        self.becomes(replace(found, hold=replace(found.hold, wanted=replicas)))
        return self.views[0]

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        found = self._find(name)
        self.asked.append(("retire", name, *replicas))
        return found

    def pause(self, name: str, pause: Pause) -> ServiceView:
        found = self._find(name)
        self.asked.append(("pause", name, str(pause)))
        self.becomes(replace(found, hold=replace(found.hold, pause=pause)))
        return self.views[0]

    def health(self) -> Health:
        return self.figures

    def _find(self, name: str) -> ServiceView:
        for shown in self.views:
            if name in {shown.key[1], "/".join(shown.key)}:
                if shown.faults:
                    raise LabelError(shown.faults)
                return shown
        raise RequestError(f"no service is called {name!r}; known: shop/web", reason=ErrorReason.NOT_FOUND)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A scaler that answers at an address, its script, and a Prometheus that is dead at first."""

    script: Script
    prometheus: FakePrometheus
    url: str


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Serve a script."""
    script, prometheus = Script(), FakePrometheus(dead=True)
    with served(script, script, prometheus=prometheus) as url:
        yield Stage(script=script, prometheus=prometheus, url=url)


@contextlib.contextmanager
def served(orders: Orders, reading: Reading, *, prometheus: Source | None = None) -> Iterator[str]:
    """Serve the real application around what plays the loop, or the loop; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = create_app(
        orders=orders,
        reading=reading,
        metrics=Metrics(CollectorRegistry()),
        token=lambda: TOKEN,
        wall=lambda: NOW,
        prometheus=prometheus,
    )
    with make_server("127.0.0.1", 0, app, threaded=True) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
