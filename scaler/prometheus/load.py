"""How busy each service is now, against its thresholds: asked for all at once, and never shown when old."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from scaler.model.errors import AlertscaleError, UnavailableError
from scaler.model.reasons import Direction
from scaler.model.services import ServiceKey
from scaler.prometheus.cached import Shared
from scaler.prometheus.client import Source
from scaler.prometheus.thresholds import Threshold, read_thresholds

MEASURED: Final[Mapping[str, str]] = {
    "cpu": "service:cpu_utilization:ratio",
    "memory": "service:memory_utilization:ratio",
}
"""The series of a service's share of its limit, by resource; a rule of that resource may compare another."""

_OF_REPLICAS: Final[Mapping[str, str]] = {
    "cpu": "replica:cpu_utilization:ratio",
    "memory": "replica:memory_utilization:ratio",
}
_SERIES: Final = "alertscale_series"
_FRESH: Final = 2.0
_RECENT: Final = 6.0
_PATIENCE: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Use:
    """How much of a resource a service uses.

    Attributes:
        resource: of which.
        value: in the unit of its series, of a ``ratio`` a share; None if nothing measures it.
        ratio: it is a share of a limit.
        thresholds: of the alerts that scale on it, as far as they compare this series with a number.
    """

    resource: str
    value: float | None
    ratio: bool
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, kw_only=True)
class Load:
    """How busy one service is.

    Attributes:
        at: when that was, seconds since the epoch; None without figures.
        uses: one for each resource that it scales on.
        replicas: share of the limit, by the container's name and by ``cpu`` and ``memory``.
        error: why there are no figures; empty if there are.
    """

    at: float | None
    uses: tuple[Use, ...]
    replicas: Mapping[str, Mapping[str, float]]
    error: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How busy all services are, as :class:`Load` says of one.

    Attributes:
        values: by series, and by project and service as far as the series has them.
        replicas: by service, then as in :class:`Load`.
        thresholds: of all alerts that scale.
    """

    at: float | None = None
    values: Mapping[tuple[str, ServiceKey], float] = field(default_factory=dict)
    replicas: Mapping[ServiceKey, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    thresholds: tuple[Threshold, ...] = ()
    error: str = ""

    def of(self, service: ServiceKey, resources: tuple[str, ...]) -> Load:
        """Return what is known of one service.

        Args:
            service: which.
            resources: that it scales on.
        """
        return Load(
            at=self.at,
            uses=tuple(self._use(service, resource) for resource in resources),
            replicas=self.replicas.get(service, {}),
            error=self.error,
        )

    def _use(self, service: ServiceKey, resource: str) -> Use:
        about = [t for t in self.thresholds if t.resource == resource and t.is_about(service)]
        # What asks for more is what people look at; what asks for less compares the same, as a rule.
        about.sort(key=lambda t: t.direction is Direction.DOWN)
        series = next((t.comparison.series for t in about if t.comparison), MEASURED.get(resource, ""))
        return Use(
            resource=resource,
            value=self._value(series, service),
            ratio=series.partition("{")[0].endswith("ratio"),
            thresholds=tuple(t for t in about if t.comparison and t.comparison.series == series),
        )

    def _value(self, series: str, service: ServiceKey) -> float | None:
        # A series of one service's own need not name it: its alert does.
        of = (service, ("", service[1]), ("", ""))
        return next((self.values[series, key] for key in of if (series, key) in self.values), None)


class Loads:
    """Asks Prometheus how busy the services are, once in ``_FRESH`` seconds for all that want to know.

    Args:
        source: Prometheus.
        executor: where it is asked.
        wall: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    def __init__(
        self,
        *,
        source: Source,
        executor: Executor,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._source = source
        self._wall = wall
        self._measured: Shared[Measured] = Shared(
            executor=executor, fresh=_FRESH, patience=_PATIENCE, monotonic=monotonic
        )

    def now(self, *, wait: bool) -> Measured:
        """Return what was measured within the last seconds; without figures it says why.

        Args:
            wait: for Prometheus, unless it has said lately how busy they are, or failed to.
        """
        try:
            found = self._measured.recent("now", self._ask, within=_RECENT, wait=wait)
        except AlertscaleError as error:
            return Measured(error=str(error))
        return found or Measured(error="Prometheus is being asked")

    def _ask(self) -> Measured:
        thresholds = read_thresholds(self._source.read("/api/v1/rules", {"type": "alert"}))
        data = self._source.read("/api/v1/query", {"query": query(thresholds), "timeout": "2s"})
        values: dict[tuple[str, ServiceKey], float] = {}
        replicas: dict[ServiceKey, dict[str, dict[str, float]]] = {}
        for series, labels, value in _samples(data):
            service = (labels.get("project", ""), labels.get("service", ""))
            if "name" in labels:
                replicas.setdefault(service, {}).setdefault(labels["name"], {})[series] = value
            else:
                values[series, service] = value
        return Measured(at=self._wall(), values=values, replicas=replicas, thresholds=thresholds)


def query(thresholds: tuple[Threshold, ...]) -> str:
    """Return the one expression that asks for every figure.

    Args:
        thresholds: whose series are asked for beside those of CPU and memory.
    """
    compared = (t.comparison.series for t in thresholds if t.comparison)
    series = dict.fromkeys((*MEASURED.values(), *compared))
    parts = [f"label_replace(max by (project, service) ({one}), {_marked(one)})" for one in series]
    parts += [
        f"label_replace(max by (project, service, name) ({one}), {_marked(resource)})"
        for resource, one in _OF_REPLICAS.items()
    ]
    return " or ".join(parts)


def _marked(series: str) -> str:
    """The arguments by which a part of the answer is known again; a ``$`` would stand for something there."""
    return f'"{_SERIES}", {json.dumps(series.replace("$", "$$"))}, "", ""'


def _samples(data: object) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Go through an answer: series, labels and value; what is no finite number is passed over.

    Raises:
        UnavailableError: it is not of the form of Prometheus' API.
    """
    try:
        for sample in data["result"]:  # type: ignore[index]
            labels, value = sample["metric"], float(sample["value"][1])
            if math.isfinite(value):
                yield labels[_SERIES], labels, value
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnavailableError(f"Prometheus answers with what its API does not say: {error!r}") from error
