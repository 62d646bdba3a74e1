"""Small faithful stand-ins for what the scaler talks to: an engine, nginx, a clock, a thread pool."""

# ruff: noqa: ANN401, ARG002 - keywords stand for the fields of a Replica; nginx is one, whatever it is called

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scaler.engines.contract import LeftOut, Processes, Serving
from scaler.model.errors import TargetError
from scaler.model.hooks import HookKind
from scaler.model.reasons import ErrorReason
from scaler.model.services import STOPPING, Change, Fate, Instance, Observation, Replica, Service, ServiceKey
from scaler.model.view import Readiness
from scaler.traffic.readiness import Check

PROJECT = "shop"
NETWORK = "shop_default"
NGINX = "id-of-nginx"
PATIENCE = 30.0
LIVES = Fate(exit_code=None, out_of_memory=False, restarts=0, memory_limit=0)


def until(condition: Callable[[], object], *, what: str = "", seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; fail when it never does. Others may have the CPU meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or condition}"
        time.sleep(0.002)


@dataclass
class Clock:
    """Real time that can be put forward; nothing else waits for it."""

    ahead: float = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


class AtOnce(Executor):
    """Runs what is submitted before ``submit`` returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future hands on whatever was raised
            future.set_exception(error)
        return future


@dataclass(kw_only=True)
class FakeTarget:
    """An engine in memory that keeps to the contract of :class:`scaler.engines.contract.Target`.

    Attributes:
        replicas: containers by id.
        others: other services on the engine.
        balancer: nginx.
        broken: method name to the error that it raises.
        down: the engine does not answer at all.
        exits: numbers of replicas that exit as soon as they are started.
        unready: numbers of replicas that never become ready.
        words: number to what ``last_words`` tells of a replica, or what it raises.
        fates: id to what ``fate`` tells of a replica; of others, that nothing happened to it.
        hooks: the kinds that the services have hooks of.
        hook_takes: seconds.
        healthy: seconds that the health check of each service may take.
        calls: every call that changes something, as ``"start shop-web-2"``.
        prepared: ids that :meth:`prepare` was called with.
        before: called before each call with the name of the method and, of a replica, its id; may block or
            raise.
        on_change: called after each change.
    """

    replicas: dict[str, tuple[ServiceKey, Replica]] = field(default_factory=dict)
    others: frozenset[ServiceKey] = frozenset()
    balancer: Instance | None = field(
        default_factory=lambda: Instance(id=NGINX, networks=frozenset({NETWORK}), running=True)
    )
    broken: dict[str, Exception] = field(default_factory=dict)
    down: bool = False
    exits: set[int] = field(default_factory=set)
    unready: set[int] = field(default_factory=set)
    words: dict[int, tuple[str, ...] | TargetError] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)
    hooks: frozenset[HookKind] = frozenset()
    hook_takes: float = 0.0
    healthy: float = 0.0
    calls: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    before: Callable[[str, str], object] = lambda _method, _replica: None
    on_change: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        """Begin numbering."""
        self._count = itertools.count(1)
        self._changed = threading.Condition()
        self._log: list[Change] = []
        self._streams = 0
        self._cut = 0

    # What a person or the world does to the engine.

    def add(self, service: ServiceKey = (PROJECT, "web"), number: int = 1, **more: Any) -> str:
        """Start a container of Compose's; keywords are fields of :class:`Replica`, or labels."""
        fields = {name: more.pop(name) for name in ("status", "health", "ports", "version") if name in more}
        addresses = more.pop("addresses", None)
        labels = {"alertscale.enable": "true"} | more.pop("labels", {})
        assert not more, more
        made = self._put(service, number, labels, {"status": "running", "version": "v1"} | fields)
        if addresses is not None:
            self._change(made, "connect", addresses=addresses)
        return made

    def kill(self, replica: str) -> None:
        """Let a replica die."""
        self._change(replica, "die", status="exited", addresses={})

    def restart(self, replica: str) -> None:
        """Let a replica end and begin anew so fast that no list shows it."""
        self._tell("die", replica)
        self._tell("start", replica)

    def ask_to_stop(self, replica: str) -> None:
        """Send a replica the signal to stop; it goes on for now."""
        self._tell(STOPPING, replica)

    def take(self, replica: str) -> None:
        """Remove a replica behind the scaler's back."""
        del self.replicas[replica]
        self._tell("destroy", replica)

    def edit(self, replica: str, **fields: Any) -> None:
        """Change fields of a replica."""
        self._change(replica, "rename", **fields)

    def edit_unheard(self, replica: str, **fields: Any) -> None:
        """Change fields of a replica in a way that no event tells of."""
        key, found = self.replicas[replica]
        self.replicas[replica] = (key, replace(found, **fields))

    def set_balancer(self, balancer: Instance | None) -> None:
        self.balancer = balancer
        self._tell("start", NGINX)

    def cut(self) -> None:
        """End every stream of changes, as an engine that restarts does."""
        with self._changed:
            self._cut += 1
            self._changed.notify_all()

    @property
    def listening(self) -> bool:
        """Whether somebody follows the changes."""
        return self._streams > 0

    def names(self, service: ServiceKey | None = None) -> list[str]:
        """Names of the containers there are, of one service or of all."""
        found = [r for key, r in self.replicas.values() if service in {None, key}]
        return [r.name for r in sorted(found, key=lambda r: (r.name.rpartition("-")[0], r.number))]

    def ask(self, check: Check) -> Readiness:
        """Answer for the replica at an address."""
        for _, replica in list(self.replicas.values()):
            if check.address in replica.addresses.values():
                good = replica.number not in self.unready
                return Readiness(ready=good, detail="" if good else f"{check.address} answers 503, not 2xx")
        return Readiness(ready=False, detail=f"{check.address}: no route to host")

    # The protocol.

    def ping(self) -> None:
        self._enter("ping", "")

    def observe(self) -> Observation:
        self._enter("observe", "")
        services: dict[ServiceKey, list[Replica]] = {}
        for key, replica in list(self.replicas.values()):
            services.setdefault(key, []).append(replica)
        return Observation(
            services=tuple(
                Service(
                    key=k,
                    replicas=tuple(sorted(r, key=lambda r: r.number)),
                    files="/srv/compose.yml",
                    healthy=self.healthy,
                )
                for k, r in sorted(services.items())
            ),
            others=self.others,
            balancer=self.balancer,
        )

    def prepare(self, *, model: str) -> None:
        self._known("prepare", model)
        self.prepared.append(model)

    def create(self, *, model: str, number: int) -> str:
        self._enter("create", model)
        if model not in self.replicas:
            raise TargetError(f"no such container: {model}", reason=ErrorReason.MODEL_GONE)
        key, replica = self.replicas[model]
        if self.find(service=key, number=number) is not None:
            raise TargetError(f"the engine refused to create {key[1]}-{number}: name in use")
        self.calls.append(f"create {key[0]}-{key[1]}-{number}")
        fields = {"status": "created", "ports": replica.ports, "version": replica.version}
        return self._put(key, number, dict(replica.labels), fields)

    def find(self, *, service: ServiceKey, number: int) -> str | None:
        self._enter("find", "")
        found = [i for i, (key, r) in self.replicas.items() if key == service and r.number == number]
        return found[0] if found else None

    def start(self, replica: str) -> None:
        _, found = self._known("start", replica)
        if found.status == "running":
            return
        self.calls.append(f"start {found.name}")
        self._change(replica, "start", status="running", addresses={NETWORK: self._address()})
        if found.number in self.exits:
            self.kill(replica)

    def check_hooks(self, replica: str, *, kind: HookKind) -> bool:
        self._enter("check_hooks", replica)
        return replica in self.replicas and kind in self.hooks

    def run_hooks(self, replica: str, *, kind: HookKind, timeout: float, ask: Callable[[], object]) -> None:
        self._enter("run_hooks", replica)
        if replica in self.replicas and kind in self.hooks:
            self.calls.append(f"{kind} {self.replicas[replica][1].name}")
            deadline = time.monotonic() + self.hook_takes
            while time.monotonic() < deadline:
                ask()
                time.sleep(0.002)

    def fate(self, replica: str) -> Fate | None:
        self._enter("fate", replica)
        return self.fates.get(replica, LIVES) if replica in self.replicas else None

    def last_words(self, replica: str) -> tuple[str, ...]:
        self._enter("last_words", replica)
        if replica not in self.replicas:
            return ()
        words = self.words.get(self.replicas[replica][1].number, ())
        if isinstance(words, TargetError):
            raise words
        return words

    def stop(self, replica: str) -> None:
        self._enter("stop", replica)
        if replica in self.replicas:
            self.calls.append(f"stop {self.replicas[replica][1].name}")
            self.ask_to_stop(replica)
            self.kill(replica)

    def remove(self, replica: str) -> None:
        self._enter("remove", replica)
        if replica not in self.replicas:
            return
        found = self.replicas[replica][1]
        if found.live:
            raise TargetError(f"the engine refused to remove {found.name}: it is running")
        self.calls.append(f"remove {found.name}")
        self.take(replica)

    def discard(self, replica: str) -> None:
        self._enter("discard", replica)
        if replica in self.replicas:
            self.calls.append(f"discard {self.replicas[replica][1].name}")
            self.take(replica)

    def changes(self) -> Iterator[Change]:
        self._enter("changes", "")
        with self._changed:
            seen, cut = len(self._log), self._cut
            self._streams += 1
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: len(self._log) > seen or self._cut != cut, 60)  # noqa: B023
                    fresh, seen = self._log[seen:], len(self._log)
                    if self._cut != cut:
                        return
                yield from fresh
        finally:
            self._streams -= 1

    # How.

    def _enter(self, method: str, replica: str) -> None:
        self.before(method, replica)
        if self.down:
            raise TargetError(f"no answer from the engine to {method}", reason=ErrorReason.ENGINE_UNAVAILABLE)
        if method in self.broken:
            raise self.broken[method]

    def _known(self, method: str, replica: str) -> tuple[ServiceKey, Replica]:
        self._enter(method, replica)
        if replica not in self.replicas:
            raise TargetError(f"the engine refused to {method} {replica}: no such container")
        return self.replicas[replica]

    def _address(self) -> str:
        number = next(self._count)
        return f"172.18.{number // 250}.{number % 250 + 2}"

    def _put(self, key: ServiceKey, number: int, labels: dict[str, str], fields: dict[str, Any]) -> str:
        name = f"{key[0]}-{key[1]}-{number}"
        made = f"{next(self._count):04}{name}".ljust(64, "0")
        labels |= {"com.docker.compose.container-number": str(number)}
        running = fields["status"] == "running"
        replica = Replica(
            id=made,
            name=name,
            number=number,
            labels=labels,
            addresses={NETWORK: self._address()} if running else {},
            **({"ports": (5000,)} | fields),
        )
        self.replicas[made] = (key, replica)
        self._tell("create", made)
        if running:
            self._tell("start", made)
        return made

    def _change(self, replica: str, action: str, **fields: Any) -> None:
        self.edit_unheard(replica, **fields)
        self._tell(action, replica)

    def _tell(self, action: str, replica: str) -> None:
        with self._changed:
            self._log.append(Change(action=action, container=replica))
            self._changed.notify_all()
        self.on_change()


