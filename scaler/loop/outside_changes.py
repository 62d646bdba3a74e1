"""What others do to a service's replicas: stopping them, killing them, setting their count back.

``docker compose up -d`` sets a service back to the count in its file, whatever the load is. Who did that,
and whether they meant it, the engine does not tell; so the count from before is remembered for a while,
and the policy returns to it at once if an alert then asks for more (docs/decisions/0001-plain-up.md);
``_up()`` of ``policy/scaling.py`` takes a count above the minimum for one that a person chose.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from scaler.model.errors import LabelError
from scaler.model.labels import PREFIX, Limits, read_limits
from scaler.model.records import Sighting, Standing
from scaler.model.services import GONE, Observation, Service, ServiceKey
from scaler.model.view import GONE_FOR, Gone, View
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.world import World

BACK_AFTER: Final = 600.0
"""Seconds, beyond its service's grace, after which a replica that was asked to stop, and did not, gets
traffic again. ``docker stop -t`` gives it a longer grace, of which neither an event nor ``inspect`` tells,
and which goes on when whoever asked for it has gone (seen on 20.10)."""

REMEMBERED_FOR: Final = 60.0
"""Seconds for which the count is remembered that others have set back."""

_ABSENT_FOR: Final = 600.0
"""Seconds for which the scaler, or a service, may have been absent and it is still known what ran before."""

_WRITE_EVERY: Final = 60.0

_ANOTHER_AFTER: Final = 2 * _WRITE_EVERY
"""Seconds without the scaler after which a service of which no replica is known is another of that name."""


class Outside:
    """Deaths, stops and counts set back; ``asked_to_stop`` and ``started`` are for any thread.

    Args:
        world: where replicas that are being stopped are kept out of the traffic.
        journal: remembers the replicas while the scaler is absent.
        anchors: put times of the journal on the monotonic clock.
        engine: the id of the engine: a journal may come from another one, with a backup.
    """

    def __init__(self, *, world: World, journal: Journal, anchors: Anchors, engine: str) -> None:
        self._world = world
        self._journal = journal
        self._anchors = anchors
        self._engine = engine
        self._lock = threading.Lock()
        self._stopped: dict[str, float] = {}
        self._died: dict[str, float] = {}
        self._standing: dict[ServiceKey, Standing] = {}
        self._seen: dict[ServiceKey, float] = {}
        self._others: set[ServiceKey] = set()
        self._sighted: Mapping[ServiceKey, Sighting] = {}

    def asked_to_stop(self, replica: str, *, now: float) -> None:
        """Somebody asked a container to stop: it gets no new requests from the next pass on.

        A step of ours, too: one that the engine fails at takes that back (``steps/compose.py``).
        """
        with self._lock:
            self._stopped[replica] = now
            self._world.mark_stopping(replica)

    def started(self, replica: str) -> None:
        """A container was started, anew perhaps: what it was asked before counts no more."""
        with self._lock:
            if self._stopped.pop(replica, None) is not None:
                self._world.unmark_stopping(replica)

    def note(self, observation: Observation, *, now: float) -> None:
        """Take in what the engine lists.

        Args:
            observation: of this moment.
            now: seconds, monotonic.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        replicas = [r for s in observation.services for r in s.replicas]
        self._died = {r.id: self._died.get(r.id, now) for r in replicas if r.status in GONE}
        graces = {r.id: s.grace for s in observation.services for r in s.replicas if r.live}
        with self._lock:
            stopping = self._world.view.stopping
            before, self._stopped = (
                self._stopped,
                {
                    r: at
                    for r, at in self._stopped.items()
                    if r in stopping and r in graces and now - at < graces[r] + BACK_AFTER
                },
            )
            self._world.unmark_stopping(*(before.keys() - self._stopped.keys()))
        # Where the engine keeps the count, which replicas it takes away is its own choice.
        ours = [s for s in observation.services if s.kept is None]
        noted = [self._note_count(service, now=now) for service in ours]
        changed = [key for key in noted if key is not None]
        for key in changed:
            self._journal.set_standing(key, self._standing[key])
        self._note_sightings(observation)

    def missed(self) -> Mapping[ServiceKey, Gone]:
        """The services that the scaler before this one saw here lately, as if all were gone since.

        Raises:
            JournalError: the journal cannot be read.
        """
        return {
            key: Gone(limits=_limits(seen), until=at + GONE_FOR)
            for key, seen in self._journal.sightings().items()
            if seen.engine == self._engine
            and (at := self._anchors.monotonic((key, "seen"), seen.at)) is not None
        }

    def take_others(self) -> set[ServiceKey]:
        """Services that came while the scaler was absent, in the place of others of that name; each once."""
        others, self._others = self._others, set()
        return others

    def lost_at(self, service: Service, *, view: View) -> float | None:
        """When one that we do not take away last died or was asked to stop.

        Args:
            service: as ``view`` shows it. In a later one, one that we took away is unmarked and gone.
            view: the world at that moment.

        Returns:
            Seconds, monotonic; None if there is none.
        """
        lost = [r.id for r in service.replicas if r.id not in view.draining]
        with self._lock:
            moments = [t[one] for one in lost for t in (self._died, self._stopped) if one in t]
        return max(moments, default=None)

    def dead_for(self, replica: str, *, now: float) -> float:
        """Seconds since a replica was first seen dead; 0 for one that is not."""
        return now - self._died.get(replica, now)

    def former(self, key: ServiceKey, *, now: float) -> int | None:
        """The count before others set it back, if that was within ``REMEMBERED_FOR``; else None.

        Args:
            key: of the service.
            now: seconds, monotonic.
        """
        standing = self._standing.get(key, Standing())
        if standing.former is None:
            return None
        at = self._anchors.monotonic((key, "former"), standing.former_at)
        return standing.former if at is not None and now - at < REMEMBERED_FOR else None

    def _note_count(self, service: Service, *, now: float) -> ServiceKey | None:
        before = self._standing.get(service.key)
        if before is not None and now - self._seen[service.key] > _ABSENT_FOR:
            before = Standing(at=before.at)  # another one of that name
        self._seen[service.key] = now
        wall = self._anchors.wall_now()
        if before is None:
            before = self._journal.standing(service.key)
            if before.replicas.isdisjoint(r.id for r in service.replicas) and before.replicas:
                self._others |= {service.key} if wall - before.at > _ANOTHER_AFTER else set()
            if wall - before.at > _ABSENT_FOR:
                before = Standing(at=before.at)
            self._standing[service.key] = before
        view = self._world.view
        counted = frozenset(r.id for r in view.counted(service))
        former, former_at = self.former(service.key, now=now), before.former_at
        # Those that we take away ourselves are marked as draining until they are gone.
        if before.replicas - counted - view.draining:
            former, former_at = max(former or 0, len(before.replicas)), wall
        elif former is not None and (len(counted) >= former or before.replicas & view.draining):
            former = None  # there again, or a step down of ours since: the load is content with less
        if counted == before.replicas and former == before.former and wall - before.at < _WRITE_EVERY:
            return None
        self._standing[service.key] = Standing(replicas=counted, at=wall, former=former, former_at=former_at)
        return service.key

    def _note_sightings(self, observation: Observation) -> None:
        """So that a scaler after this one knows what there was, and since when it is gone."""
        before, wall = self._sighted, self._anchors.wall_now()
        now = {s.key: self._sighting(s, at=wall) for s in observation.services}
        same = {
            key: before[key]
            for key, seen in now.items()
            if key in before
            and seen == replace(before[key], at=wall)
            and wall - before[key].at < _WRITE_EVERY
        }
        news = {key: seen for key, seen in now.items() if key not in same}
        went = {key: replace(seen, at=wall) for key, seen in before.items() if key not in now}
        if news or went:
            left = {key: seen for key, seen in went.items() if key not in observation.others}
            self._journal.see(news | left, others=observation.others, since=wall - GONE_FOR)
        self._sighted = now | same

    def _sighting(self, service: Service, *, at: float) -> Sighting:
        ours = {name: value for name, value in service.labels.items() if name.startswith(PREFIX)}
        return Sighting(labels=ours, healthy=service.healthy, at=at, engine=self._engine)


def _limits(seen: Sighting) -> Limits | None:
    try:
        return read_limits(seen.labels, healthy=seen.healthy)
    except LabelError:
        return None
