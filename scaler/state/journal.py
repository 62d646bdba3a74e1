"""What was decided, done and why: SQLite, in one file that survives ``down`` and ``up``.

Every step is written before it is taken, so that a scaler killed at any point knows at its next start
what it had begun. Times are seconds since the epoch, since they must outlive the process.
"""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import structlog

from scaler.model.errors import JournalError
from scaler.model.reasons import DecisionReason, Direction, EventKind, Outcome, Pause, Phase
from scaler.model.records import Event, EventQuery, Hold, Sighting, Standing, Step
from scaler.model.services import ServiceKey
from scaler.policy.relief import MEMORY, Trial

log = structlog.get_logger()

_MIGRATIONS: Final = (
    # 1. What was there before the file had a version, too: such a file has these tables and says 0.
    """
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    direction TEXT NOT NULL,
    number INTEGER NOT NULL,
    why TEXT NOT NULL,
    replica TEXT,
    phase TEXT NOT NULL,
    phases TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    outcome TEXT,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS step_of_service ON step (project, service, ended);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS hold (
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    pause TEXT NOT NULL DEFAULT 'none',
    wanted INTEGER,
    PRIMARY KEY (project, service)
);
CREATE TABLE IF NOT EXISTS standing (
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    replicas TEXT NOT NULL,
    at REAL NOT NULL,
    former INTEGER,
    former_at REAL NOT NULL,
    PRIMARY KEY (project, service)
);
""",
)
"""What makes each version of the schema out of the one before. A change is one more; none is ever edited.

Only a change that the scaler before could not live with raises the version: it refuses such a file, and
whoever goes back to it, as a deploy that fails does by itself, is without pauses, orders and history. What it
merely does not know of is one of ``_ADDITIONS``.
"""

_ADDITIONS: Final = """
-- Which services there were, so that one that goes while no scaler looks is told too.
CREATE TABLE IF NOT EXISTS sighting (
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    labels TEXT NOT NULL,
    healthy REAL NOT NULL,
    at REAL NOT NULL,
    engine TEXT NOT NULL,
    PRIMARY KEY (project, service)
);
"""
"""Tables of which an older scaler need not know: each start makes those that are not there yet."""

_LEFT: Final = "left"
"""When a step was left; among the times of its phases, where an older scaler passes over it."""

_PRUNE_EVERY: Final = 200

_BEGUN_WITHIN: Final = 5.0
"""Seconds from a decision within which its step is begun."""

_BESIDE: Final = ("-wal", "-shm", "")
"""What SQLite adds to the file's name; itself last, since a log without it would be read into the next."""

_NEWEST: Final = EventQuery()

_SHOWN: Final = 100
"""Characters of what cannot be read."""

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)


def _word(words: type[W], text: str) -> W | str:
    """Read a word of ours; one that only a later version knows stays as it is."""
    try:
        return words(text)
    except ValueError:
        return text


def _pause(text: str) -> Pause:
    """Read what a person holds; of what only a later version can hold, all is held until somebody says so."""
    word = _word(Pause, text)
    return word if isinstance(word, Pause) else Pause.ALL


def write_holds(holds: Mapping[ServiceKey, Hold]) -> str:
    """Write as text what a person asked for, for another scaler."""
    return json.dumps([[*key, str(hold.pause), hold.wanted] for key, hold in sorted(holds.items())])


def read_holds(text: str) -> Mapping[ServiceKey, Hold]:
    """Read what :func:`write_holds` wrote.

    Raises:
        JournalError: it is something else.
    """
    try:
        return {
            (str(project), str(service)): Hold(
                pause=Pause(pause), wanted=None if wanted is None else int(wanted)
            )
            for project, service, pause, wanted in json.loads(text)
        }
    except (ValueError, TypeError) as error:
        raise JournalError(f"cannot read what the scaler before this one was asked for: {error}") from error


def _json(text: str, kind: type[T], *, of: str) -> T | None:
    """Read a value that we wrote; None, and told once, where something else stands."""
    try:
        value = json.loads(text)
    except (ValueError, TypeError):
        value = None
    if isinstance(value, kind):
        return value
    _tell_unreadable(of, str(text)[:_SHOWN])
    return None


@lru_cache(maxsize=32)
def _tell_unreadable(table: str, value: str) -> None:
    log.warning("what stands in the journal cannot be read and is passed over", table=table, value=value)


