"""Every metric, on a registry that is passed in. Label values come from the closed lists of ``reasons``."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scaler.model.reasons import ReplicaState
from scaler.model.services import ServiceKey

_STEP_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 8, 13, 21, 34, 60, 120)
_SERVICE: Final = ("project", "service")

ACTING: Final = "alertscale_acting"
ACTING_HELP: Final = "1 for the scaler that acts, 0 for one that stands by (on Swarm)"


class Metrics:
    """The scaler's metrics; the texts are what ``/metrics`` shows as help."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.replicas = gauge("alertscale_replicas", "Replicas of a service, by state", (*_SERVICE, "state"))
        self.serving = gauge(
            "alertscale_replica_serving",
            "1 for a replica that may get requests, 0 for one that does not; name is its container's",
            (*_SERVICE, "name"),
        )
        self.minimum = gauge(
            "alertscale_replicas_min", "Lower bound; absent while the labels cannot be read", _SERVICE
        )
        self.maximum = gauge(
            "alertscale_replicas_max", "Upper bound; absent while the labels cannot be read", _SERVICE
        )
        self.scale = counter(
            "alertscale_scale", "Steps, by how they ended", (*_SERVICE, "direction", "outcome")
        )
        self.decisions = counter("alertscale_decisions", "Decisions, by reason", (*_SERVICE, "reason"))
        self.duration = histogram(
            "alertscale_scale_duration_seconds",
            "Time of each phase of a step",
            (*_SERVICE, "direction", "phase"),
            buckets=_STEP_BUCKETS,
        )
        self.signal_age = gauge(
            "alertscale_signal_age_seconds",
            "Seconds since the Watchdog alert was last heard of; +Inf if never",
        )
        self.reloads = counter("alertscale_reloads", "Changes of nginx's upstreams, by outcome", ("outcome",))
        self.webhooks = counter("alertscale_webhooks", "Answers to Alertmanager, by status code", ("code",))
        self.alerts = counter("alertscale_alerts", "Alerts received, by what became of them", ("result",))
        self.errors = counter("alertscale_errors", "Failures that were survived, by reason", ("reason",))
        self.versions = gauge(
            "alertscale_versions", "Versions that a service's replicas carry; several: a deploy", _SERVICE
        )
        self.faults = gauge(
            "alertscale_label_faults",
            "Faults of a service: labels that cannot be read, a name or an upstream that nginx does not take",
            _SERVICE,
        )
        self.engine_up = gauge("alertscale_engine_up", "1 while the Docker Engine answers, else 0")
        self.engine_calls = counter("alertscale_engine_calls", "Requests to the Docker Engine")
        self.acting = gauge(ACTING, ACTING_HELP)
        self.acting.set(1)
        self.journal_up = gauge("alertscale_journal_up", "1 while the journal can be written, else 0")
        self.tick = histogram(
            "alertscale_tick_seconds",
            "Time of one pass of the loop",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self._known: set[ServiceKey] = set()
        self._bounded: set[ServiceKey] = set()
        self._replicas: set[tuple[str, str, str]] = set()

    def forget_all_but(self, services: frozenset[ServiceKey]) -> None:
        """Drop the gauges of services that are no longer there, so that no alert fires for them."""
        for key in self._known - services:
            self.forget_bounds(key)
            self.faults.remove(*key)
            self.versions.remove(*key)
            for state in ReplicaState:
                self.replicas.remove(*key, state)
        self._known = set(services)

    def set_serving(self, serving: Mapping[tuple[str, str, str], bool]) -> None:
        """Show whether each replica, by project, service and name, may get requests, and no others."""
        for gone in self._replicas - serving.keys():
            self.serving.remove(*gone)
        for replica, gets in serving.items():
            self.serving.labels(*replica).set(gets)
        self._replicas = set(serving)

    def set_bounds(self, key: ServiceKey, *, minimum: int, maximum: int) -> None:
        """Show the bounds of a service."""
        self.minimum.labels(*key).set(minimum)
        self.maximum.labels(*key).set(maximum)
        self._bounded.add(key)

    def forget_bounds(self, key: ServiceKey) -> None:
        """Show none: nobody knows those of a service whose labels cannot be read."""
        if key in self._bounded:
            self._bounded.remove(key)
            self.minimum.remove(*key)
            self.maximum.remove(*key)
