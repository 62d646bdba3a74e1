"""Who gets the traffic: from what the loop knows of replicas to what nginx is told."""

import math
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from scaler.engines.contract import LeftOut, LeftOutKind
from scaler.model.errors import AlertscaleError, BalancerError
from scaler.model.reasons import ErrorReason, EventKind, ReloadOutcome
from scaler.model.services import Instance, ServiceKey
from scaler.model.view import View
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.contract import Balancer
from scaler.traffic.plan import Plan, is_unasked, plan

_RETRY: float = 2.0
_RETRY_AFTER: Mapping[ReloadOutcome | None, float] = {ReloadOutcome.STARTING: 0.1, ReloadOutcome.HELD: 1.0}
_RETRY_LEFT_OUT: float = 5.0
_RELOADED: Mapping[ReloadOutcome, str] = {
    ReloadOutcome.RELOADED: "nginx was reloaded with other upstreams",
    ReloadOutcome.WRITTEN: "nginx does not run; other upstreams are written for its next start",
}
_STUCK: float = 180.0
"""Seconds after which a change is told to hang; many broken sites and a slow reload take less."""
_PATIENCE: float = 3.0
"""Seconds for which a scaler that has just started waits for the first answer of each replica."""

_PASSING = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*|\d+#\d+|(?:generation|boot)-[\d-]+|/tmp/tmp\.\w+"
    r"|\b0x[0-9a-f]+|\b[0-9a-f]{12,64}\b|\b\d+\.\d+(?= ?m?s\b)"
)
"""What differs from one refusal to the next of the same: a clock, a pid, a folder, an id, a time taken."""

_HANGS = (
    f"nginx is being tested or reloaded for over {_STUCK:g} s; until that is over nothing else can change:"
    " docker compose exec -T nginx nginx -t shows how long a test takes; docker compose restart nginx ends"
    " one that hangs"
)
_BECAME = {
    "copy": "nginx goes on with it as it was accepted last",
    "503": "its visitors are answered 503",
    "out": "it is left out",
}
_HOST_GONE = (
    "; a host that may be away belongs into a variable, which nginx looks up when it is asked for:"
    " resolver 127.0.0.11; set $there http://HOST:PORT; proxy_pass $there;"
)


@dataclass(frozen=True, kw_only=True)
class _Handover:
    """What nginx is just being given.

    Attributes:
        plan: what it is to have.
        has: ids of the replicas that it then has.
        again: it was due to be tried again, whether anything changes or not.
        begun: seconds, monotonic.
        done: how it ends.
    """

    plan: Plan
    has: frozenset[str]
    again: bool
    begun: float
    done: Future[ReloadOutcome | None]


