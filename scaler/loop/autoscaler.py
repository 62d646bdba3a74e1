"""The loop: observe, put nginx right, decide, act. Read :meth:`Autoscaler.run_once` from top to bottom.

Three things wait for one another, and none calls another; they meet in ``state.world.World``, the one view
of all that is known, which is replaced as a whole and wakes whoever waits for it::

      the loop (one thread)                  a step (a thread each)                  nginx (a thread)
      ---------------------                  ----------------------                  ----------------
      decides, begins the step ------------> create, start
                                             phase READY: wakes the loop, waits
      asks the new replica, ready            until it is in view.serving
      hands over upstreams with it ------------------------------------------------> test, swap, reload
      (goes on meanwhile)                                                            the generation is served:
      view.serving has it <--------------------------------------------------------- wakes the loop
                          -----------------> done, wakes the loop

      decides, begins the step ------------> phase DRAIN: view.draining has it,
                                             wakes the loop, waits until it is
      hands over upstreams without it        in view.let_go and not in
      ----------------------------------     view.serving -------------------------> test, swap, reload
      view.serving has it no more <------------------------------------------------- wakes the loop
                          -----------------> waits for the old workers <------------ they finish, and end
                                             stop, remove, wakes the loop, waits
      lists the engine: it is gone --------> done, draining no more

A step never writes to nginx, and the loop waits neither for a replica nor for nginx: a slow one holds up no
other service. nginx is given one thing at a time; what is wanted when that is over comes next.
A killed scaler finds the phase that it had begun in the journal, and its next start goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from scaler.loop.alerts import Alerts
from scaler.loop.knowledge import Knowledge, Known
from scaler.loop.rhythm import Rhythm
from scaler.loop.watch import Watch
from scaler.model.errors import JournalError, TargetError
from scaler.model.reasons import DecisionReason, EventKind, ReplicaState
from scaler.model.view import View
from scaler.policy.scaling import Decision, decide, is_for_memory, rests_on_alerts
from scaler.state.journal import Journal
from scaler.state.recorder import Recorder
from scaler.steps.runner import Runner
from scaler.traffic.upstreams import Traffic


@dataclass(kw_only=True, eq=False)
class Autoscaler:
    """Replicas that follow the load.

    Args:
        watch: observes the engine and the replicas.
        alerts: what fires.
        knowledge: all that is known of each service.
        traffic: keeps nginx right.
        runner: begins steps.
        journal: steps that were begun, and what people asked for.
        recorder: told of everything.
        rhythm: when passes are made.
    """

    watch: Watch
    alerts: Alerts
    knowledge: Knowledge
    traffic: Traffic
    runner: Runner
    journal: Journal
    recorder: Recorder
    rhythm: Rhythm
    _claimed: bool = field(default=False, init=False)

    @property
    def idle(self) -> bool:
        """Whether no step is under way; for any thread."""
        return not self.runner.busy

    def run(self) -> None:
        """Make passes until the scaler ends."""
        self.watch.start()
        while not self.rhythm.stopping.is_set():
            begun, well = self.rhythm.begin(), True
            wait = self.rhythm.tick
            try:
                wait = self.run_once()
            except Exception as error:  # noqa: BLE001 - the loop outlives its own faults: they are logged and counted
                # That the engine is away has a sign of its own, and no new process would find it.
                well = isinstance(error, TargetError)
                self.recorder.survived("pass", error)
            self.recorder.passed(self.rhythm.end(begun, well=well))
            self.rhythm.wait(wait)

    def run_once(self) -> float:
        """Make one pass; return the seconds until the next one is due.

        Raises:
            TargetError: the engine did not answer.
        """
        now = self.rhythm.now()
        self._by_the_journal(self._claim)
        listed = self.watch.list_if_due(now)
        if listed:
            self.runner.prepare(self.knowledge.view)
        self._by_the_journal(lambda: self._resume(now, listed=listed))
        view = self.watch.ask_replicas(now)
        self.traffic.sync(view, now, relisted=listed)
        if self.rhythm.decides(now):
            self._decide_all(now)
        return self.rhythm.until_next(now, min(self.traffic.next_due(), self.watch.next_due(now)))

    def _by_the_journal(self, act: Callable[[], None]) -> None:
        """Nginx is kept right, whatever the journal can be used for."""
        try:
            act()
        except JournalError as error:
            self.recorder.survived("steps", error)

    def _claim(self) -> None:
        """Once, before nginx is put right: who was leaving when an earlier process ended is leaving still."""
        if not self._claimed:
            self.runner.claim()
            self._claimed = True

    def _resume(self, now: float, *, listed: bool) -> None:
        """What the journal holds as begun goes on before anything new is decided."""
        healed = self.recorder.heal(now=now)
        if healed or (listed and not self.journal.error):
            self.runner.resume(now=now, at_once=healed)

    def _decide_all(self, now: float) -> None:
        self.alerts.expire(now=now)
        self.recorder.watchdog(self.alerts.watchdog_age(now=now))
        view = self.knowledge.view
        self.recorder.gauges(view)
        self._by_the_journal(lambda: self._end_orders(view, now))
        self.knowledge.forget_all_but({s.key for s in view.observation.services} | view.gone.keys())
        for key, gone in view.gone.items():
            self.recorder.decision(key, self.knowledge.gone(key, gone, now=now))
        for service in view.observation.services:
            limits = view.limits.get(service.key)
            if limits is None:
                continue
            try:
                known = self._order_over(self.knowledge.of(service, limits, view=view, now=now))
                self._act(known, self._decide(known, now))
            except Exception as error:  # noqa: BLE001 - of one service: the others go on
                self.recorder.survived(f"service {service.key[1]}", error)

    def _end_orders(self, view: View, now: float) -> None:
        for key, count in self.knowledge.end_orders(view.observation.services, now=now).items():
            text = f"The order for {count} is over: the service that it was for is gone"
            self.recorder.tell(EventKind.MANUAL, "scale", text, service=key)

    def _order_over(self, known: Known) -> Known:
        """An order that has been carried out is over."""
        state, key, wanted = known.state, known.service.key, known.state.hold.wanted
        if wanted is None or state.stepping or known.limits.clamp(wanted) != state.replicas:
            return known
        self.journal.clear_wanted(key, wanted)
        return replace(known, state=replace(state, hold=replace(state.hold, wanted=None)))

    def _decide(self, known: Known, now: float) -> Decision:
        demand = known.demand
        decision = decide(state=known.state, demand=demand, limits=known.limits, now=now)
        held = known.state.stepping and self.alerts.as_asked_last(known.service.key, now=now).ended
        # What is held against a step under way may fire anew, and takes it back then.
        if held or rests_on_alerts(decision, demand, known.limits):
            demand = self.alerts.confirmed(known.service.key, now=now)
            decision = decide(state=known.state, demand=demand, limits=known.limits, now=now)
        if is_for_memory(decision):
            known = self.knowledge.relieved(known, now=now)
            decision = decide(state=known.state, demand=demand, limits=known.limits, now=now)
        decision = self.knowledge.decided(known, decision, demand)
        self.recorder.decision(known.service.key, decision)
        return decision

    def _act(self, known: Known, decision: Decision) -> None:
        # A step that was cut short by the end of the scaler must not be followed by another.
        if decision.reason is DecisionReason.LAST_READY:
            self.knowledge.retired(known)
        if decision.direction is None or self.rhythm.stopping.is_set():
            self._clear_away(known)
            return
        self.runner.act(known.service, known.counted, decision, known.limits, retiring=known.retiring)
        if decision.reason is DecisionReason.RETIRE:
            self.knowledge.retired(known)

    def _clear_away(self, known: Known) -> None:
        for replica in known.dead:
            self.runner.clear_away(replica)
            self.watch.list_soon()
            self.recorder.tell(
                EventKind.REPLICA,
                ReplicaState.FAILED,
                f"{replica.name} had exited and is removed",
                service=known.service.key,
            )
