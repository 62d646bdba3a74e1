"""A Swarm in memory: services with a count and a version, and the tasks that follow the count."""

# ruff: noqa: ARG002 - the signatures are those of the protocol

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from scaler.model.services import Change, Health, Kept, Observation, Replica, Service, ServiceKey
from scaler.model.view import Readiness
from scaler.traffic.readiness import Check
from tests.fakes import NETWORK

WEB: ServiceKey = ("shop", "web")
NO_NODE = "no suitable node (insufficient resources on 3 nodes)"


@dataclass(kw_only=True)
class Running:
    """One service: what is asked of it, and its tasks by id."""

    key: ServiceKey
    kept: Kept
    refusal: str = ""
    definition: str = "v1"
    tasks: dict[str, Replica] = field(default_factory=dict)


@dataclass(kw_only=True)
class FakeSwarm:
    """A manager that keeps to the protocol :class:`scaler.engines.contract.Counts`.

    Attributes:
        others: other services.
        wall: seconds since the epoch, for the times of changes.
        down: no answer at all.
        loses_answers: a count is changed, but whoever asked never hears of it.
        hesitates: the tasks follow a count only at :meth:`follow`, as Swarm's do a moment later.
        lingers: leaving tasks stay until :meth:`vanish`.
        unplaceable: why a new task finds no node; empty when it does.
        answering: addresses of the tasks that answer when they are asked whether they are ready.
        sick: new tasks never pass their health check; how the last of them ended.
        calls: every change of a count that was asked for by a scaler, as ``"web 2"``.
        before: called with the method's name before each call; may block, raise or change something.
        on_change: called after each change.
    """

    others: frozenset[ServiceKey] = frozenset()
    wall: Callable[[], float] = time.time
    down: bool = False
    loses_answers: bool = False
    hesitates: bool = False
    lingers: bool = False
    unplaceable: str = ""
    answering: set[str] = field(default_factory=set)
    sick: str = ""
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], object] = lambda _method: None
    on_change: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        """Begin numbering."""
        self.services: dict[ServiceKey, Running] = {}
        self._number = itertools.count(1)
        self._lock = threading.RLock()
        self._told = threading.Condition(self._lock)
        self._changes = 0
        self._cut = 0
        self._streams = 0

    # What a person or the world does to the Swarm.

    def add(
        self,
        key: ServiceKey = WEB,
        count: int = 1,
        *,
        refusal: str = "",
        labels: dict[str, str] | None = None,
    ) -> None:
        """Create a service; its tasks run at once."""
        kept = Kept(
            id=f"service-{next(self._number)}",
            count=count,
            version=next(self._number),
            changed_at=self.wall(),
            updating=False,
            labels={"alertscale.enable": "true"} | (labels or {}),
        )
        with self._lock:
            self.services[key] = Running(key=key, kept=kept, refusal=refusal)
            self._follow(self.services[key])
        self._tell()

    def scale(self, count: int, key: ServiceKey = WEB) -> None:
        """Change the count as ``docker service scale`` does: it tries again until it is not overtaken."""
        self._define(key, count=count)

    def update(self, key: ServiceKey = WEB, *, updating: bool, definition: str = "") -> None:
        """Begin or end the replacement of the tasks by ones of another definition."""
        self._define(key, updating=updating)
        if definition and not updating:
            found = self.services[key]
            found.definition = definition
            found.tasks = {i: replace(t, version=definition) for i, t in found.tasks.items()}

    def drop(self, key: ServiceKey = WEB) -> None:
        """Remove a service and its tasks."""
        with self._lock:
            del self.services[key]
        self._tell()

    def follow(self) -> None:
        """Let the tasks follow the counts."""
        with self._lock:
            for service in self.services.values():
                self._follow(service)
        self._tell()

    def vanish(self) -> None:
        """Let the leaving tasks end."""
        with self._lock:
            for service in self.services.values():
                service.tasks = {i: t for i, t in service.tasks.items() if not t.leaving}
        self._tell()

    def recover(self) -> None:
        """Let every task run that did not: a node came back, or a dependency."""
        with self._lock:
            self.unplaceable = self.sick = ""
            for service in self.services.values():
                service.tasks = {
                    i: replace(t, status="running", health=Health.HEALTHY, trouble="")
                    for i, t in service.tasks.items()
                }
        self._tell()

    def edit(self, slot: int, key: ServiceKey = WEB, **fields: object) -> None:
        """Change fields of the task in a slot."""
        with self._lock:
            tasks = self.services[key].tasks
            task = next(i for i, t in tasks.items() if t.number == slot)
            tasks[task] = replace(tasks[task], **fields)  # type: ignore[arg-type]
        self._tell()

    def cut(self) -> None:
        """End every stream of changes."""
        with self._told:
            self._cut += 1
            self._told.notify_all()

    @property
    def listening(self) -> bool:
        """Whether somebody follows the changes."""
        return self._streams > 0

    def count(self, key: ServiceKey = WEB) -> int:
        """How many replicas a service is to have."""
        return self.services[key].kept.count

    def slots(self, key: ServiceKey = WEB) -> list[int]:
        """The slots of the tasks that are there and stay."""
        return sorted(t.number for t in self.services[key].tasks.values() if not t.leaving)

    def ask(self, check: Check) -> Readiness:
        """Answer for a task; each has a health check, so nobody should be asked."""
        return Readiness(ready=check.address in self.answering, detail=f"{check.address} was asked")

    # The protocol.

    def ping(self) -> None:
        self._enter("ping")

    def prepare(self, *, model: str) -> None:
        self._enter("prepare")

    def observe(self) -> Observation:
        self._enter("observe")
        with self._lock:
            services = tuple(
                Service(
                    key=key,
                    replicas=tuple(sorted(s.tasks.values(), key=lambda t: (t.number, t.leaving, t.id))),
                    files="its stack file",
                    kept=s.kept,
                    refusal=s.refusal,
                )
                for key, s in sorted(self.services.items())
            )
        return Observation(services=services, others=self.others)

    def changes(self) -> Iterator[Change]:
        self._enter("changes")
        with self._told:
            seen, cut = self._changes, self._cut
            self._streams += 1
        try:
            while True:
                with self._told:
                    self._told.wait_for(lambda: self._changes != seen or self._cut != cut, 60)  # noqa: B023
                    if self._cut != cut:
                        return
                    seen = self._changes
                yield Change(action="update", container="")
        finally:
            self._streams -= 1

    def set_count(self, kept: Kept, count: int) -> None:
        self._enter("set_count")
        with self._lock:
            found = next((s for s in self.services.values() if s.kept.id == kept.id), None)
            if found is None:
                raise TargetError(f"the engine refused to read service {kept.id}: not found")
            if found.kept.version != kept.version:
                raise TargetError(f"{found.key[1]} was changed", reason=ErrorReason.OVERTAKEN)
            self.calls.append(f"{found.key[1]} {count}")
            self._define(found.key, count=count)
        if self.loses_answers:
            raise TargetError("no answer from the engine", reason=ErrorReason.ENGINE_UNAVAILABLE)

    def trouble(self, kept: Kept) -> str:
        self._enter("trouble")
        return self.sick

    # How.

    def _enter(self, method: str) -> None:
        self.before(method)
        if self.down:
            raise TargetError(f"no answer from the engine to {method}", reason=ErrorReason.ENGINE_UNAVAILABLE)

    def _define(self, key: ServiceKey, **changes: object) -> None:
        with self._lock:
            service = self.services[key]
            version, at = next(self._number), self.wall()
            service.kept = replace(service.kept, version=version, changed_at=at, **changes)  # type: ignore[arg-type]
            if not self.hesitates:
                self._follow(service)
        self._tell()

    def _follow(self, service: Running) -> None:
        """Make the missing tasks in the lowest free slots; the tasks in the highest leave."""
        stay = sorted((t for t in service.tasks.values() if not t.leaving), key=lambda t: t.number)
        for task in stay[service.kept.count :]:
            if self.lingers and task.live:
                service.tasks[task.id] = replace(task, leaving=True)
            else:
                del service.tasks[task.id]
        taken = {t.number for t in stay}
        free = (slot for slot in itertools.count(1) if slot not in taken)
        for slot in itertools.islice(free, max(0, service.kept.count - len(stay))):
            made = self._task(service, slot)
            service.tasks[made.id] = made

    def _task(self, service: Running, slot: int) -> Replica:
        number = next(self._number)
        task = Replica(
            id=f"task-{number:04}",
            name=f"{service.key[1]}.{slot}",
            number=slot,
            status="created",
            health=Health.STARTING,
            # Swarm gives a task its addresses before it looks for a node.
            addresses={NETWORK: f"10.0.{number // 250}.{number % 250 + 2}"},
            version=service.definition,
            labels=service.kept.labels,
            trouble=self.unplaceable,
        )
        return (
            task
            if self.unplaceable or self.sick
            else replace(task, status="running", health=Health.HEALTHY, trouble="")
        )

    def _tell(self) -> None:
        with self._told:
            self._changes += 1
            self._told.notify_all()
        self.on_change()