class Traffic:
    """Keeps nginx, and the view's ``serving``, equal to the ready replicas; used by the loop alone.

    nginx is tested and reloaded in a thread of its own, once at a time, which may take as long as DNS does.
    The loop goes on meanwhile, and what it wants by the end is what nginx is given next. Until it is known
    what became of a change, nginx may have whoever it had and whoever it was given: none of them is let go.

    Args:
        balancer: nginx.
        world: where ``serving`` is kept.
        recorder: told of each reload and each failure.
        metrics: reloads by outcome.
        own_project: whose services' upstreams carry no project in their names.
        executor: runs a change of nginx, one at a time.
        wake: called, from a thread of the executor, when one is over.
    """

    def __init__(
        self,
        *,
        balancer: Balancer,
        world: World,
        recorder: Recorder,
        metrics: Metrics,
        own_project: str,
        executor: Executor,
        wake: Callable[[], object],
    ) -> None:
        self._balancer = balancer
        self._world = world
        self._recorder = recorder
        self._metrics = metrics
        self._own_project = own_project
        self._executor = executor
        self._wake = wake
        self._under_way: _Handover | None = None
        self._has: frozenset[str] = frozenset()
        """Ids of the replicas that nginx has, as far as is known."""
        self._had: frozenset[str] = frozenset()
        """Ids of those that it has had; another one is new, and whoever made it waits for it to serve."""
        self._may_have: frozenset[str] = frozenset()
        """Ids of those that it was given without a known end."""
        self._held: frozenset[str] | None = None
        """Ids of those that nginx is to have as soon as it has fewer old workers."""
        self._relisted = False
        self._retry_at: float | None = None
        self._unanswered = 0
        self._again_at: float = math.inf
        self._asked_by: float | None = None
        self._told: frozenset[tuple[ErrorReason, ServiceKey, str]] = frozenset()
        self._lasting: set[str] = set()
        """What failed since nginx had what it should: told once, whatever came between."""
        self._known = False
        """Whether what nginx has is known: the scaler before this one may have put in anybody."""
        self.error = ""
        """Why nginx does not have what it should; empty when it does."""

    def next_due(self) -> float:
        """When to try again, seconds, monotonic; infinite when nothing is to be tried, or something is."""
        if self._under_way is not None:
            return math.inf
        return self._again_at if self._retry_at is None else self._retry_at

    def sync(self, view: View, now: float, *, relisted: bool) -> None:
        """Have nginx put right if anything may have changed; never waits for it.

        Args:
            view: the world.
            now: seconds, monotonic.
            relisted: the engine was listed anew, so nginx itself may be another than before.
        """
        self._relisted |= relisted
        view = self._take_over(view, now)
        wanted = plan(view, own_project=self._own_project, has=self._balancer, first=not self._known)
        ready = frozenset(r.id for s in view.observation.services for r in s.replicas if view.is_ready(r))
        if _is_unknown(view.observation.balancer):
            self._leave_alone()
        else:
            self._hand_over(view, wanted, (ready | wanted.last) & wanted.behind, now)
        view = self._take_over(view, now)
        self._show(view, wanted, ready)

    def _leave_alone(self) -> None:
        """Without nginx nobody is in it. What it is to begin with stays: it may be about to be made anew."""
        if self._under_way is not None:
            return
        self._known, self._has, self._may_have = True, frozenset(), frozenset()
        self._relisted, self._held = False, None
        self._retry_at, self._again_at, self.error = None, math.inf, ""
        self._lasting.clear()

    def _hand_over(self, view: View, wanted: Plan, has: frozenset[str], now: float) -> None:
        """Begin to give nginx its upstreams, unless that is under way already, too early, or needless."""
        waiting, again = self._retry_at is not None, now >= self._again_at
        # What is held is no reason for another change to wait: that may be urgent.
        changed = self._held is not None and (self._relisted or has != self._held)
        early = now < self.next_due() and not changed
        if self._under_way is not None or (waiting and early) or self._waits_for_answers(view, now):
            return
        if not (waiting or again or self._relisted) and has == self._has:
            return
        instance = view.observation.balancer
        running = instance.id if instance and instance.running else None
        done = self._executor.submit(
            self._balancer.sync, wanted.upstreams, instance=running, urgent=not has <= self._had
        )
        self._relisted, self._held = False, None
        self._known = self._known or running is None
        self._under_way = _Handover(plan=wanted, has=has, again=again, begun=now, done=done)
        done.add_done_callback(lambda _done: self._wake())

    def _take_over(self, view: View, now: float) -> View:
        """Take in how a change of nginx has ended, if it has; return the view with who serves then."""
        given = self._under_way
        if given is None:
            return view
        if not given.done.done():
            if now - given.begun > _STUCK:
                self._fault(ErrorReason.RELOAD_FAILED, _HANGS)
            return view
        self._under_way = None
        try:
            outcome = given.done.result()
        except AlertscaleError as error:
            self._failed(error, now)
            return self._not_taken(view, given)
        except Exception as error:  # noqa: BLE001 - our own fault, which must not let go of whom nginx may have
            self._failed(_bug(error), now, traceback=True)
            self._may_have |= given.has
            return view
        return self._ended(view, given, outcome, now)

    def _ended(self, view: View, given: _Handover, outcome: ReloadOutcome | None, now: float) -> View:
        self._unanswered = 0
        self._retry_at = now + _RETRY_AFTER[outcome] if outcome in _RETRY_AFTER else None
        if outcome is ReloadOutcome.STARTING:
            self.error = ""
        if outcome in _RETRY_AFTER:
            self._held = given.has if outcome is ReloadOutcome.HELD else None
            return self._not_taken(view, given)
        self._known, self._has, self._may_have = True, given.has, frozenset()
        self._lasting.clear()
        self._had = (self._had & given.plan.behind) | given.has
        self._take_in(given.plan, now, again=given.again)
        if outcome is not None:
            self._metrics.reloads.labels(outcome).inc()
            served = {u.name: [f"{a}:{p}" for a, p in u.servers] for u in given.plan.upstreams}
            text = _RELOADED.get(outcome, f"nginx: {outcome}")
            self._recorder.tell(EventKind.RELOAD, outcome, text, detail={"upstreams": served})
        return replace(view, serving=(view.serving - given.plan.behind) | given.has)

    def _not_taken(self, view: View, given: _Handover) -> View:
        self._may_have = frozenset() if self._balancer.settled else self._may_have | given.has
        return view

    def _show(self, view: View, wanted: Plan, ready: frozenset[str]) -> None:
        """Say who serves and who is let go, both at once; whoever nginx does not carry follows readiness."""
        serving = (self._has & wanted.behind) | (ready - wanted.behind)
        coming = self._under_way.has if self._under_way else frozenset()
        shown = self._world.view
        let_go = view.draining - coming - self._may_have if self._known else shown.let_go
        if (serving, let_go) != (shown.serving, shown.let_go):
            self._world.update(serving=serving, let_go=let_go)

    def _waits_for_answers(self, view: View, now: float) -> bool:
        """A scaler that has just started leaves nginx as it is until it knows who is ready."""
        if self._known or not is_unasked(view):
            return False
        self._asked_by = now + _PATIENCE if self._asked_by is None else self._asked_by
        return now < self._asked_by

    def _failed(self, error: AlertscaleError, now: float, *, traceback: bool = False) -> None:
        if isinstance(error, BalancerError):
            tested = error.reason is ErrorReason.CONFIG_TEST_FAILED
            outcome = ReloadOutcome.TEST_FAILED if tested else ReloadOutcome.RELOAD_FAILED
            self._metrics.reloads.labels(outcome).inc()
        self._unanswered = self._unanswered + 1 if error.reason is ErrorReason.ENGINE_UNAVAILABLE else 0
        # What asks nginx may hear of an engine that hung when that answers again: told the second time.
        self.error = str(error)
        if self._unanswered != 1:
            self._fault(error.reason, str(error))
        self._retry_at = now + _RETRY
        self._recorder.survived("balancer", error, traceback=traceback)

    def _fault(self, reason: ErrorReason, text: str) -> None:
        self.error = text
        if lasting(text) not in self._lasting:
            self._lasting.add(lasting(text))
            self._recorder.tell(EventKind.FAULT, reason, text)

    def _take_in(self, wanted: Plan, now: float, *, again: bool) -> None:
        """What nginx has not as it was asked for is told once, shown as long as it lasts, and tried again."""
        left_out = self._balancer.left_out
        owners = {name: key for key, name in wanted.names.items()}
        refused = {
            owners[x.name]: (sentence(x),)
            for x in left_out
            if x.kind is LeftOutKind.UPSTREAM and x.name in owners
        }
        unserved = {**wanted.faults, **refused}
        if unserved != self._world.view.unserved:
            self._world.update(unserved=unserved)
        missed = [sentence(x) for x in left_out if x.kind is not LeftOutKind.PLACEHOLDER]
        if again and missed:
            self._metrics.reloads.labels(ReloadOutcome.TEST_FAILED).inc()
        self.error = "; ".join(missed)
        if not left_out:
            self._again_at = math.inf
        elif again or math.isinf(self._again_at):
            self._again_at = now + _RETRY_LEFT_OUT
        others = {("", ""): tuple(sentence(x) for x in left_out if x.kind is not LeftOutKind.UPSTREAM)}
        self._tell({ErrorReason.LABELS: wanted.faults, ErrorReason.CONFIG_TEST_FAILED: refused | others})

    def _tell(self, faults: Mapping[ErrorReason, Mapping[ServiceKey, tuple[str, ...]]]) -> None:
        found = [(reason, key, s) for reason, by in faults.items() for key, said in by.items() for s in said]
        told = {(reason, key, lasting(text)): text for reason, key, text in found}
        for reason, key, same in sorted(told.keys() - self._told):
            self._recorder.tell(EventKind.FAULT, reason, told[reason, key, same], service=key)
        self._told = frozenset(told)


def lasting(text: str) -> str:
    """What stays of a message for as long as what it tells of lasts: without clocks and ids."""
    return _PASSING.sub("…", text)


def _bug(error: Exception) -> BalancerError:
    failed = BalancerError(
        f"nginx could not be given its upstreams, by a fault of the scaler: {error!r}; tried again",
        reason=ErrorReason.INTERNAL,
    )
    failed.__cause__ = error
    return failed


def _is_unknown(balancer: Instance | None) -> bool:
    """Whether it is not known what nginx could reach: then a plan for it would be one without anybody."""
    return balancer is None or not (balancer.running or balancer.networks)


def sentence(left_out: LeftOut) -> str:
    """Say what nginx does not have as it was asked for, and the way out."""
    if left_out.kind is LeftOutKind.UPSTREAM:
        return f"nginx does without the upstream {left_out.name}: {left_out.why}"
    if left_out.kind is LeftOutKind.PLACEHOLDER:
        return f"no service is called {left_out.name}; who asks for it is answered 503: {left_out.why}"
    way_out = _HOST_GONE if left_out.why.startswith("host not found") else ""
    return f"nginx refuses the site {left_out.name}; {_BECAME[left_out.became]}: {left_out.why}{way_out}"
