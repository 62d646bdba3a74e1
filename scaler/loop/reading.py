"""What is read of the scaler by the API and the status page."""

from dataclasses import dataclass

from scaler.loop.alerts import Alerts
from scaler.loop.knowledge import Knowledge
from scaler.loop.rhythm import Rhythm
from scaler.loop.views import Health, ServiceView
from scaler.loop.watch import Watch
from scaler.model.records import Event, EventQuery
from scaler.model.services import Service
from scaler.state.journal import Journal
from scaler.traffic.upstreams import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Answers from what is known, without asking the engine; safe for several threads.

    Args:
        knowledge: of the services.
        journal: the history.
        alerts: what fires.
        watch: whether the engine answers.
        traffic: whether nginx has what it should.
        rhythm: whether the loop makes its passes.
    """

    knowledge: Knowledge
    journal: Journal
    alerts: Alerts
    watch: Watch
    traffic: Traffic
    rhythm: Rhythm

    def services(self) -> tuple[ServiceView, ...]:
        """Everything that asks to be scaled, as it stands, and what did lately and is gone; by their keys."""
        view = self.knowledge.view
        gone = [Service(key=key, replicas=()) for key in view.gone]
        services = sorted([*view.observation.services, *gone], key=lambda s: s.key)
        return tuple(self.knowledge.shown(service, view=view) for service in services)

    def events(self, query: EventQuery) -> tuple[Event, ...]:
        """The history, newest first."""
        return self.journal.events(query)

    def health(self) -> Health:
        """Whether the loop runs, the engine answers and alerts arrive."""
        return Health(
            passes_age=self.rhythm.passed_ago(),
            engine=self.watch.engine_up,
            watchdog_age=self.alerts.watchdog_age(now=self.rhythm.now()),
            balancer_error=self.traffic.error,
            journal_error=self.journal.error,
        )
