"""From alerts to signals: sort them, hold them while they fire. No I/O, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scaler.model.reasons import AlertResult, Direction, IgnoredReason
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Demand
from scaler.policy.watchdog import WATCHDOG, Watchdog

_ACTED_ON: Final = ("scale", "resource", "service", "project")
"""Labels by which a step is taken."""

_SHOWN: Final = 200
"""Characters of foreign text that a sentence repeats."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert of a notification.

    Attributes:
        firing: by its own status; the group's may differ.
        labels: as sent.
        annotations: as sent.
        starts_at: RFC 3339, as sent; empty if it was not.
        generator_url: where Prometheus shows the rule, and so which Prometheus it was; empty if not sent.
    """

    firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: str = ""
    generator_url: str = ""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "")

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What makes an alert the same one when it is sent again, by whichever Alertmanager."""
        return tuple(sorted(self.labels.items()))


@dataclass(frozen=True, kw_only=True)
class AtSource:
    """What the source of alerts says of them; by default that it knows of none.

    Attributes:
        address: with which the generator URLs of its alerts begin; empty where that is not known.
        rules: names of the alerts that it has a rule for.
        firing: labels of those that fire there now.
    """

    address: str = ""
    rules: frozenset[str] = frozenset()
    firing: tuple[Mapping[str, str], ...] = ()

    def denies(self, alert: Alert) -> bool:
        """Whether an alert came from here, and fires here no more.

        One that was changed on its way to Alertmanager is the same one: a label that only one of the two has,
        or that no step is taken by, makes no difference.
        """
        if not self.address or alert.generator_url.partition("/graph?")[0] != self.address:
            return False
        return alert.name in self.rules and not any(_is_same(alert.labels, here) for here in self.firing)


Moment = tuple[tuple[tuple[str, str], ...], float]
"""Which alert fires, and when it was first heard of."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """An alert that fires now and asks for a step of one service.

    Attributes:
        alert: the alert, as last heard of.
        service: whom it concerns.
        direction: what it asks for.
        resource: of which resource.
        first_heard: seconds, on the caller's clock.
        last_heard: seconds, on the caller's clock.
    """

    alert: Alert
    service: ServiceKey
    direction: Direction
    resource: str
    first_heard: float
    last_heard: float

    @property
    def moment(self) -> Moment:
        """Which firing of which alert it is."""
        return self.alert.key, self.first_heard


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of one alert.

    Attributes:
        alert: the alert.
        service: whom it concerns; None for a notification or an ignored one.
        direction: the step it asks for; None for a notification or an ignored one.
        resource: of which resource.
        ignored: why it is not acted on; None if it is, or if it is a notification.
        detail: a sentence for a person when it is ignored.
    """

    alert: Alert
    service: ServiceKey | None = None
    direction: Direction | None = None
    resource: str = ""
    ignored: IgnoredReason | None = None
    detail: str = ""

    @property
    def result(self) -> AlertResult:
        """The word for the answer."""
        return AlertResult.ACCEPTED if self.ignored is None else AlertResult.IGNORED


@dataclass(frozen=True, kw_only=True)
class KnownServices:
    """What an alert's ``service`` label is held against.

    Attributes:
        managed: services that can be scaled.
        faulty: services whose labels cannot be read.
        others: every other service seen on the engine.
        own_project: the project that is meant when an alert names none and several would match.
    """

    managed: frozenset[ServiceKey]
    faulty: frozenset[ServiceKey] = frozenset()
    others: frozenset[ServiceKey] = frozenset()
    own_project: str = ""


def judge(alert: Alert, *, known: KnownServices) -> Verdict:
    """Sort one alert: a notification, a signal for a service, or one to ignore and why."""
    if "scale" not in alert.labels:
        return Verdict(alert=alert)
    if alert.labels["scale"] not in set(Direction):
        return _ignored(
            alert,
            IgnoredReason.BAD_SCALE,
            f"scale: {alert.labels['scale'][:_SHOWN]!r} is neither up nor down",
        )
    name, project = alert.labels.get("service", ""), alert.labels.get("project", "")
    if not name:
        return _ignored(alert, IgnoredReason.NO_SERVICE, "it has no label service")
    resource = alert.labels.get("resource", "")
    if not resource:
        return _ignored(alert, IgnoredReason.NO_RESOURCE, "it has no label resource")
    return _address(alert, name, project, resource, known)


def _is_same(sent: Mapping[str, str], listed: Mapping[str, str]) -> bool:
    if sent.get("alertname") != listed.get("alertname"):
        return False
    return all(sent[name] == listed[name] for name in _ACTED_ON if name in sent and name in listed)


