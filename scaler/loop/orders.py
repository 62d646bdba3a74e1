"""What others ask of the loop: alerts, and orders of people. None of these waits for the engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from scaler.loop.alerts import Alerts
from scaler.loop.knowledge import Knowledge
from scaler.loop.rhythm import Rhythm
from scaler.loop.views import ServiceView
from scaler.loop.watch import Watch
from scaler.model.errors import LabelError, RequestError, UnavailableError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason, EventKind, Pause
from scaler.model.services import Replica, Service
from scaler.policy.signals import Alert, KnownServices, Verdict
from scaler.state.journal import Journal
from scaler.state.recorder import Recorder

_SHORT_ID = 12
_PAUSES: Final[Mapping[Pause, str]] = {
    Pause.NONE: "lets all steps go",
    Pause.UP: "holds steps up",
    Pause.DOWN: "holds steps down",
    Pause.ALL: "holds all steps",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Orders:
    """Takes orders, for the loop to carry out; safe for several threads.

    Args:
        alerts: kept for the loop.
        knowledge: of the services.
        journal: keeps what people ask for.
        recorder: told of all of it.
        watch: tells whether the engine has been listed.
        rhythm: the loop's, so that it decides at once.
        own_project: our own Compose project, which is meant where a name fits several.
    """

    alerts: Alerts
    knowledge: Knowledge
    journal: Journal
    recorder: Recorder
    watch: Watch
    rhythm: Rhythm
    own_project: str

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        """Take in a notification.

        Returns:
            What becomes of each alert, in the order given.

        Raises:
            UnavailableError: the scaler has not seen the engine yet and cannot tell a service from none.
        """
        if not self.watch.listed:
            raise UnavailableError("the scaler has not listed the engine's services yet; try again")
        view = self.knowledge.view
        known = KnownServices(
            managed=frozenset(view.limits),
            faulty=frozenset(view.faults),
            others=view.observation.others,
            own_project=self.own_project,
        )
        judged = self.alerts.take_in(alerts, known=known, now=self.rhythm.now())
        self.recorder.alerts(judged)
        self.rhythm.decide_soon()
        return tuple(verdict for verdict, _ in judged)

    def scale(self, name: str, replicas: int) -> ServiceView:
        """Order a count by hand; the loop goes there step by step.

        Args:
            name: ``service`` or ``project/service``.
            replicas: the count, within the service's bounds.

        Raises:
            RequestError: no such service, unreadable labels, or a count out of bounds.
        """
        service, limits = self._find(name)
        if not limits.minimum <= replicas <= limits.maximum:
            raise RequestError(
                f"replicas: {replicas} is not within alertscale.min {limits.minimum}"
                f" and alertscale.max {limits.maximum} of {service.key[1]}; change the label to go beyond",
                reason=ErrorReason.OUT_OF_BOUNDS,
            )
        self.journal.set_wanted(service.key, replicas)
        count = f"{replicas} {'replica' if replicas == 1 else 'replicas'}"
        return self._taken(service, f"A person asked for {count}", "scale")

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        """Take away certain replicas, all at once, as a step down takes one: for a deploy.

        Not kept over a restart of the scaler, other than the steps that have begun: whoever deploys asks
        again.

        Args:
            name: ``service`` or ``project/service``.
            replicas: their ids, or the beginnings of these, or their names.

        Raises:
            RequestError: no such service or replica, unreadable labels, or no other replica is ready.
        """
        service, _ = self._find(name)
        if service.kept is not None:
            raise RequestError(
                f"which replicas of {service.key[1]} leave is chosen by Swarm; change its count instead:"
                " alertscale scale, or docker service scale"
            )
        found = _named(service, replicas)
        if not self.knowledge.retire(service, frozenset(r.id for r in found)):
            raise RequestError(
                f"no other replica of {service.key[1]} is ready; wait until one is, or name fewer",
                reason=ErrorReason.OUT_OF_BOUNDS,
            )
        return self._taken(
            service, f"A deploy asked to take away {', '.join(r.name for r in found)}", "retire"
        )

    def pause(self, name: str, pause: Pause) -> ServiceView:
        """Hold steps by hand, or let them go.

        Args:
            name: ``service`` or ``project/service``.
            pause: which steps.

        Raises:
            RequestError: no such service, or unreadable labels.
        """
        service, _ = self._find(name)
        self.journal.set_pause(service.key, pause)
        return self._taken(service, f"A person {_PAUSES[pause]}", "pause")

    def _taken(self, ordered: Service, text: str, reason: str) -> ServiceView:
        self.recorder.tell(EventKind.MANUAL, reason, text, service=ordered.key)
        self.rhythm.decide_soon()
        view = self.knowledge.view
        service = view.service(ordered.key)
        if service is None:
            raise RequestError(f"{ordered.key[1]} is not there any more", reason=ErrorReason.NOT_FOUND)
        return self.knowledge.shown(service, view=view)

    def _find(self, name: str) -> tuple[Service, Limits]:
        project, _, wanted = name.rpartition("/")
        view = self.knowledge.view
        services = view.observation.services
        matches = [s for s in services if s.key[1] == wanted and project in {"", s.key[0]}]
        own = [s for s in matches if s.key[0] == self.own_project]
        if len(matches) > 1 and own:
            matches = own
        if len(matches) != 1:
            what = "several services are" if matches else "no service is"
            known = ", ".join("/".join(s.key) for s in services) or "none"
            raise RequestError(f"{what} called {name!r}; known: {known}", reason=ErrorReason.NOT_FOUND)
        (service,) = matches
        if service.key not in view.limits:
            raise LabelError(view.faults.get(service.key, ()))
        return service, view.limits[service.key]


def _named(service: Service, wanted: tuple[str, ...]) -> tuple[Replica, ...]:
    """Find replicas by id, by the beginning of an id as ``docker ps`` shows it, or by name."""
    found: dict[str, Replica] = {}
    for name in wanted:
        match = [
            r
            for r in service.replicas
            if r.name == name or (len(name) >= _SHORT_ID and r.id.startswith(name))
        ]
        if not match:
            names = ", ".join(r.name for r in service.replicas)
            raise RequestError(
                f"no replica of {service.key[1]} is called {name!r}; known: {names}",
                reason=ErrorReason.NOT_FOUND,
            )
        found |= {r.id: r for r in match}
    return tuple(found.values())
