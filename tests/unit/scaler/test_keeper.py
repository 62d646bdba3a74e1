"""Who looks after the lease: it stands by, acts once the lease is ours, and tells when it is lost."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from scaler import keeper as module
from scaler.errors import JournalError, TargetError
from scaler.keeper import Acting, Keeper
from scaler.lease import TTL, Lease
from scaler.reasons import ErrorReason
from tests.fakes import until
from tests.unit.scaler.test_lease import Store, Time, away


@dataclass
class Scaler:
    """One scaler of several that share a store; its keeper does not wait long.

    Attributes:
        did: what it was told to do, in order.
        note: what it writes down.
        fault: raised when it begins to act.
    """

    store: Store
    name: str = "me"
    time: Time = field(default_factory=Time)
    did: list[str] = field(default_factory=list)
    note: str = "paused"
    fault: Exception | None = None

    def __post_init__(self) -> None:
        """Wire it."""
        self.stopping = threading.Event()
        lease = Lease(store=self.store, me=self.name, address=f"{self.name}:8000", clock=self.time)
        self.keeper = Keeper(
            lease=lease, act=self.act, lost=lambda: self.did.append("lost"), stopping=self.stopping
        )

    def act(self, note: str) -> Acting:
        self.did.append(f"act on {note!r}")
        if self.fault is not None:
            raise self.fault
        return Acting(app=Response("acts"), begin=self.begin, note=self.write)

    def begin(self) -> None:
        # Whoever is handed a request by another must be able to answer it.
        self.did.append(f"begin, and {self.asked()}")

    def write(self) -> str:
        if self.note == "unreadable":
            raise JournalError("cannot read the journal")
        return self.note

    def asked(self) -> str:
        return Client(self.keeper.app).get("/").get_data(as_text=True)

    def known(self) -> str:
        """Who acts, as far as this one knows."""
        acts: str = json.loads(Client(self.keeper.app).get("/healthz").get_data())["acts"]
        return acts

    def start(self) -> None:
        self.keeper.start()

    def stop(self) -> None:
        self.stopping.set()
        self.keeper.finish()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.005)
    monkeypatch.setattr(module, "RENEW_EVERY", 0.005)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def mine(store: Store) -> Iterator[Scaler]:
    made = Scaler(store)
    yield made
    made.stop()


@pytest.fixture
def other(store: Store) -> Lease:
    """The lease as another scaler has it."""
    made = Lease(store=store, me="other", address="other:8000", clock=Time())
    made.try_to_take()
    made.renew("what a person asked for")
    return made


def turn(store: Store) -> int:
    return store.record.turn if store.record is not None else 0


def holder(store: Store) -> str:
    return store.record.holder if store.record is not None else ""


class TestStandingBy:
    def test_it_acts_at_once_where_nobody_does(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)

        assert mine.did == ["act on ''", "begin, and acts"]
        assert mine.asked() == "acts"

    @pytest.mark.usefixtures("other")
    def test_while_another_acts_it_hands_on_to_that_one(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: mine.known() == "other:8000")

        assert mine.did == []

    @pytest.mark.usefixtures("other")
    def test_it_acts_on_the_note_of_one_that_was_silent_for_too_long(self, mine: Scaler) -> None:
        mine.start()
        until(mine.known)
        mine.time.now += TTL
        until(lambda: mine.did)

        assert mine.did[0] == "act on 'what a person asked for'"
        assert holder(mine.store) == "me"

    def test_or_at_once_when_the_other_has_laid_it_down(self, mine: Scaler, other: Lease) -> None:
        mine.start()
        until(mine.known)
        other.lay_down()
        until(lambda: mine.did)

        assert mine.did[0] == "act on 'what a person asked for'"

    @pytest.mark.usefixtures("other")
    def test_a_holder_that_was_silent_is_handed_nothing_while_the_lease_cannot_be_taken(
        self, mine: Scaler
    ) -> None:
        mine.start()
        until(mine.known)
        mine.store.before = away
        mine.time.now += TTL
        until(lambda: mine.known() == "")

        assert mine.did == []

    def test_it_goes_on_looking_while_the_lease_cannot_be_read(self, mine: Scaler) -> None:
        asked: list[None] = []

        def broken() -> None:
            asked.append(None)
            away()

        mine.store.before = broken
        mine.start()
        until(lambda: len(asked) > 2)
        mine.store.before = lambda: None
        until(lambda: mine.did)

    @pytest.mark.usefixtures("other")
    def test_one_that_ends_while_it_stands_by_leaves_the_lease_alone(self, mine: Scaler) -> None:
        mine.start()
        until(mine.known)
        before = mine.store.record
        mine.stop()

        assert (mine.did, mine.store.record) == ([], before)


class TestHolding:
    def test_the_lease_is_written_anew_with_what_the_next_one_has_to_know(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: turn(mine.store) > 2)
        mine.note = "scaled to 5"
        until(lambda: mine.store.record is not None and mine.store.record.note == "scaled to 5")

        assert "lost" not in mine.did

    def test_it_tells_once_that_another_has_it(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)
        thief = Lease(store=mine.store, me="thief", address="", clock=Time(0))

        def taken() -> bool:
            # As after a pause of this process in which the lease ran out.
            thief.try_to_take()
            return thief.renew("")

        until(taken)
        until(lambda: "lost" in mine.did)
        mine.stop()

        assert mine.did.count("lost") == 1
        assert holder(mine.store) == "thief"

    def test_it_goes_on_without_an_answer_for_as_long_as_nobody_else_can_have_it(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)
        asked: list[None] = []

        def broken() -> None:
            asked.append(None)
            away()

        mine.store.before = broken
        until(lambda: len(asked) > 2)
        assert "lost" not in mine.did
        mine.time.now += TTL
        until(lambda: "lost" in mine.did)

    def test_a_note_that_cannot_be_made_is_such_a_case(self, mine: Scaler) -> None:
        mine.note = "unreadable"
        mine.start()
        until(lambda: len(mine.did) == 2)
        assert "lost" not in mine.did
        mine.time.now += TTL
        until(lambda: "lost" in mine.did)

    def test_an_answer_that_comes_too_late_is_none(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)
        mine.store.after = lambda: setattr(mine.time, "now", mine.time.now + TTL)

        until(lambda: "lost" in mine.did)

    def test_it_is_laid_down_at_the_end(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: turn(mine.store) > 2)
        mine.stop()

        assert mine.store.record is not None
        assert (mine.store.record.holder, mine.store.record.note) == ("", "paused")
        assert "lost" not in mine.did

    def test_or_runs_out_when_it_cannot_be(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: turn(mine.store) > 2)
        mine.store.before = away
        mine.stop()

        assert holder(mine.store) == "me"
        assert "lost" not in mine.did


@pytest.mark.parametrize(
    "fault", [JournalError("disk full"), TargetError("no", reason=ErrorReason.INTERNAL), ZeroDivisionError()]
)
def test_one_that_cannot_begin_to_act_ends_instead_of_holding_a_lease_for_nothing(
    store: Store, fault: Exception
) -> None:
    scaler = Scaler(store, fault=fault)
    scaler.start()
    until(lambda: "lost" in scaler.did)
    scaler.stop()

    assert scaler.did == ["act on ''", "lost"]
    written = turn(store)
    assert written == 1


def test_one_that_never_started_has_nothing_to_finish(store: Store) -> None:
    Scaler(store).stop()

    assert store.record is None


def test_news_for_the_next_one_is_written_at_once(
    store: Store, mine: Scaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_EVERY", 600.0)
    monkeypatch.setattr(module, "NEWS_EVERY", 0.005)
    mine.start()
    until(lambda: store.record is not None and store.record.note == "paused", what="the first note")

    mine.note = "not paused"

    until(lambda: store.record is not None and store.record.note == "not paused", what="the other note")
