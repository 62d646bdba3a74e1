"""The status page over HTTP around an autoscaler and a Prometheus in memory.

    python -m tests.page.site <port> [<services>]

It prints its address. What is asked of it through the page happens: a count asked for is reached a moment
later, and a pause holds. The token is ``TOKEN``.
"""

from __future__ import annotations

import math
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from scaler.config_check import Finding
from scaler.loop.views import Decided, Health, ReplicaView, ServiceView
from scaler.model.errors import RequestError, UnavailableError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, Pause, ReplicaState
from scaler.model.records import Event, EventQuery, Hold
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, KnownServices, Signal, Verdict, judge
from scaler.prometheus.chart import SERIES
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.web.app import create_app
from scaler.web.page import About
from scaler.web.server import Server, create_server
from tests.page.recorded import answer

TOKEN = "the-token-of-the-demo"
SHOP: ServiceKey = ("alertscale", "flask-app")


def keys(count: int) -> list[ServiceKey]:
    """The demo service first, then others."""
    return [SHOP, *(("shop", f"service-{n:02}") for n in range(2, count + 1))]


@dataclass(kw_only=True)
class Autoscaler:
    """Keeps to the contracts of :mod:`scaler.web`; tests change its fields.

    Attributes:
        journal: its history.
        count: services.
        state: what ``health`` answers.
        until: when the cooldown in force ends, seconds since the epoch; None for none.
        live: replicas of the first service.
        starting: how many of them are still on their way.
        wanted: the count asked for.
        held: what is paused.
    """

    journal: Journal
    count: int = 1
    state: Health = field(
        default_factory=lambda: Health(
            passes_age=0.2, engine=True, watchdog_age=2.0, balancer_error="", journal_error=""
        )
    )
    until: float | None = None
    live: int = 3
    starting: int = 0
    wanted: int | None = None
    held: Pause = Pause.NONE

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        known = KnownServices(managed=frozenset(keys(self.count)))
        return tuple(judge(a, known=known) for a in alerts)

    def services(self) -> tuple[ServiceView, ...]:
        return tuple(self._view(key) for key in keys(self.count))

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        return self.journal.events(query)

    def scale(self, name: str, replicas: int) -> ServiceView:
        self._known(name)
        if not 1 <= replicas <= 5:
            raise RequestError(f"replicas: {replicas} is not within bounds", reason=ErrorReason.OUT_OF_BOUNDS)
        self.tell(EventKind.MANUAL, "scale", f"A person asked for {replicas} replicas")
        self.wanted = replicas
        threading.Timer(0.6, self._reach, (replicas,)).start()
        return self._view(SHOP)

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        self._known(name)
        self.tell(EventKind.MANUAL, "retire", f"A deploy asked to take away {', '.join(replicas)}")
        return self._view(SHOP)

    def pause(self, name: str, pause: Pause) -> ServiceView:
        self._known(name)
        self.tell(
            EventKind.MANUAL,
            "pause",
            "A person holds all steps" if pause is Pause.ALL else "A person lets all steps go",
        )
        self.held = pause
        return self._view(SHOP)

    def health(self) -> Health:
        return self.state

    def tell(
        self,
        kind: EventKind,
        reason: str,
        text: str,
        *,
        at: float | None = None,
        service: ServiceKey = SHOP,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an entry of the history, of now unless told otherwise."""
        moment = time.time() if at is None else at
        self.journal.record(
            Event(at=moment, kind=kind, reason=reason, text=text, service=service, detail=detail or {})
        )

    def _known(self, name: str) -> None:
        if name != "/".join(SHOP):
            raise RequestError(f"no service is called {name!r}", reason=ErrorReason.NOT_FOUND)

    def _reach(self, replicas: int) -> None:
        direction = "up" if replicas > self.live else "down"
        self.live, self.wanted = replicas, None
        self.tell(
            EventKind.STEP,
            "done",
            f"Replica {replicas} was {'added' if direction == 'up' else 'removed'}: a person asked for it",
            detail={"why": "manual", "phases": {"create": 0.03, "start": 0.24, "ready": 0.41}},
        )

    def _view(self, key: ServiceKey) -> ServiceView:
        live = self.live if key == SHOP else 1 + hash(key) % 4
        starting = self.starting if key == SHOP else 0
        return ServiceView(
            key=key,
            limits=Limits(maximum=5),
            replicas=tuple(_replica(key, n, starting=n > live - starting) for n in range(1, live + 1)),
            decided=Decided(decision=self._decision(key, live), at=time.time(), inputs=None),
            signals=(_signal(key),) if key == SHOP else (),
            hold=Hold(pause=self.held, wanted=self.wanted) if key == SHOP else Hold(),
            faults=(),
        )

    def _decision(self, key: ServiceKey, live: int) -> Decision:
        steady = Decision(direction=None, replicas=live, target=live, reason=DecisionReason.STEADY)
        if key != SHOP:
            return steady
        if self.held is Pause.ALL:
            return replace(steady, reason=DecisionReason.PAUSED)
        if self.until is not None:
            return replace(steady, reason=DecisionReason.UP_COOLDOWN, until=self.until, resources=("cpu",))
        return steady


def _replica(key: ServiceKey, number: int, *, starting: bool) -> ReplicaView:
    return ReplicaView(
        number=number,
        name=f"{key[0]}-{key[1]}-{number}",
        id=f"{abs(hash((key, number))):012x}"[:12],
        state=ReplicaState.STARTING if starting else ReplicaState.READY,
        address=f"172.18.0.{number + 2}",
        detail=f"172.18.0.{number + 2}:5000/ready: [Errno 111] Connection refused" if starting else "",
    )


RULE = "http://localhost:10090/graph?g0.expr=service%3Acpu_utilization%3Aratio+%3E+0.7&g0.tab=1"


def _signal(key: ServiceKey) -> Signal:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(math.floor(time.time() / 600) * 600))
    return Signal(
        alert=Alert(
            firing=True,
            labels={"alertname": "HighCPU", "scale": "up", "resource": "cpu", "service": key[1]},
            annotations={"summary": f"{key[1]} uses 83 % of its CPU limit"},
            starts_at=since,
            generator_url=RULE,
        ),
        service=key,
        direction=Direction.UP,
        resource="cpu",
        first_heard=math.floor(time.time() / 600) * 600.0,
        last_heard=math.floor(time.time() / 5) * 5.0,
    )


@dataclass
class FakePrometheus:
    """Answers in the form of the recorded answers, with a day that goes up and down; or not at all.

    Attributes:
        dead: it does not answer.
        cpu: share of its limit that each replica of the first service uses now, from number 1 on.
        memory: the same of memory.
        asked: the path of each request.
    """

    dead: bool = False
    cpu: tuple[float, ...] = (0.86, 0.79, 0.84, 0.81, 0.8)
    memory: tuple[float, ...] = (0.11, 0.12, 0.1, 0.11, 0.11)
    asked: list[str] = field(default_factory=list)

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        self.asked.append(path)
        if self.dead:
            raise UnavailableError("Prometheus does not answer at prometheus:9090: Connection refused")
        if path.endswith("/query_range"):
            return _range(query)
        if path.endswith("/query"):
            if "service:cpu_utilization:ratio" in query.get("query", ""):
                return _now(self.cpu, self.memory)
            now = time.time() - 0.4
            return {
                "resultType": "vector",
                "result": [
                    {"metric": {"station": name}, "value": [now, str(now)]}
                    for name in ("exporter", "alertmanager", "nginx")
                ],
            }
        return answer("rules")


def wave(at: float) -> tuple[int, float, float]:
    """Replicas, CPU and memory at a time: load that comes and goes every 25 minutes."""
    load = 1.15 + 1.05 * math.sin(at / 240) + 0.25 * math.sin(at / 37)
    replicas = min(5, max(1, math.ceil(load / 0.55)))
    return replicas, max(0.04, load / replicas + 0.03 * math.sin(at / 11)), 0.22 + 0.05 * math.sin(at / 300)


def _now(cpu: Sequence[float], memory: Sequence[float]) -> dict[str, Any]:
    key = {"project": SHOP[0], "service": SHOP[1]}
    samples = []
    for name, shares in (("cpu", cpu), ("memory", memory)):
        mean = {"alertscale_series": f"service:{name}_utilization:ratio"} | key
        samples += [(mean, sum(shares) / len(shares))] if shares else []
        samples += [
            ({"alertscale_series": name, "name": f"{'-'.join(SHOP)}-{n + 1}"} | key, share)
            for n, share in enumerate(shares)
        ]
    now = time.time()
    return {
        "resultType": "vector",
        "result": [{"metric": labels, "value": [now, str(value)]} for labels, value in samples],
    }


def _range(query: Mapping[str, str]) -> dict[str, Any]:
    start, end, step = (int(query[name]) for name in ("start", "end", "step"))
    points = [(t, wave(t)) for t in range(start, end + 1, step)]
    return {
        "resultType": "matrix",
        "result": [
            {"metric": {"alertscale_series": name}, "values": [[t, str(p[index])] for t, p in points]}
            for index, name in enumerate(SERIES)
        ],
    }


def fill(autoscaler: Autoscaler, *, events: int) -> None:
    """Write a history that goes with :func:`wave`, the last of it just now."""
    now = time.time()
    labels = {"alertname": "HighCPU", "scale": "up", "service": "flask-app"}
    before = wave(now - 3600)[0]
    for second in range(3600, 0, -15):
        at = now - second
        replicas = wave(at)[0]
        if replicas > before:
            detail = {"labels": labels, "state": "firing", "url": RULE}
            autoscaler.tell(
                EventKind.ALERT,
                "accepted",
                "HighCPU fires: flask-app uses 83 % of its CPU limit",
                at=at,
                detail=detail,
            )
            autoscaler.tell(
                EventKind.DECISION,
                "alert_up",
                f"Going up from {before} to {replicas}: the alert for cpu fires",
                at=at + 0.4,
            )
        if replicas != before:
            way, why, what = (
                ("up", "alert_up", "was added: an alert asked for more")
                if replicas > before
                else ("down", "alert_down", "was removed: everything was low")
            )
            phases = (
                {"create": 0.03, "start": 0.24, "ready": 0.41}
                if way == "up"
                else {"drain": 1.31, "stop": 0.38, "remove": 0.05}
            )
            autoscaler.tell(
                EventKind.STEP,
                "done",
                f"Replica {max(replicas, before)} {what}",
                at=at + 1.2,
                detail={"why": why, "phases": phases},
            )
            autoscaler.tell(
                EventKind.RELOAD,
                "reloaded",
                "nginx was reloaded with other upstreams",
                at=at + 1.4,
                service=("", ""),
                detail={"upstreams": {}},
            )
        before = replicas
    for number in range(events):
        autoscaler.tell(
            EventKind.DECISION,
            "steady",
            f"Holding at 1: no alert asks for a step ({number})",
            service=keys(max(2, autoscaler.count))[-1],
        )


def serve(
    directory: Path,
    *,
    port: int = 0,
    services: int = 1,
    events: int = 0,
    findings: Sequence[Finding] = (),
    about: About | None = None,
) -> tuple[Server, Autoscaler, FakePrometheus]:
    """Listen on loopback; the caller runs the server."""
    autoscaler = Autoscaler(journal=Journal(path=directory / "journal.sqlite", keep=20_000), count=services)
    fill(autoscaler, events=events)
    prometheus = FakePrometheus()
    app = create_app(
        orders=autoscaler,
        reading=autoscaler,
        metrics=Metrics(CollectorRegistry()),
        token=lambda: TOKEN,
        wall=time.time,
        prometheus=prometheus,
        findings=lambda: findings,
        about=about,
    )
    return create_server(app, host="127.0.0.1", port=port), autoscaler, prometheus


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        server, autoscaler, _ = serve(
            Path(directory), port=int(sys.argv[1]), services=int(sys.argv[2]) if len(sys.argv) > 2 else 1
        )
        autoscaler.until = time.time() + 300
        print(f"http://127.0.0.1:{server.effective_port}/", flush=True)  # noqa: T201 - for whoever started it
        server.run()


if __name__ == "__main__":
    main()