@dataclass(kw_only=True)
class FakeNginx:
    """A running nginx that shares ``directory`` with the balancer.

    Attributes:
        directory: where ``current`` and ``next`` are.
        master: process id of the master; None while nginx is starting.
        keeps_old: old workers stay until :meth:`retire`, as with requests in flight.
        deaf: a reload changes nothing.
        slow: a reload is under way until :meth:`finish`.
        mute: it is too busy to say which generation it serves.
        refuses: what a test of ``next`` raises.
        leaves_out: what a test of ``next`` leaves out.
        broken: what every call raises.
        loaded: the files that its workers run with.
        tested: the files of each test.
        reloads: how many there were.
        asked: how often it was asked for its processes.
        before: called with the method's name before each call; may block or raise.
    """

    directory: Path
    master: int | None = 100
    keeps_old: bool = False
    deaf: bool = False
    slow: bool = False
    mute: bool = False
    refuses: Exception | None = None
    leaves_out: tuple[LeftOut, ...] = ()
    broken: Exception | None = None
    loaded: dict[str, str] = field(default_factory=dict)
    tested: list[dict[str, str]] = field(default_factory=list)
    reloads: int = 0
    asked: int = 0
    before: Callable[[str], object] = lambda _method: None

    def __post_init__(self) -> None:
        """Start the first workers."""
        self._next = itertools.count(200)
        self._workers = frozenset({next(self._next), next(self._next)})
        self._leaving: frozenset[int] = frozenset()
        self._reading = False
        self.generation = ""

    def restart(self, master: int) -> None:
        """Begin anew, with the files that its start script writes instead of ours."""
        self.master = master
        self._workers, self._leaving = frozenset({next(self._next)}), frozenset()
        self.loaded, self.generation, self._reading = {}, "", False

    def finish(self) -> None:
        """Let a slow reload come to its end."""
        assert self._reading, "no reload is under way"
        self._reading = False
        self._load()

    def give_up(self) -> None:
        """Let a slow reload come to nothing: nginx refuses it after all."""
        self._reading = False

    def crash_workers(self) -> None:
        """Let the master start others in their place, with the same configuration."""
        self._workers = frozenset({next(self._next), next(self._next)})

    def retire(self) -> None:
        """Let the old workers end."""
        self._leaving = frozenset()

    def servers(self, name: str) -> list[str]:
        """Where the running configuration sends the requests of one upstream, sorted."""
        lines = self.loaded.get(f"{name}.conf", "").splitlines()
        return sorted(line.split()[1] for line in lines if line.strip().startswith("server "))

    def processes(self, instance: str) -> Processes:
        self._enter("processes")
        self.asked += 1
        workers = self._workers if self.master is not None else frozenset[int]()
        return Processes(master=self.master, workers=workers, leaving=self._leaving)

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        self._enter("test")
        self.tested.append(self._files("next"))
        if self.refuses is not None:
            raise self.refuses
        # As nginx/accept.sh does; the start's copies are there in the same way.
        (self.directory / "next" / "@placeholder.conf").write_text("server { return 503; }\n")
        (self.directory / "next" / "accepted").mkdir(exist_ok=True)
        for found in self.leaves_out:
            (self.directory / "next" / f"{found.name}.conf").unlink(missing_ok=True)
        return self.leaves_out

    def serving(self, instance: str) -> Serving:
        self._enter("serving")
        return Serving(generation=None if self.mute else self.generation, busy=self._reading)

    def reload(self, instance: str) -> None:
        self._enter("reload")
        self._reading = self.slow
        if not self.deaf and not self.slow:
            self._load()
        # Last: whoever waits for a reload may retire its old workers at once.
        self.reloads += 1

    def _load(self) -> None:
        self.loaded = self._files("current")
        said = (self.directory / "current" / "@generation.conf").read_text()
        self.generation = said.partition('return 200 "')[2].partition("\\n")[0]
        if self.keeps_old:
            self._leaving |= self._workers
        self._workers = frozenset({next(self._next), next(self._next)})

    def _enter(self, method: str) -> None:
        self.before(method)
        if self.broken is not None:
            raise self.broken

    def _files(self, link: str) -> dict[str, str]:
        files = (self.directory / link).glob("[!@]*.conf")
        return {path.name: path.read_text() for path in files}
