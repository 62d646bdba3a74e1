"""The history and the steps under way, on a real file that is closed and opened again."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.errors import JournalError
from scaler.model.reasons import Direction, EventKind, Outcome, Pause, Phase
from scaler.model.records import Event, EventQuery, Hold, Sighting, Standing, Step
from scaler.model.services import ServiceKey
from scaler.policy.relief import Trial
from scaler.state.journal import _MIGRATIONS, Journal, read_holds, write_holds

WEB, API = ("shop", "web"), ("shop", "api")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = Journal(path=path)
    yield made
    made.close()


def begin(
    journal: Journal,
    *,
    service: tuple[str, str] = WEB,
    direction: Direction = Direction.UP,
    number: int = 2,
    now: float = 10.0,
) -> int:
    phase = Phase.CREATE if direction is Direction.UP else Phase.DRAIN
    return journal.begin(
        service=service, direction=direction, number=number, why="alert_up", phase=phase, now=now
    ).id


def ended(
    journal: Journal,
    outcome: Outcome,
    *,
    now: float,
    service: tuple[str, str] = WEB,
    direction: Direction = Direction.UP,
) -> None:
    step = begin(journal, service=service, direction=direction, now=now - 1)
    journal.finish(step, outcome=outcome, now=now)


class TestSteps:
    def test_a_step_is_known_after_the_file_is_opened_again(self, journal: Journal, path: Path) -> None:
        begun = begin(journal)
        journal.enter(begun, phase=Phase.START, now=11.5, replica="c0ffee")
        journal.enter(begun, phase=Phase.READY, now=12.5)
        journal.close()

        again = Journal(path=path)
        (step,) = again.unfinished()
        again.close()

        assert (step.id, step.service, step.direction, step.number) == (begun, WEB, Direction.UP, 2)
        assert (step.why, step.replica) == ("alert_up", "c0ffee")
        assert step.phase is Phase.READY
        assert step.phases == {Phase.CREATE: 10.0, Phase.START: 11.5, Phase.READY: 12.5}

    def test_a_step_is_returned_as_it_is_written(self, journal: Journal) -> None:
        step = journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=3,
            why="alert_down",
            phase=Phase.DRAIN,
            now=1,
            replica="beef",
        )

        assert journal.unfinished() == (step,)

    def test_a_step_begins_without_a_replica_or_with_one(self, journal: Journal) -> None:
        begin(journal)
        journal.begin(
            service=WEB,
            direction=Direction.DOWN,
            number=3,
            why="alert_down",
            phase=Phase.DRAIN,
            now=1,
            replica="beef",
        )

        assert [step.replica for step in journal.unfinished()] == [None, "beef"]

    def test_a_finished_step_is_not_unfinished(self, journal: Journal) -> None:
        first, second = begin(journal, number=2), begin(journal, number=3)
        journal.finish(first, outcome=Outcome.FAILED, now=11, detail="not ready")

        assert [step.id for step in journal.unfinished()] == [second]

    def test_unfinished_steps_are_listed_oldest_first(self, journal: Journal) -> None:
        begun = [begin(journal, number=number) for number in (2, 3, 4)]

        assert [step.id for step in journal.unfinished()] == begun

    def test_those_that_are_abandoned_end_as_undone_when_they_were_begun(self, journal: Journal) -> None:
        ended(journal, Outcome.DONE, now=20)
        begin(journal, now=30)
        journal.abandon("another scaler has acted since")

        assert journal.unfinished() == ()
        assert (journal.last_change(WEB), journal.undone_at(WEB)) == (20, 30)

    def test_only_a_step_that_was_done_is_a_change(self, journal: Journal) -> None:
        ended(journal, Outcome.DONE, now=20)
        ended(journal, Outcome.FAILED, now=30)
        ended(journal, Outcome.UNDONE, now=40)
        begin(journal, now=50)

        assert journal.last_change(WEB) == 20

    def test_the_last_change_counts_both_ways_and_each_service_apart(self, journal: Journal) -> None:
        ended(journal, Outcome.DONE, now=20)
        ended(journal, Outcome.DONE, now=30, direction=Direction.DOWN)
        ended(journal, Outcome.DONE, now=40, service=API)

        assert (journal.last_change(WEB), journal.last_change(API)) == (30, 40)

    def test_the_last_change_survives_the_process(self, journal: Journal, path: Path) -> None:
        ended(journal, Outcome.DONE, now=20)
        journal.close()
        again = Journal(path=path)

        assert again.last_change(WEB) == 20
        again.close()

    def test_a_step_that_was_undone_is_told_until_another_has_ended(self, journal: Journal) -> None:
        ended(journal, Outcome.UNDONE, now=20)
        begin(journal, now=30)
        assert journal.undone_at(WEB) == 20
        assert journal.undone_at(API) is None

        ended(journal, Outcome.DONE, now=40)
        assert journal.undone_at(WEB) is None

    def test_those_that_were_undone_in_a_row_are_counted_each_direction_for_itself(
        self, journal: Journal
    ) -> None:
        ended(journal, Outcome.UNDONE, now=10)
        ended(journal, Outcome.FAILED, now=20)
        assert journal.undone(WEB, Direction.UP) == 0
        for now in (30, 40):
            ended(journal, Outcome.UNDONE, now=now)
        ended(journal, Outcome.UNDONE, now=50, direction=Direction.DOWN)
        ended(journal, Outcome.UNDONE, now=60, service=API)

        assert [journal.undone(WEB, direction) for direction in Direction] == [2, 1]

    def test_those_begun_at_once_count_once(self, journal: Journal) -> None:
        for number in (2, 3):
            step = begin(journal, number=number, now=10.0 + number / 100)
            journal.finish(step, outcome=Outcome.UNDONE, now=20)

        assert journal.undone(WEB, Direction.UP) == 1

    def test_never_changed(self, journal: Journal) -> None:
        assert journal.last_change(WEB) is None
        assert journal.failures(WEB) == (0, None)
        assert journal.undone_at(WEB) is None

    def test_failures_are_counted_each_direction_for_itself(self, journal: Journal) -> None:
        for direction, at in ((Direction.UP, 10.0), (Direction.DOWN, 20.0), (Direction.DOWN, 30.0)):
            step = journal.begin(
                service=WEB, direction=direction, number=2, why="", phase=Phase.DRAIN, now=at - 1
            )
            journal.finish(step.id, outcome=Outcome.FAILED, now=at)

        assert journal.failures(WEB, Direction.UP) == (1, 10)
        assert journal.failures(WEB, Direction.DOWN) == (2, 30)

    def test_failures_of_steps_up_are_counted(self, journal: Journal) -> None:
        for now in (20, 30):
            ended(journal, Outcome.FAILED, now=now)
        ended(journal, Outcome.FAILED, now=40, direction=Direction.DOWN)
        ended(journal, Outcome.UNDONE, now=50)
        ended(journal, Outcome.FAILED, now=60, service=API)

        assert journal.failures(WEB) == (2, 30)

    def test_a_step_that_is_done_ends_the_count(self, journal: Journal) -> None:
        ended(journal, Outcome.FAILED, now=20)
        ended(journal, Outcome.DONE, now=30)
        assert journal.failures(WEB) == (0, None)

        ended(journal, Outcome.FAILED, now=40)
        assert journal.failures(WEB) == (1, 40)

    def test_one_that_was_left_open_counts_where_it_is_asked_for(self, journal: Journal) -> None:
        ended(journal, Outcome.FAILED, now=20)
        begin(journal, number=3, now=30.0)
        begin(journal, number=3, now=40.0, direction=Direction.DOWN)

        assert journal.failures(WEB) == (1, 20)
        assert journal.failures(WEB, left=True) == (2, 30)

    def test_by_when_it_was_left_the_last_time_however_long_it_took(self, journal: Journal) -> None:
        step = begin(journal, now=30.0)
        for now in (90.0, 300.0):
            journal.leave(step, now=now)
            assert journal.failures(WEB, left=True) == (1, now)
        assert [s.id for s in journal.unfinished()] == [step]
        journal.finish(step, outcome=Outcome.FAILED, now=310)
        assert journal.failures(WEB, left=True) == (1, 310)


class TestTrial:
    """The last step up that memory led to."""

    def decided(
        self, journal: Journal, at: float, *resources: str, reason: str = "alert_up", replicas: int = 1
    ) -> None:
        detail = {"replicas": replicas, "target": replicas + 1, "until": None, "resources": list(resources)}
        journal.record(
            Event(at=at, service=WEB, kind=EventKind.DECISION, reason=reason, text="", detail=detail)
        )

    def stepped(self, journal: Journal, at: float, outcome: Outcome = Outcome.DONE) -> None:
        journal.finish(begin(journal, now=at + 0.5), outcome=outcome, now=at + 3)

    def test_its_decision_says_what_for_and_its_step_when_it_was_done(
        self, journal: Journal, path: Path
    ) -> None:
        self.decided(journal, 100, "cpu", "memory", replicas=2)
        self.stepped(journal, 100)
        journal.close()

        again = Journal(path=path)
        assert again.trial(WEB) == Trial(at=100, done=103, replicas=2, target=3)
        assert again.trial(API) is None
        again.close()

    def test_several_replicas_at_once_are_one_that_is_done_with_the_last(self, journal: Journal) -> None:
        self.decided(journal, 100, "memory")
        first, second = (begin(journal, number=number, now=100.1) for number in (2, 3))
        journal.finish(second, outcome=Outcome.DONE, now=104)
        journal.finish(first, outcome=Outcome.DONE, now=102)

        found = journal.trial(WEB)
        assert found is not None
        assert found.done == 104

    def test_the_last_one_counts_whatever_was_decided_for_another_reason_since(
        self, journal: Journal
    ) -> None:
        for at in (100, 200):
            self.decided(journal, at, "memory")
            self.stepped(journal, at)
        self.decided(journal, 300, "memory", reason="not_helped")
        self.decided(journal, 310, "cpu")
        self.stepped(journal, 310)
        self.decided(journal, 320, "memory", reason="up_cooldown")

        found = journal.trial(WEB)
        assert found is not None
        assert (found.at, found.done) == (200, 203)

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNDONE])
    def test_one_that_was_not_done_is_none(self, journal: Journal, outcome: Outcome) -> None:
        self.decided(journal, 100, "memory")
        self.stepped(journal, 100, outcome)
        assert journal.trial(WEB) is None

    def test_one_under_way_and_an_entry_of_an_earlier_version_are_none(self, journal: Journal) -> None:
        entry = Event(at=90, service=WEB, kind=EventKind.DECISION, reason="alert_up", text="", detail={})
        journal.record(entry)
        assert journal.trial(WEB) is None
        self.decided(journal, 100, "memory")
        begin(journal, now=100.5)
        assert journal.trial(WEB) is None


def event(text: str, *, service: tuple[str, str] = WEB, kind: EventKind = EventKind.STEP) -> Event:
    return Event(at=1.5, kind=kind, reason="done", text=text, service=service, detail={"n": [1, None]})


def tell(
    journal: Journal, text: str, *, service: tuple[str, str] = WEB, kind: EventKind = EventKind.STEP
) -> None:
    journal.record(event(text, service=service, kind=kind))


class TestEvents:
    def test_an_event_comes_back_as_it_was_told(self, journal: Journal) -> None:
        tell(journal, "ü \N{SNOWMAN}")

        assert journal.events() == (
            Event(
                id=1,
                at=1.5,
                kind=EventKind.STEP,
                reason="done",
                text="ü \N{SNOWMAN}",
                service=WEB,
                detail={"n": [1, None]},
            ),
        )

    def test_several_at_once_are_one_commit(self, journal: Journal) -> None:
        statements: list[str] = []
        journal._db.set_trace_callback(statements.append)
        journal.record(*(event(text) for text in "abc"))
        journal._db.set_trace_callback(None)

        assert [words.split()[0] for words in statements] == ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]
        assert [e.text for e in journal.events()] == ["c", "b", "a"]

    def test_the_newest_come_first(self, journal: Journal) -> None:
        for text in "abc":
            tell(journal, text)

        assert [event.text for event in journal.events()] == ["c", "b", "a"]
        assert [event.text for event in journal.events(EventQuery(limit=2))] == ["c", "b"]

    def test_before_gives_the_next_page(self, journal: Journal) -> None:
        for text in "abcd":
            tell(journal, text)
        page = journal.events(EventQuery(limit=2))

        assert [event.text for event in journal.events(EventQuery(limit=2, before=page[-1].id))] == ["b", "a"]

    def test_filters_go_together(self, journal: Journal) -> None:
        tell(journal, "a")
        tell(journal, "b", service=API)
        tell(journal, "c", kind=EventKind.ALERT)
        tell(journal, "d", service=("blog", "web"))

        assert [e.text for e in journal.events(EventQuery(service=WEB))] == ["c", "a"]
        assert [e.text for e in journal.events(EventQuery(kind=EventKind.STEP))] == ["d", "b", "a"]
        assert [e.text for e in journal.events(EventQuery(service=WEB, kind=EventKind.STEP))] == ["a"]
        assert journal.events(EventQuery(service=API, before=1)) == ()

    def test_old_events_are_forgotten_now_and_then(self, path: Path) -> None:
        journal = Journal(path=path, keep=100)
        for number in range(1000):
            tell(journal, str(number))
        texts = [event.text for event in journal.events(EventQuery(limit=5000))]
        journal.close()

        assert texts == [str(number) for number in range(999, 899, -1)]

    def test_many_at_once_do_not_keep_old_events_from_being_forgotten(self, path: Path) -> None:
        journal = Journal(path=path, keep=100)
        for number in range(11):
            journal.record(*(event(f"{number}-{n}") for n in range(90)))
        texts = [e.text for e in journal.events(EventQuery(limit=5000))]
        journal.close()

        assert len(texts) < 300
        assert texts[0] == "10-89"

    def test_steps_that_ended_long_ago_are_forgotten_and_those_under_way_never(self, path: Path) -> None:
        journal = Journal(path=path, keep=100)
        open_one = begin(journal)
        for number in range(1000):
            journal.finish(begin(journal), outcome=Outcome.DONE, now=float(number))
            tell(journal, str(number))
        with contextlib.closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT id FROM step").fetchall()
        unfinished, last = journal.unfinished(), journal.last_change(WEB)
        journal.close()

        assert len(rows) == 101
        assert [step.id for step in unfinished] == [open_one]
        assert last == 999

    def test_the_history_survives_the_process(self, journal: Journal, path: Path) -> None:
        tell(journal, "a")
        journal.close()
        again = Journal(path=path)

        assert [event.text for event in again.events()] == ["a"]
        again.close()


class TestStanding:
    def test_nothing_is_known_at_first(self, journal: Journal) -> None:
        assert journal.standing(WEB) == Standing()

    def test_the_last_one_is_remembered_for_its_service(self, journal: Journal, path: Path) -> None:
        first = Standing(replicas=frozenset({"a"}), at=1)
        last = Standing(replicas=frozenset({"a", "b"}), at=2.5, former=4, former_at=2.0)
        for standing in (first, last):
            journal.set_standing(WEB, standing)
        journal.close()
        again = Journal(path=path)

        assert again.standing(WEB) == last
        assert again.standing(API) == Standing()
        again.close()


class TestHolds:
    def test_nothing_is_held_at_first(self, journal: Journal) -> None:
        assert journal.hold(WEB) == Hold(pause=Pause.NONE, wanted=None)

    def test_a_hold_is_remembered_for_its_service(self, journal: Journal, path: Path) -> None:
        journal.set_pause(WEB, Pause.DOWN)
        journal.set_pause(WEB, Pause.UP)
        journal.set_wanted(API, 4)
        journal.close()
        again = Journal(path=path)

        assert again.hold(WEB) == Hold(pause=Pause.UP, wanted=None)
        assert again.hold(API) == Hold(wanted=4)
        again.close()

    def test_a_pause_and_a_count_do_not_undo_each_other(self, journal: Journal) -> None:
        """One is set by a request while the loop forgets the other."""
        journal.set_wanted(WEB, 3)
        journal.set_pause(WEB, Pause.ALL)
        journal.clear_wanted(WEB, 3)

        assert journal.hold(WEB) == Hold(pause=Pause.ALL, wanted=None)

    def test_a_count_that_was_replaced_meanwhile_is_not_forgotten(self, journal: Journal) -> None:
        journal.set_wanted(WEB, 4)
        journal.clear_wanted(WEB, 3)

        assert journal.hold(WEB).wanted == 4

    def test_they_are_read_once_until_they_are_changed(self, journal: Journal) -> None:
        """They are asked for at each decision, of each service."""
        read: list[str] = []
        journal._db.set_trace_callback(lambda said: read.append(said) if "FROM hold" in said else None)
        changes: list[Callable[[], object]] = [
            lambda: journal.set_pause(WEB, Pause.UP),
            lambda: journal.set_wanted(API, 4),
            lambda: journal.clear_wanted(API, 4),
            lambda: journal.replace_holds({WEB: Hold(wanted=2)}),
        ]
        shown = []
        for change in changes:
            change()
            read.clear()
            shown.append((journal.hold(WEB), journal.hold(API), len(journal.holds())))
            assert len(read) == 1

        up = Hold(pause=Pause.UP)
        assert shown == [
            (up, Hold(), 1), (up, Hold(wanted=4), 2), (up, Hold(), 1), (Hold(wanted=2), Hold(), 1)
        ]  # fmt: skip

    def test_those_of_every_service_are_known_where_anything_is_held(self, journal: Journal) -> None:
        journal.set_pause(WEB, Pause.ALL)
        journal.set_wanted(API, 4)
        journal.set_pause(("blog", "web"), Pause.UP)
        journal.set_pause(("blog", "web"), Pause.NONE)

        assert journal.holds() == {WEB: Hold(pause=Pause.ALL), API: Hold(wanted=4)}

    def test_those_of_another_scaler_take_the_place_of_ours(self, journal: Journal) -> None:
        """A pause that was lifted while the other acted is not to come back."""
        journal.set_pause(WEB, Pause.ALL)
        theirs = {API: Hold(pause=Pause.DOWN, wanted=4)}
        journal.replace_holds(theirs)

        assert journal.holds() == theirs
        assert journal.hold(WEB) == Hold()

    @given(
        st.dictionaries(
            st.tuples(st.text(), st.text()),
            st.builds(Hold, pause=st.sampled_from(Pause), wanted=st.none() | st.integers(1, 1000)),
        )
    )
    def test_they_are_read_by_another_as_they_were_written(self, holds: dict[ServiceKey, Hold]) -> None:
        assert read_holds(write_holds(holds)) == holds

    @pytest.mark.parametrize(
        "text", ["", "paused", "5", "[5]", '[["shop", "web"]]', '[["shop", "web", "sideways", null]]']
    )
    def test_a_text_of_something_else_is_an_error(self, text: str) -> None:
        with pytest.raises(JournalError, match="cannot read what the scaler before this one was asked for"):
            read_holds(text)


class TestSightings:
    def seen(self, at: float, **labels: str) -> Sighting:
        return Sighting(labels=labels, healthy=2.5, at=at, engine="here")

    def test_the_last_of_each_service_is_known_after_the_file_is_opened_again(
        self, journal: Journal, path: Path
    ) -> None:
        journal.see({WEB: self.seen(1, max="3"), API: self.seen(1)}, others=(), since=0)
        journal.see({WEB: self.seen(2, max="4")}, others=(), since=0)
        journal.close()

        with contextlib.closing(Journal(path=path)) as again:
            assert again.sightings() == {WEB: self.seen(2, max="4"), API: self.seen(1)}

    def test_what_is_none_of_ours_any_more_or_was_seen_long_ago_is_forgotten(self, journal: Journal) -> None:
        web, api, blog = WEB, API, ("blog", "web")
        journal.see({web: self.seen(100), api: self.seen(10), blog: self.seen(100)}, others=(), since=0)
        journal.see({}, others=(blog, ("blog", "db")), since=50)

        assert journal.sightings() == {web: self.seen(100)}


def sql(path: Path, script: str) -> None:
    """Write to a file as another program."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(script)