def _ignored(alert: Alert, reason: IgnoredReason, detail: str) -> Verdict:
    return Verdict(alert=alert, ignored=reason, detail=detail)


def _address(alert: Alert, name: str, project: str, resource: str, known: KnownServices) -> Verdict:
    shown = f"{project}/{name}"[:_SHOWN] if project else name[:_SHOWN]
    matches = _matching(known.managed, name, project)
    if len(matches) > 1:
        own = [key for key in matches if key[0] == known.own_project]
        if not own:
            return _ignored(
                alert,
                IgnoredReason.AMBIGUOUS_SERVICE,
                f"several projects have a service {shown!r}; give the alert a label project",
            )
        matches = own
    if matches:
        return Verdict(
            alert=alert,
            service=matches[0],
            direction=Direction(alert.labels["scale"]),
            resource=resource,
        )
    if _matching(known.faulty, name, project):
        return _ignored(alert, IgnoredReason.LABEL_FAULT, f"the labels of {shown!r} cannot be read")
    if _matching(known.others, name, project):
        return _ignored(
            alert,
            IgnoredReason.NOT_ENABLED,
            f'{shown!r} does not carry the label alertscale.enable: "true"',
        )
    return _ignored(alert, IgnoredReason.UNKNOWN_SERVICE, f"there is no service {shown!r} on this engine")


def _matching(keys: Iterable[ServiceKey], name: str, project: str) -> list[ServiceKey]:
    return sorted(key for key in keys if key[1] == name and project in {"", key[0]})


class SignalBook:
    """The alerts that fire now: a level that notifications refresh, not a queue of pulses.

    Not safe for threads; whoever holds it guards it. Times are seconds on one clock of the caller's.
    """

    def __init__(self, *, ttl: float) -> None:
        self._ttl = ttl
        self._signals: dict[tuple[tuple[str, str], ...], Signal] = {}
        self.watchdog = Watchdog(ttl=ttl)
        """Whether alerts arrive at all."""

    def note(self, verdict: Verdict, *, now: float) -> bool:
        """Take note of one alert.

        Returns:
            Whether that changed what fires: a repetition does not.
        """
        alert = verdict.alert
        if alert.name == WATCHDOG and alert.firing:
            self.watchdog.heard(now=now)
        if verdict.service is None or verdict.direction is None:
            return False
        if not alert.firing:
            return self._signals.pop(alert.key, None) is not None
        known = self._signals.get(alert.key)
        self._signals[alert.key] = Signal(
            alert=alert,
            service=verdict.service,
            direction=verdict.direction,
            resource=verdict.resource,
            first_heard=known.first_heard if known else now,
            last_heard=now,
        )
        return known is None

    def expire(self, *, now: float) -> tuple[Signal, ...]:
        """Forget what has not been heard of for longer than the time to live; return it."""
        gone = tuple(s for s in self._signals.values() if now - s.last_heard > self._ttl)
        for signal in gone:
            del self._signals[signal.alert.key]
        return gone

    def firing(self, service: ServiceKey) -> tuple[Signal, ...]:
        """The signals of one service, oldest first."""
        mine = (s for s in self._signals.values() if s.service == service)
        return tuple(sorted(mine, key=lambda s: (s.first_heard, s.alert.key)))

    @property
    def names(self) -> frozenset[str]:
        """Of the alerts that fire for any service."""
        return frozenset(s.alert.name for s in self._signals.values())

    @property
    def moments(self) -> frozenset[Moment]:
        """Which alerts fire, and since when: one that ends and fires again is another one."""
        return frozenset(s.moment for s in self._signals.values())

    def demand(
        self,
        service: ServiceKey,
        *,
        now: float,
        source: AtSource | None = None,
        asked_of: frozenset[Moment] | None = None,
    ) -> Demand:
        """What the signals of one service ask for, but those that their source, if asked, denies.

        Args:
            service: whose.
            now: seconds.
            source: its answer.
            asked_of: what :attr:`moments` was then, since it says nothing of what is new; None for now.
        """
        heard = self.firing(service)
        denied = [s for s in heard if source is not None and source.denies(s.alert)]
        ended = [s for s in denied if asked_of is None or s.moment in asked_of]
        mine = [s for s in heard if s not in ended]
        return Demand(
            up=frozenset(s.resource for s in mine if s.direction is Direction.UP),
            down=frozenset(s.resource for s in mine if s.direction is Direction.DOWN),
            watched=self.watchdog.lives(now=now),
            ended=frozenset(s.resource for s in ended),
        )
