"""The way of an alert, station by station, each with its last proof of life."""

import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

from scaler.loop.views import Health
from scaler.model.errors import AlertscaleError, UnavailableError
from scaler.model.reasons import Light
from scaler.prometheus.cached import Shared
from scaler.prometheus.client import Source

_FRESH: Final = 2.0
_PATIENCE: Final = 3.0
_PROBES: Final[Mapping[str, str]] = {
    "exporter": 'up{job="exporter"}',
    "alertmanager": 'up{job="alertmanager"}',
    "nginx": "nginx_up",
}
# Of a bare series alone timestamp() tells when it was scraped; of anything else, when it was asked.
QUERY: Final = " or ".join(
    f'label_replace(max(timestamp({series}) and ({series} == 1)), "station", "{name}", "", "")'
    for name, series in _PROBES.items()
)
"""The one expression that asks for every station that Prometheus sees."""

_NGINX: Final[Mapping[Light, str]] = {
    Light.OK: "serves",
    Light.DOWN: "its exporter cannot reach it",
    Light.UNKNOWN: "has its replicas; whether it serves only Prometheus knows",
}
_RECENT: Final = 10.0
"""Seconds; each is scraped every five seconds or more often."""
_STALLED: Final = 10.0
"""Seconds without a pass of the loop after which its lamp goes out.

A slow engine may hold a pass up, so the scaler counts as dead only later (``STALLED_AFTER`` of scaler/web).
"""


@dataclass(frozen=True, kw_only=True)
class Station:
    """One station.

    Attributes:
        name: for a person.
        light: how it does.
        proof: when it last proved to live, seconds since the epoch; None if it never did.
        text: what the proof is, or what is wrong.
    """

    name: str
    light: Light
    proof: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What Prometheus saw.

    Attributes:
        at: when it said so, seconds since the epoch.
        proofs: last scrape that succeeded, by station, seconds since the epoch.
    """

    at: float
    proofs: Mapping[str, float]


class Pipeline:
    """Tells how each station does.

    Args:
        source: Prometheus.
        health: the scaler's own figures.
        executor: where Prometheus is asked.
        signal_ttl: seconds without the Watchdog after which alerts count as not arriving.
        wall: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    def __init__(
        self,
        *,
        source: Source,
        health: Callable[[], Health],
        executor: Executor,
        signal_ttl: float,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._source = source
        self._health = health
        self._ttl = signal_ttl
        self._wall = wall
        self._seen: Shared[Seen] = Shared(
            executor=executor, fresh=_FRESH, patience=_PATIENCE, monotonic=monotonic
        )
        self._lock = threading.Lock()
        self._proofs: dict[str, float] = {}

    def stations(self, *, wait: bool) -> tuple[Station, ...]:
        """Return the stations in the order of an alert's way.

        Args:
            wait: for Prometheus; else what it said last is shown.
        """
        seen, error = None, ""
        try:
            seen = (self._seen.get if wait else self._seen.peek)("seen", self._ask)
        except AlertscaleError as raised:
            error = str(raised)
        now, health = self._wall(), self._health()
        return (
            self._scraped("exporter", "Exporter", seen, now),
            self._prometheus(seen, error, now),
            self._alertmanager(seen, health, now),
            self._scaler(health, now),
            self._engine(health, now),
            self._nginx(seen, health, now),
        )

    def _ask(self) -> Seen:
        data = self._source.read("/api/v1/query", {"query": QUERY, "timeout": "2s"})
        try:
            proofs = {s["metric"]["station"]: float(s["value"][1]) for s in data["result"]}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UnavailableError(f"Prometheus answers with what its API does not say: {error!r}") from error
        return Seen(at=self._wall(), proofs=proofs)

    def _last(self, name: str, proof: float | None) -> float | None:
        """Remember the last proof, which a dead Prometheus no longer tells."""
        with self._lock:
            if proof is not None and math.isfinite(proof):
                self._proofs[name] = max(proof, self._proofs.get(name, proof))
            return self._proofs.get(name)

    def _scraped(self, key: str, name: str, seen: Seen | None, now: float) -> Station:
        proof = self._last(key, seen.proofs.get(key) if seen else None)
        if seen is None or now - seen.at > _RECENT:
            return Station(
                name=name, light=Light.UNKNOWN, proof=proof, text="only Prometheus knows, which is silent"
            )
        lives = proof is not None and seen.at - proof <= _RECENT
        text = "scraped by Prometheus" if lives else "Prometheus cannot scrape it"
        return Station(name=name, light=Light.OK if lives else Light.DOWN, proof=proof, text=text)

    def _prometheus(self, seen: Seen | None, error: str, now: float) -> Station:
        proof = self._last("prometheus", seen.at if seen else None)
        lives = not error and seen is not None and now - seen.at <= _RECENT
        light = Light.OK if lives else Light.DOWN if error or seen else Light.UNKNOWN
        text = "answers" if lives else error or ("does not answer" if seen else "being asked")
        return Station(name="Prometheus", light=light, proof=proof, text=text)

    def _alertmanager(self, seen: Seen | None, health: Health, now: float) -> Station:
        proof = self._last("alertmanager", now - health.watchdog_age)
        if health.watchdog_age <= self._ttl:
            return Station(
                name="Alertmanager", light=Light.OK, proof=proof, text="delivered the Watchdog alert"
            )
        answers = seen is not None and "alertmanager" in seen.proofs
        text = "runs, but no alert arrives" if answers else "no alert arrives"
        return Station(name="Alertmanager", light=Light.DOWN, proof=proof, text=text)

    def _scaler(self, health: Health, now: float) -> Station:
        lives = health.passes_age <= _STALLED and not health.journal_error
        text = health.journal_error or ("its loop runs" if lives else "its loop stands still")
        light = Light.OK if lives else Light.DOWN
        return Station(name="Scaler", light=light, proof=now - health.passes_age, text=text)

    def _engine(self, health: Health, now: float) -> Station:
        proof = self._last("engine", now - health.passes_age if health.engine else None)
        light = Light.OK if health.engine else Light.DOWN
        text = "answers" if health.engine else "the engine does not answer"
        return Station(name="Engine", light=light, proof=proof, text=text)

    def _nginx(self, seen: Seen | None, health: Health, now: float) -> Station:
        scraped = self._scraped("nginx", "nginx", seen, now)
        if health.balancer_error:
            return replace(scraped, light=Light.DOWN, text=health.balancer_error)
        return replace(scraped, text=_NGINX[scraped.light])
