"""The scaler as ``scaler/wiring.py`` wires it, on an engine and an nginx in memory, and its alerts."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from scaler.engines.contract import Place
from scaler.loop.alerts import Alerts
from scaler.loop.rhythm import Rhythm
from scaler.loop.views import Inputs, ServiceView
from scaler.model.errors import UnavailableError
from scaler.model.reasons import EventKind
from scaler.model.records import Event, EventQuery
from scaler.model.services import ServiceKey
from scaler.policy.relief import Shares
from scaler.policy.scaling import Decision
from scaler.policy.signals import Alert, AtSource
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.compose import Stepper
from scaler.steps.contract import StepContext, Steps
from scaler.steps.log import StepLog
from scaler.steps.swarm import CountStepper
from scaler.traffic.nginx import Nginx
from scaler.traffic.readiness import Prober
from scaler.wiring import Edges, Memory, assemble
from tests.fake_swarm import FakeSwarm
from tests.fakes import NETWORK, PROJECT, Clock, FakeNginx, FakeTarget, until

WEB: ServiceKey = (PROJECT, "web")
API: ServiceKey = (PROJECT, "api")
BLOG: ServiceKey = ("blog", "web")

# Short enough that a test waits for nothing but what it is about; the clock is put forward otherwise.
QUICK = {"alertscale.cooldown.up": "0s", "alertscale.cooldown.down": "0s", "alertscale.ready-timeout": "5s"}


def watchdog() -> Alert:
    return Alert(firing=True, labels={"alertname": "Watchdog"})


PROMETHEUS = "http://prometheus:9090"


def at_source(*firing: Alert, rules: tuple[str, ...] = ("up-cpu", "down-cpu", "down-memory")) -> AtSource:
    """What Prometheus says while these fire there."""
    return AtSource(address=PROMETHEUS, rules=frozenset(rules), firing=tuple(a.labels for a in firing))


def alert(scale: str, resource: str = "cpu", *, service: str = "web", firing: bool = True) -> Alert:
    labels = {"alertname": f"{scale}-{resource}", "scale": scale, "service": service, "resource": resource}
    return Alert(
        firing=firing,
        labels=labels,
        annotations={"summary": f"{resource} of {service}"},
        generator_url=f"{PROMETHEUS}/graph?g0.expr=a+%3E+1&g0.tab=1",
    )


HIGH = (watchdog(), alert("up"))
LOW = (watchdog(), alert("down"), alert("down", "memory"))
HIGH_ENDS = (watchdog(), alert("up", firing=False))
LOW_ENDS = (watchdog(), alert("down", firing=False), alert("down", "memory", firing=False))


@dataclass(kw_only=True)
class Rig:
    """A scaler that runs; what it runs on outlives it, so that :func:`running` can start another.

    Attributes:
        home: holds the journal and the directory shared with nginx.
        tick: seconds between two decisions.
        source: what Prometheus says of alerts: at first that it knows of none; None if it does not live.
        shares: what it says of memory before and after a step; None for nothing.
        shares_of: the times that it was asked of.
        hangs: it does not answer that.
    """

    home: Path
    tick: float = 0.02
    target: FakeTarget = field(default_factory=FakeTarget)
    clock: Clock = field(default_factory=Clock)
    stopping: threading.Event = field(default_factory=threading.Event)
    source: AtSource | None = field(default_factory=AtSource)
    shares: Shares | None = None
    shares_of: list[dict[str, float]] = field(default_factory=list)
    hangs: bool = False

    def __post_init__(self) -> None:
        """Make the directories and nginx."""
        (self.home / "upstreams").mkdir(exist_ok=True)
        self.nginx = FakeNginx(directory=self.home / "upstreams")
        self.wire()

    def wire(self) -> None:
        """Make a scaler, as a new process would."""
        self.stopping = threading.Event()
        self.metrics = Metrics(CollectorRegistry())
        self.journal = Journal(path=self.home / "journal.sqlite")
        self.world, self.wake = World(), threading.Event()
        wall, monotonic = self.clock.time, self.clock.monotonic
        self.recorder = Recorder(journal=self.journal, metrics=self.metrics, wall=wall)
        self.context = StepContext(
            log=StepLog(journal=self.journal, recorder=self.recorder, metrics=self.metrics, wall=wall),
            world=self.world,
            metrics=self.metrics,
            wake=self.wake.set,
            stopping=self.stopping,
        )
        balancer = Nginx(
            directory=self.home / "upstreams",
            control=self.nginx,
            pause=lambda _seconds: None,
            monotonic=monotonic,
            timeout=0.05,
        )
        self.executor = ThreadPoolExecutor(max_workers=2)
        parts = assemble(
            edges=Edges(
                target=self.engine,
                steps=self.stepper(balancer),
                balancer=balancer,
                prober=Prober(executor=self.executor, wake=self.wake.set, asker=self.engine.ask),
            ),
            memory=Memory(
                world=self.world,
                journal=self.journal,
                metrics=self.metrics,
                recorder=self.recorder,
                anchors=Anchors(wall=wall, monotonic=monotonic),
            ),
            alerts=Alerts(ttl=15.0, source=lambda _names: self.source),
            shares=self._say_shares,
            rhythm=Rhythm(tick=self.tick, stopping=self.stopping, wake=self.wake, monotonic=monotonic),
            place=Place(project=PROJECT, networks=frozenset({NETWORK}), address="", node="here"),
        )
        self.autoscaler, self.orders, self.reading = parts.autoscaler, parts.orders, parts.reading

    def _say_shares(self, _service: ServiceKey, **times: float) -> Shares | None:
        self.shares_of.append(times)
        if self.source is None or self.hangs:
            raise UnavailableError("Prometheus does not answer")
        return self.shares

    @property
    def engine(self) -> FakeTarget | FakeSwarm:
        """What the scaler works on."""
        return self.target

    def stepper(self, balancer: Nginx) -> Steps:
        """Make what takes the steps."""
        return Stepper(
            target=self.target,
            balancer=balancer,
            context=self.context,
        )

    def start(self) -> None:
        """Run the loop, and wait until it has listed the engine (unless that is down)."""
        self._before = frozenset(threading.enumerate())
        self.loop = threading.Thread(target=self.autoscaler.run, name="loop", daemon=True)
        self.loop.start()
        until(lambda: self.engine.listening or self.engine.down, what="the loop follows the engine")
        until(lambda: self.metric("alertscale_tick_seconds_count"), what="the loop has made a pass")

    def stop(self) -> None:
        """End the scaler as SIGTERM does, and wait for each of its threads."""
        self.stopping.set()
        self.wake.set()
        self.engine.cut()
        for thread in frozenset(threading.enumerate()) - self._before:
            until(lambda: self._ended(thread), what=f"{thread.name} ends")  # noqa: B023
        self.executor.shutdown()
        self.journal.close()

    def _ended(self, thread: threading.Thread) -> bool:
        self.world.update()  # wakes whoever waits for it
        if thread.ident is None:
            return False  # about to be started
        thread.join(0.005)
        return not thread.is_alive() or thread.name.startswith("ThreadPool")

    # Shortcuts.

    def submit(self, *alerts: Alert) -> None:
        self.orders.submit(alerts)

    def service(self, key: ServiceKey = WEB) -> ServiceView:
        return next(view for view in self.reading.services() if view.key == key)

    def reason(self, key: ServiceKey = WEB) -> str:
        """Return the reason of the last decision; empty before there is one."""
        decision = self.decision(key)
        return str(decision.reason) if decision else ""

    def decision(self, key: ServiceKey = WEB) -> Decision | None:
        decided = self.service(key).decided
        return decided.decision if decided else None

    def inputs(self, view: ServiceView | None = None) -> Inputs:
        """Return what the last decision was taken on; of a view that was read before, or of now."""
        decided = (view or self.service()).decided
        assert decided is not None, "nothing was decided yet"
        assert decided.inputs is not None, "its service is gone"
        return decided.inputs

    def names(self, key: ServiceKey = WEB) -> list[str]:
        return self.target.names(key)

    def served(self, key: ServiceKey = WEB) -> list[str]:
        """Names of the replicas that nginx sends requests to."""
        upstream = key[1] if key[0] == PROJECT else f"{key[0]}.{key[1]}"
        servers = self.nginx.servers(upstream)
        replicas = [r for _, r in self.target.replicas.values()]
        return sorted(r.name for r in replicas if any(f"{a}:5000" in servers for a in r.addresses.values()))

    def events(self, kind: EventKind) -> tuple[Event, ...]:
        return self.journal.events(EventQuery(kind=kind, limit=1000))

    def steps(self, count: int) -> tuple[Event, ...]:
        """Wait until so many steps have ended; return how, the newest first."""
        until(lambda: len(self.events(EventKind.STEP)) == count, what=f"{count} steps have ended")
        return self.events(EventKind.STEP)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def settle(self, names: list[str], key: ServiceKey = WEB) -> None:
        """Wait until these are the replicas, nginx has exactly them, and no step is under way."""
        until(
            lambda: self.names(key) == names and self.served(key) == names and not self.journal.unfinished(),
            what=f"{names}: there are {self.names(key)}, nginx has {self.served(key)}",
        )


@dataclass(kw_only=True)
class SwarmRig(Rig):
    """The same on a Swarm in memory."""

    swarm: FakeSwarm = field(default_factory=FakeSwarm)

    def __post_init__(self) -> None:
        """Let the Swarm's times be those of the clock."""
        self.swarm.wall = self.clock.time
        super().__post_init__()

    @property
    def engine(self) -> FakeSwarm:
        """What the scaler works on."""
        return self.swarm

    def stepper(self, balancer: Nginx) -> Steps:  # noqa: ARG002 - nginx follows Swarm's DNS
        """Make what takes the steps."""
        return CountStepper(
            target=self.swarm,
            context=self.context,
            placed_within=0.05,
        )


@contextlib.contextmanager
def running(rig: Rig) -> Iterator[Rig]:
    """Run the scaler of a rig."""
    rig.start()
    try:
        yield rig
    finally:
        rig.stop()


def labels(**values: str) -> dict[str, str]:
    """Quick labels with some of their own: ``labels(max="3")``."""
    return QUICK | {f"alertscale.{name.replace('_', '-')}": value for name, value in values.items()}


def never(condition: object, *, passes: int = 5, rig: Rig) -> None:
    """See that nothing comes of it in some more passes of the loop."""
    assert callable(condition)
    seen = rig.metric("alertscale_tick_seconds_count")
    until(lambda: rig.metric("alertscale_tick_seconds_count") >= seen + passes)
    assert not condition()


def seconds_left(rig: Rig) -> float:
    """How long the last decision holds; -1 when time alone does not change it."""
    decision = rig.decision()
    return decision.until - rig.clock.time() if decision and decision.until else -1