def _sighting(labels: str, healthy: object, at: object, engine: str) -> Sighting | None:
    ours = _json(labels, dict, of="sighting")
    if ours is None:
        return None
    if not isinstance(healthy, float) or not isinstance(at, float) or not _are(str, ours.values()):
        _tell_unreadable("sighting", f"{labels} {healthy} {at}"[:_SHOWN])
        return None
    return Sighting(labels=ours, healthy=healthy, at=at, engine=engine)


def _standing(replicas: str, at: object, former: int | None, former_at: object) -> Standing:
    ids = _json(replicas, list, of="standing")
    if ids is None:
        return Standing()
    if not isinstance(at, float) or not isinstance(former_at, float) or not _are(str, ids):
        _tell_unreadable("standing", f"{replicas} {at} {former_at}"[:_SHOWN])
        return Standing()
    return Standing(replicas=frozenset(ids), at=at, former=former, former_at=former_at)


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(isinstance(value, kind) for value in values)


class _UnreadableError(Exception):
    """It will be no more readable the next time; says why, as the end of a sentence."""


def _open(path: Path, wall: Callable[[], float]) -> tuple[sqlite3.Connection, str]:
    """Open a journal, or begin a new one in the place of what is none; say what was set aside."""
    try:
        return _connect(path), ""
    except _UnreadableError as unreadable:
        moment = datetime.fromtimestamp(wall(), tz=UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = path.with_name(f"{path.name}.{moment}")
        text = (
            f"the journal {path} cannot be read: {unreadable}; it is set aside as {aside.name}, and a new one"
            " is begun: history, pauses, orders and steps under way are not known any more"
        )
        try:
            for more in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{path}{more}").rename(f"{aside}{more}")
            return _connect(path), text
        except (OSError, _UnreadableError) as error:
            raise JournalError(
                f"cannot open the journal {path}: {unreadable}; and it cannot be set aside: {error};"
                " move it away, or mend its disk"
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as unless_opened:
        try:
            db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            unless_opened.callback(db.close)
            _migrate(db)
        except sqlite3.Error as error:
            if _is_damage(error):
                raise _UnreadableError(error) from error
            raise JournalError(f"cannot open the journal {path}: {error}") from error
        unless_opened.pop_all()
        return db


def _file(path: Path) -> tuple[int, int] | None:
    """Which file is at a path, whatever it is called elsewhere; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says where it was found
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _migrate(db: sqlite3.Connection) -> None:
    found, known = db.execute("PRAGMA user_version").fetchone()[0], len(_MIGRATIONS)
    if found > known:
        raise _UnreadableError(f"its schema has version {found}, and this alertscale knows {known} at most")
    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise _UnreadableError(said.replace("\n", " "))
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
    for version, script in enumerate(_MIGRATIONS[found:], start=found + 1):
        # As one: a kill half way leaves the version before.
        db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {version}; COMMIT;")
    db.executescript(_ADDITIONS)


class Journal:
    """The history and the steps under way; safe for several threads. Every method raises JournalError.

    Args:
        path: of the SQLite file; its directory exists. One of an earlier version is migrated. What is
            damaged, no journal, or of a later version is set aside under another name, and a new one begun.
        keep: events, and steps that have ended, to keep; older ones are forgotten now and then.
        wall: seconds since the epoch.
    """

    def __init__(self, *, path: Path, keep: int = 10_000, wall: Callable[[], float] = time.time) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._recorded = 0
        self._holds: Mapping[ServiceKey, Hold] | None = None
        self._path = path
        self.error = ""
        """Why it could not be used; empty again from :meth:`usable_again` on."""
        self._db, self.set_aside = _open(path, wall)
        """The second says what was set aside at the start and why; empty when nothing was."""
        self._opened = _file(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                self.error = f"cannot use the journal {self._path}: {error}; is its disk full or read-only?"
                raise JournalError(self.error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._cursor() as db:
            self.look()
            yield db

    def look(self) -> None:
        """See that the file is still at its path: SQLite would write on to one that no next start finds."""
        if _file(self._path) != self._opened:
            self.error = (
                f"the journal {self._path} was moved, removed or replaced while the scaler uses it;"
                " put it back, and it goes on by itself; a restart begins with what is there, without the"
                " pauses, orders and steps that the other one alone has"
            )
            raise JournalError(self.error)

    def record(self, *events: Event) -> None:
        """Append to the history: all of these, or none if that fails."""
        with self._writing() as db, db:  # the second commits, or rolls back
            # A commit each would be most of the time of a notification of many new alerts.
            db.execute("BEGIN IMMEDIATE")
            self._append(db, events)

    def _append(self, db: sqlite3.Connection, events: Sequence[Event]) -> None:
        db.executemany(
            "INSERT INTO event (at, project, service, kind, reason, text, detail) VALUES (?,?,?,?,?,?,?)",
            [(e.at, *e.service, e.kind, e.reason, e.text, json.dumps(e.detail)) for e in events],
        )
        before = self._recorded
        self._recorded += len(events)
        if before // _PRUNE_EVERY != self._recorded // _PRUNE_EVERY:
            self._prune(db)

    def usable_again(self, event: Event) -> None:
        """Append to the history of a journal that failed; when that works, it counts as usable again.

        Nothing else ends a failure: a step that it left open goes on first, before a new one begins.
        """
        self.unfinished()
        self.error = ""
        self.record(event)

    def _prune(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM event WHERE id <= (SELECT MAX(id) FROM event) - ?", (self._keep,))
        db.execute(
            "DELETE FROM step WHERE ended IS NOT NULL AND id <= (SELECT MAX(id) FROM step) - ?",
            (self._keep,),
        )

    def events(self, query: EventQuery = _NEWEST) -> tuple[Event, ...]:
        """Return the newest entries first."""
        filters: list[tuple[str, object]] = []
        if query.service is not None:
            filters += [("project = ?", query.service[0]), ("service = ?", query.service[1])]
        if query.kind is not None:
            filters.append(("kind = ?", str(query.kind)))
        if query.before is not None:
            filters.append(("id < ?", query.before))
        where = " AND ".join(text for text, _ in filters) or "1"
        with self._cursor() as db:
            rows = db.execute(
                # Only fixed texts are joined; every value is bound.
                f"SELECT id, at, project, service, kind, reason, text, detail FROM event WHERE {where}"  # noqa: S608
                " ORDER BY id DESC LIMIT ?",
                (*(value for _, value in filters), query.limit),
            ).fetchall()
        return tuple(
            Event(
                id=r[0], at=r[1], service=(r[2], r[3]), kind=_word(EventKind, r[4]), reason=r[5], text=r[6],
                detail=_json(r[7], dict, of="event") or {},
            )
            for r in rows
        )  # fmt: skip

    def begin(
        self,
        *,
        service: ServiceKey,
        direction: Direction,
        number: int,
        why: str,
        phase: Phase,
        now: float,
        replica: str | None = None,
    ) -> Step:
        """Write down that a step begins; return it as written."""
        with self._writing() as db:
            cursor = db.execute(
                "INSERT INTO step (project, service, direction, number, why, replica, phase, phases, started)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (*service, direction, number, why, replica, phase, json.dumps({phase: now}), now),
            )
        return Step(
            id=int(cursor.lastrowid or 0),
            service=service,
            direction=direction,
            number=number,
            why=why,
            replica=replica,
            phase=phase,
            phases={phase: now},
        )

    def enter(self, step: int, *, phase: Phase, now: float, replica: str | None = None) -> None:
        """Write down that the next phase of a step begins."""
        with self._writing() as db:
            db.execute(
                "UPDATE step SET phase = ?, replica = COALESCE(?, replica),"
                " phases = json_set(phases, '$.' || ?, ?) WHERE id = ?",
                (phase, replica, phase, now, step),
            )

    def finish(
        self, step: int, *, outcome: Outcome, now: float, detail: str = "", events: Sequence[Event] = ()
    ) -> None:
        """Write down how a step ended, and what the history tells of it: both, or neither if that fails."""
        with self._writing() as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "UPDATE step SET outcome = ?, ended = ?, detail = ? WHERE id = ?",
                (outcome, now, detail, step),
            )
            self._append(db, events)

    def leave(self, step: int, *, now: float) -> None:
        """Write down that a step failed, and so did what was to undo it: it has no end yet."""
        with self._writing() as db:
            db.execute(
                f"UPDATE step SET phases = json_set(phases, '$.{_LEFT}', ?) WHERE id = ?",  # noqa: S608 - ours
                (now, step),
            )

    def abandon(self, detail: str) -> None:
        """End the steps that have no end, as undone when they were begun."""
        with self._writing() as db:
            db.execute(
                "UPDATE step SET outcome = ?, ended = started, detail = ? WHERE ended IS NULL",
                (Outcome.UNDONE, detail),
            )

    def unfinished(self) -> tuple[Step, ...]:
        """Return the steps that were begun and have no end, oldest first."""
        with self._cursor() as db:
            rows = db.execute(
                "SELECT id, project, service, direction, number, why, replica, phase, phases"
                " FROM step WHERE ended IS NULL ORDER BY id"
            ).fetchall()
        return tuple(
            Step(
                id=r[0], service=(r[1], r[2]), direction=_word(Direction, r[3]), number=r[4], why=r[5],
                replica=r[6], phase=_word(Phase, r[7]),
                phases={_word(Phase, k): v for k, v in (_json(r[8], dict, of="step") or {}).items()},
            )
            for r in rows
        )  # fmt: skip

    def last_change(self, service: ServiceKey) -> float | None:
        """When the last step of a service was done; None if never."""
        with self._cursor() as db:
            row = db.execute(
                # The last one by its end's place in time may be another, if the clock was set back.
                "SELECT ended FROM step WHERE project = ? AND service = ? AND outcome = ?"
                " ORDER BY id DESC LIMIT 1",
                (*service, Outcome.DONE),
            ).fetchone()
        return float(row[0]) if row else None

    def trial(self, service: ServiceKey) -> Trial | None:
        """The last step up of a service that memory led to, if that one was done; else None."""
        with self._cursor() as db:
            row = db.execute(
                # A step is begun right after its decision, which alone says what for.
                "SELECT at, json_extract(detail, '$.replicas'), json_extract(detail, '$.target'),"
                " (SELECT MAX(ended) FROM step WHERE project = ?1 AND service = ?2 AND direction = 'up'"
                "  AND outcome = 'done' AND started BETWEEN event.at AND event.at + ?5)"
                " FROM event WHERE project = ?1 AND service = ?2 AND kind = 'decision' AND reason IN (?3, ?4)"
                " AND EXISTS (SELECT 1 FROM json_each(detail, '$.resources') WHERE value = ?6)"
                " ORDER BY id DESC LIMIT 1",
                (
                    *service, DecisionReason.ALERT_UP, DecisionReason.RESTORE, _BEGUN_WITHIN, MEMORY,
                ),
            ).fetchone()  # fmt: skip
        if row is None or row[3] is None:
            return None
        return Trial(at=row[0], done=row[3], replicas=row[1], target=row[2])

    def undone_at(self, service: ServiceKey) -> float | None:
        """When the last step of a service ended, if that one was undone; else None."""
        with self._cursor() as db:
            row = db.execute(
                "SELECT ended, outcome FROM step WHERE project = ? AND service = ? AND outcome IS NOT NULL"
                " ORDER BY id DESC LIMIT 1",
                service,
            ).fetchone()
        return float(row[0]) if row and row[1] == Outcome.UNDONE else None

    def undone(self, service: ServiceKey, direction: Direction) -> int:
        """How often in a row steps that way were undone; several that were begun at once count once."""
        with self._cursor() as db:
            row = db.execute(
                "SELECT COUNT(DISTINCT CAST(started AS INTEGER)) FROM step"
                " WHERE project = ?1 AND service = ?2 AND direction = ?3 AND outcome = 'undone'"
                " AND id > COALESCE("
                "  (SELECT MAX(id) FROM step WHERE project = ?1 AND service = ?2"
                "   AND outcome IN ('done', 'failed')), 0)",
                (*service, direction),
            ).fetchone()
        return int(row[0])

    def failures(
        self, service: ServiceKey, direction: Direction = Direction.UP, *, left: bool = False
    ) -> tuple[int, float | None]:
        """How many steps that way failed since the last step that was done, and when the last failure was.

        Args:
            service: whose.
            direction: which way.
            left: steps without an end count too, by when they were left (:meth:`leave`), else begun.
        """
        with self._cursor() as db:
            row = db.execute(
                f"SELECT COUNT(*), MAX(COALESCE(ended, json_extract(phases, '$.{_LEFT}'), started)) FROM step"  # noqa: S608 - ours
                " WHERE project = ?1 AND service = ?2 AND direction = ?3"
                " AND (outcome = 'failed' OR ?4 AND outcome IS NULL) AND id > COALESCE("
                "  (SELECT MAX(id) FROM step WHERE project = ?1 AND service = ?2 AND outcome = 'done'), 0)",
                (*service, direction, left),
            ).fetchone()
        return int(row[0]), row[1]

    def hold(self, service: ServiceKey) -> Hold:
        """What a person asked for."""
        return self.holds().get(service, Hold())

    def holds(self) -> Mapping[ServiceKey, Hold]:
        """What a person asked for, of every service of which anything was; read once until it is changed."""
        with self._cursor() as db:
            if self._holds is None:
                rows = db.execute(
                    "SELECT project, service, pause, wanted FROM hold"
                    " WHERE pause != 'none' OR wanted IS NOT NULL"
                ).fetchall()
                self._holds = {(r[0], r[1]): Hold(pause=_pause(r[2]), wanted=r[3]) for r in rows}
            return self._holds

    @contextlib.contextmanager
    def _changing_holds(self) -> Iterator[sqlite3.Connection]:
        with self._writing() as db:
            self._holds = None
            yield db

    def replace_holds(self, holds: Mapping[ServiceKey, Hold]) -> None:
        """Take over what a person asked another scaler for, in the place of what is known here."""
        with self._changing_holds() as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM hold")
            db.executemany(
                "INSERT INTO hold (project, service, pause, wanted) VALUES (?,?,?,?)",
                [(*key, hold.pause, hold.wanted) for key, hold in holds.items()],
            )

    def set_pause(self, service: ServiceKey, pause: Pause) -> None:
        """Remember which steps a person holds; what count is wanted stays as it is."""
        with self._changing_holds() as db:
            db.execute(
                "INSERT INTO hold (project, service, pause) VALUES (?,?,?)"
                " ON CONFLICT (project, service) DO UPDATE SET pause = excluded.pause",
                (*service, pause),
            )

    def set_wanted(self, service: ServiceKey, wanted: int) -> None:
        """Remember which count a person asked for; what is held stays as it is."""
        with self._changing_holds() as db:
            db.execute(
                "INSERT INTO hold (project, service, wanted) VALUES (?,?,?)"
                " ON CONFLICT (project, service) DO UPDATE SET wanted = excluded.wanted",
                (*service, wanted),
            )

    def clear_wanted(self, service: ServiceKey, reached: int) -> None:
        """Forget the count asked for, unless another one has been asked for meanwhile."""
        with self._changing_holds() as db:
            db.execute(
                "UPDATE hold SET wanted = NULL WHERE project = ? AND service = ? AND wanted = ?",
                (*service, reached),
            )

    def standing(self, service: ServiceKey) -> Standing:
        """Which replicas a service had when :meth:`set_standing` was last called."""
        with self._cursor() as db:
            row = db.execute(
                "SELECT replicas, at, former, former_at FROM standing WHERE project = ? AND service = ?",
                service,
            ).fetchone()
        if row is None:
            return Standing()
        return _standing(*row)

    def set_standing(self, service: ServiceKey, standing: Standing) -> None:
        """Remember which replicas a service has."""
        with self._writing() as db:
            db.execute(
                "REPLACE INTO standing (project, service, replicas, at, former, former_at)"
                " VALUES (?,?,?,?,?,?)",
                (
                    *service, json.dumps(sorted(standing.replicas)), standing.at, standing.former,
                    standing.former_at,
                ),
            )  # fmt: skip

    def sightings(self) -> Mapping[ServiceKey, Sighting]:
        """Every service that was seen lately, as :meth:`see` was last told, where that can be read."""
        with self._cursor() as db:
            rows = db.execute("SELECT project, service, labels, healthy, at, engine FROM sighting").fetchall()
        found = {(r[0], r[1]): _sighting(*r[2:]) for r in rows}
        return {key: seen for key, seen in found.items() if seen is not None}

    def see(self, seen: Mapping[ServiceKey, Sighting], *, others: Iterable[ServiceKey], since: float) -> None:
        """Remember services as they were seen.

        Args:
            seen: those of which there is news.
            others: those that are none of ours, or not any more: they are forgotten.
            since: what was seen before that is forgotten too, seconds since the epoch.
        """
        with self._writing() as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM sighting WHERE at < ?", (since,))
            db.executemany("DELETE FROM sighting WHERE project = ? AND service = ?", list(others))
            db.executemany(
                "REPLACE INTO sighting (project, service, labels, healthy, at, engine) VALUES (?,?,?,?,?,?)",
                [(*key, json.dumps(dict(s.labels)), s.healthy, s.at, s.engine) for key, s in seen.items()],
            )