def version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def tables(path: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name").fetchall()


class TestSchema:
    BEFORE = Path(__file__).with_name("journal_without_version.sql")

    @pytest.fixture
    def before(self, path: Path) -> Path:
        """A file that a scaler wrote before there were versions."""
        sql(path, "PRAGMA journal_mode=WAL;" + self.BEFORE.read_text(encoding="utf-8"))
        return path

    @pytest.mark.usefixtures("journal")
    def test_a_new_file_has_the_version_of_today(self, path: Path) -> None:
        assert version(path) == len(_MIGRATIONS) == 1

    def test_one_from_before_there_were_versions_is_read_as_it_was_written(self, before: Path) -> None:
        assert version(before) == 0
        with contextlib.closing(Journal(path=before)) as journal:
            (left,) = journal.unfinished()
            assert left == Step(
                id=4, service=WEB, direction=Direction.UP, number=3, why="alert_up", replica=None,
                phase=Phase.CREATE, phases={Phase.CREATE: 90.0},
            )  # fmt: skip
            assert (journal.last_change(WEB), journal.failures(WEB)) == (12.5, (1, 81.0))
            assert (journal.undone_at(API), journal.undone_at(WEB)) == (31.0, None)
            started, step = journal.events()
            assert (started.id, started.at, started.service) == (2, 40.25, ("", ""))
            assert step == Event(
                id=1, at=12.5, service=WEB, kind=EventKind.STEP, reason="done", text="up: replica 2 done",
                detail={"why": "alert_up", "phases": {"create": 0.5}, "number": 2},
            )  # fmt: skip
            assert journal.holds() == {WEB: Hold(pause=Pause.DOWN), API: Hold(wanted=4)}
            assert journal.standing(WEB) == Standing(
                replicas=frozenset({"beef", "c0ffee"}), at=82.0, former=5, former_at=70.5
            )
            assert journal.standing(API) == Standing(at=83.0)
            assert journal.sightings() == {}
        assert version(before) == 1

    def test_one_that_was_migrated_is_as_one_that_is_new(self, before: Path, tmp_path: Path) -> None:
        Journal(path=before).close()
        Journal(path=tmp_path / "new").close()

        assert tables(before) == tables(tmp_path / "new")

    def test_what_an_older_scaler_need_not_know_of_is_added_to_its_file_and_keeps_it_from_nothing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A deploy that fails goes back to it, and what people hold is to be held still."""
        with monkeypatch.context() as before:
            before.setattr("scaler.state.journal._ADDITIONS", "")
            with contextlib.closing(Journal(path=path)) as older:
                older.set_pause(WEB, Pause.ALL)
                tell(older, "a")
        with contextlib.closing(Journal(path=path)) as newer:
            newer.see({WEB: Sighting(labels={}, healthy=0, at=1, engine="here")}, others=(), since=0)
            assert len(newer.sightings()) == 1
        assert version(path) == 1
        monkeypatch.setattr("scaler.state.journal._ADDITIONS", "")
        with contextlib.closing(Journal(path=path)) as older:
            assert (older.set_aside, older.hold(WEB)) == ("", Hold(pause=Pause.ALL))
            assert [e.text for e in older.events()] == ["a"]

    def test_one_that_was_migrated_is_written_on(self, before: Path) -> None:
        with contextlib.closing(Journal(path=before)) as journal:
            journal.finish(4, outcome=Outcome.DONE, now=95)
            tell(journal, "a")
            journal.set_pause(WEB, Pause.NONE)
        with contextlib.closing(Journal(path=before)) as journal:
            assert (journal.unfinished(), journal.last_change(WEB)) == ((), 95)
            assert [e.id for e in journal.events()] == [3, 2, 1]
            assert journal.holds() == {API: Hold(wanted=4)}

    def test_each_migration_is_made_once_and_in_turn(
        self, before: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = ("ALTER TABLE event ADD COLUMN who TEXT;", "UPDATE event SET who = 'nobody';")
        monkeypatch.setattr("scaler.state.journal._MIGRATIONS", (*_MIGRATIONS, *more))
        for _ in range(2):
            Journal(path=before).close()

        assert version(before) == 3
        with contextlib.closing(sqlite3.connect(before)) as db:
            assert db.execute("SELECT id, who FROM event").fetchall() == [(1, "nobody"), (2, "nobody")]

    def test_a_migration_that_fails_half_way_leaves_the_file_as_it_was(
        self, before: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Journal(path=before).close()
        as_it_was = tables(before)
        with monkeypatch.context() as patch:
            fails = "ALTER TABLE event ADD COLUMN who TEXT; DELETE FROM hold; INSERT INTO nowhere VALUES (1);"
            patch.setattr("scaler.state.journal._MIGRATIONS", (*_MIGRATIONS, fails))
            with pytest.raises(JournalError, match=f"the journal {before}: no such table: nowhere"):
                Journal(path=before)

        assert (version(before), tables(before)) == (1, as_it_was)
        with contextlib.closing(Journal(path=before)) as journal:
            assert journal.holds() == {WEB: Hold(pause=Pause.DOWN), API: Hold(wanted=4)}

    def test_one_of_a_later_version_is_set_aside_as_it_is(self, path: Path) -> None:
        """A newer scaler may have given its columns another meaning."""
        sql(path, "CREATE TABLE step (id TEXT); PRAGMA user_version = 7;")
        content = path.read_bytes()

        with contextlib.closing(Journal(path=path, wall=lambda: 0.5)) as anew:
            assert anew.set_aside == (
                f"the journal {path} cannot be read: its schema has version 7, and this alertscale knows 1 at"
                f" most; it is set aside as {path.name}.19700101T000000.500000Z, and a new one is begun:"
                " history, pauses, orders and steps under way are not known any more"
            )
        assert aside(path).read_bytes() == content
        assert version(path) == 1


def aside(path: Path) -> Path:
    """The one file that was set aside."""
    (found,) = (p for p in path.parent.glob(f"{path.name}.*") if not p.name.endswith(("-wal", "-shm")))
    return found


class TestLaterWords:
    """A later version of the same schema may write words that this one does not know."""

    def test_an_entry_of_the_history_is_shown_as_it_is(self, journal: Journal, path: Path) -> None:
        journal.record(event("a"))
        sql(path, "UPDATE event SET kind = 'weather', reason = 'rain'")

        (found,) = journal.events()
        assert (found.kind, found.reason, found.text) == ("weather", "rain", "a")

    def test_a_step_under_way_keeps_them(self, journal: Journal, path: Path) -> None:
        begin(journal)
        sql(path, """UPDATE step SET direction = 'sideways', phase = 'warm', phases = '{"warm": 1}'""")

        (step,) = journal.unfinished()
        assert (step.direction, step.phase, step.phases) == ("sideways", "warm", {"warm": 1})

    @pytest.mark.parametrize("value", ["{", "", "[1]", '{"a": [1]}', "7", "null"])
    def test_a_value_that_is_none_of_ours_is_passed_over_and_nothing_beside_it(
        self, journal: Journal, path: Path, value: str
    ) -> None:
        journal.record(event("a"))
        step = begin(journal)
        seen = Sighting(labels={}, healthy=0, at=1, engine="here")
        journal.see({WEB: seen}, others=(), since=0)
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE event SET detail = ?", (f"[{value}]",))
            db.execute("UPDATE step SET phases = ?", (f"[{value}]",))
            db.execute("UPDATE sighting SET labels = ?", (value,))
        journal.see({API: seen}, others=(), since=0)

        (found,), (left,) = journal.events(), journal.unfinished()
        assert (found.text, found.detail) == ("a", {})
        assert (left.id, left.phases) == (step, {})
        assert journal.sightings() == {API: seen}

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE standing SET replicas = '[{}]'",
            "UPDATE standing SET replicas = '{'",
            "UPDATE standing SET at = 'today'",
            "UPDATE sighting SET at = 'today'",
            "UPDATE sighting SET healthy = 'soon'",
        ],
    )
    def test_a_service_of_which_something_else_is_told_counts_as_unknown(
        self, journal: Journal, path: Path, change: str
    ) -> None:
        journal.set_standing(WEB, Standing(replicas=frozenset({"c0ffee"}), at=5))
        journal.see({WEB: Sighting(labels={}, healthy=0, at=1, engine="here")}, others=(), since=0)
        sql(path, change)

        known = (journal.standing(WEB) != Standing(), WEB in journal.sightings())
        assert known == ("sighting" in change, "standing" in change)

    def test_that_is_told_once(
        self, journal: Journal, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        journal.record(event("a"))
        sql(path, "UPDATE event SET detail = 'told once'")
        for _ in range(3):
            journal.events()

        assert capsys.readouterr().out.count("told once") == 1

    def test_what_is_held_in_a_word_of_theirs_holds_all(self, journal: Journal, path: Path) -> None:
        journal.set_pause(WEB, Pause.UP)
        sql(path, "UPDATE hold SET pause = 'nights'")

        assert journal.hold(WEB) == Hold(pause=Pause.ALL)
        assert journal.holds() == {WEB: Hold(pause=Pause.ALL)}


USES: dict[str, Callable[[Journal], object]] = {
    "record": lambda journal: tell(journal, "a"),
    "events": lambda journal: journal.events(),
    "begin": begin,
    "enter": lambda journal: journal.enter(1, phase=Phase.READY, now=1),
    "finish": lambda journal: journal.finish(1, outcome=Outcome.DONE, now=1),
    "leave": lambda journal: journal.leave(1, now=1),
    "unfinished": lambda journal: journal.unfinished(),
    "last_change": lambda journal: journal.last_change(WEB),
    "failures": lambda journal: journal.failures(WEB),
    "hold": lambda journal: journal.hold(WEB),
    "holds": lambda journal: journal.holds(),
    "replace_holds": lambda journal: journal.replace_holds({WEB: Hold(wanted=2)}),
    "set_pause": lambda journal: journal.set_pause(WEB, Pause.UP),
    "set_wanted": lambda journal: journal.set_wanted(WEB, 2),
    "clear_wanted": lambda journal: journal.clear_wanted(WEB, 2),
    "sightings": lambda journal: journal.sightings(),
    "see": lambda journal: journal.see({}, others=(), since=0),
}


EVENT = Event(at=9, kind=EventKind.FAULT, reason="journal", text="again")


class TestFaults:
    @pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
    def test_a_journal_that_cannot_be_used_says_which_file(
        self, journal: Journal, path: Path, use: Callable[[Journal], object]
    ) -> None:
        journal.close()

        with pytest.raises(JournalError, match=str(path)):
            use(journal)

    def test_a_read_only_journal_says_so(self, journal: Journal, path: Path) -> None:
        """By SQLite's own switch, since root may write to any file."""
        journal._db.execute("PRAGMA query_only = ON")

        with pytest.raises(JournalError, match=f"{path}.*readonly.*disk full or read-only"):
            begin(journal)
        assert journal.unfinished() == ()

    def test_it_counts_as_failed_until_it_has_been_recovered(self, journal: Journal) -> None:
        """What a step left open goes on first, so no other success may end the failure."""
        journal._db.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError):
            begin(journal)
        with pytest.raises(JournalError):
            journal.usable_again(EVENT)
        assert "readonly" in journal.error
        journal._db.execute("PRAGMA query_only = OFF")
        tell(journal, "a")
        assert "readonly" in journal.error

        journal.usable_again(EVENT)
        assert journal.error == ""
        assert journal.events()[0].text == "again"

    @pytest.mark.parametrize("instead", [False, True], ids=["moved", "replaced"])
    def test_one_that_was_moved_away_is_not_written_and_says_so(
        self, journal: Journal, path: Path, *, instead: bool
    ) -> None:
        """SQLite goes on with it wherever it is, and the next start of the scaler does not."""
        journal.set_pause(WEB, Pause.ALL)
        aside = path.rename(path.with_name("aside"))
        if instead:
            path.touch()
        with pytest.raises(JournalError, match=f"{path} was moved, removed or replaced .*put it back"):
            journal.set_wanted(WEB, 3)
        assert "put it back" in journal.error
        assert journal.hold(WEB) == Hold(pause=Pause.ALL)
        with pytest.raises(JournalError):
            journal.usable_again(EVENT)

        aside.rename(path)
        journal.usable_again(EVENT)
        assert journal.error == ""
        journal.set_wanted(WEB, 3)

    def test_a_full_disk_says_so(self, journal: Journal, path: Path) -> None:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(JournalError, match=f"{path}.*full"):
            tell(journal, "x" * 1024 * 1024)

    def test_of_several_at_once_none_is_kept_when_the_disk_is_full_half_way(self, journal: Journal) -> None:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(JournalError, match="full"):
            journal.record(event("a"), event("x" * 1024 * 1024))
        assert journal.events() == ()

        journal.usable_again(EVENT)
        assert [e.text for e in journal.events()] == ["again"]

    @pytest.mark.parametrize(
        "content", [b"this is no database" * 1000, bytes(100_000)], ids=["text", "zeros"]
    )
    def test_a_file_that_is_no_journal_is_set_aside_and_a_new_one_begun(
        self, path: Path, content: bytes
    ) -> None:
        path.write_bytes(content)
        with contextlib.closing(Journal(path=path)) as anew:
            assert (
                f"the journal {path} cannot be read: file is not a database; it is set aside as"
                in anew.set_aside
            )
            begin(anew)
        with contextlib.closing(Journal(path=path)) as again:
            assert (len(again.unfinished()), again.set_aside) == (1, "")

        assert aside(path).read_bytes() == content

    @pytest.mark.parametrize("damage", [slice(4096, None), slice(8192, 12288)], ids=["all", "one page"])
    def test_so_is_a_damaged_one(self, journal: Journal, path: Path, damage: slice) -> None:
        for number in range(200):
            tell(journal, str(number))
        journal.close()
        content = bytearray(path.read_bytes())
        content[damage] = b"\xff" * len(content[damage])
        path.write_bytes(content)

        with contextlib.closing(Journal(path=path)) as anew:
            assert "cannot be read" in anew.set_aside
            assert anew.events() == ()
        assert aside(path).read_bytes() == content

    def test_the_log_of_one_that_is_set_aside_goes_with_it(
        self, journal: Journal, path: Path, tmp_path: Path
    ) -> None:
        """As a crash leaves it: SQLite would take what stands there for the new one's."""
        tell(journal, "of the old one")
        sql(path, "PRAGMA user_version = 7")
        home = tmp_path / "after the crash"
        home.mkdir()
        crashed = home / path.name
        for more in ("", "-wal"):
            Path(f"{crashed}{more}").write_bytes(Path(f"{path}{more}").read_bytes())

        with contextlib.closing(Journal(path=crashed)) as anew:
            assert anew.events() == ()
        assert version(aside(crashed)) == 7
        with contextlib.closing(sqlite3.connect(aside(crashed))) as db:
            assert db.execute("SELECT text FROM event").fetchall() == [("of the old one",)]

    def test_one_that_cannot_be_set_aside_is_named_with_the_way_out(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def read_only(_self: Path, _target: object) -> None:
            raise OSError("Read-only file system")

        path.write_bytes(b"this is no database" * 1000)
        monkeypatch.setattr(Path, "rename", read_only)

        with pytest.raises(JournalError, match=r"cannot be set aside: Read-only file system; move it away"):
            Journal(path=path)
        assert path.read_bytes().startswith(b"this is no database")

    def test_one_that_can_be_written_and_not_read_is_not_usable_again(
        self, journal: Journal, path: Path
    ) -> None:
        """Else it would fail and recover by turns, and fill the history with that."""
        sql(path, "ALTER TABLE step RENAME TO lost")

        with pytest.raises(JournalError, match="no such table"):
            journal.usable_again(EVENT)
        assert journal.events() == ()

    def test_a_directory_that_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(JournalError, match=str(tmp_path / "gone")):
            Journal(path=tmp_path / "gone" / "journal.sqlite")

    def test_what_was_committed_is_on_disk_before_the_step_goes_on(
        self, journal: Journal, path: Path
    ) -> None:
        """Another reader, such as the next process, sees it at once."""
        begun = begin(journal)
        other = sqlite3.connect(path)
        rows = other.execute("SELECT id FROM step").fetchall()
        other.close()

        assert rows == [(begun,)]
