"""Who looks after the lease: it stands by, acts once the lease is ours, and tells when it is lost."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from scaler.leader import keeper as module
from scaler.leader.keeper import Acting, Keeper
from scaler.leader.lease import STEP_BACK, TTL, Lease
from scaler.model.errors import JournalError, TargetError
from scaler.model.reasons import ErrorReason
from tests.fakes import until
from tests.unit.scaler.leader.test_lease import Store, Time, away


@dataclass
class Scaler:
    """One scaler of several that share a store; its keeper does not wait long.

    Attributes:
        did: what it was told to do, in order.
        note: what it writes down.
        fault: raised when it begins to act.
        stepping: a step is under way.
    """

    store: Store
    name: str = "me"
    time: Time = field(default_factory=Time)
    did: list[str] = field(default_factory=list)
    note: str = "paused"
    fault: Exception | None = None
    stepping: bool = False

    def __post_init__(self) -> None:
        """Wire it."""
        self.stopping = threading.Event()
        self.lease = Lease(
            store=self.store, me=self.name, address=f"{self.name}:8000", node=self.name, monotonic=self.time
        )
        self.keeper = Keeper(
            lease=self.lease,
            act=self.act,
            lost=lambda: self.did.append("lost"),
            leave=self.leave,
            stopping=self.stopping,
        )

    def act(self, note: str, *, is_ours_again: bool) -> Acting:
        self.did.append(f"act on {note!r}{' again' if is_ours_again else ''}")
        if self.fault is not None:
            raise self.fault
        return Acting(app=Response("acts"), begin=self.begin, note=self.write, idle=lambda: not self.stepping)

    def leave(self) -> None:
        self.did.append("leave")
        self.stopping.set()

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
    made = Lease(store=store, me="other", address="other:8000", monotonic=Time())
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
        other.lay_down("what a person asked for")
        until(lambda: mine.did)

        assert mine.did[0] == "act on 'what a person asked for'"

    def test_it_knows_that_an_earlier_process_on_its_node_was_the_last_to_act(
        self, mine: Scaler, store: Store
    ) -> None:
        before = Lease(store=store, me="earlier", address="", node="me", monotonic=Time())
        before.try_to_take()
        before.lay_down("")
        mine.start()
        until(lambda: mine.did)

        assert mine.did[0] == "act on '' again"

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
        thief = Lease(store=mine.store, me="thief", address="", monotonic=Time(0))

        def taken() -> bool:
            # As after a pause of this process in which the lease ran out.
            thief.try_to_take()
            return thief.renew("")

        until(taken)
        until(lambda: "lost" in mine.did)
        mine.stop()

        assert mine.did.count("lost") == 1
        assert holder(mine.store) == "thief"

    def test_without_an_answer_it_may_change_nothing_and_goes_on_once_there_is_one(
        self, mine: Scaler
    ) -> None:
        """As while the managers elect a leader: nobody else can have taken it."""
        mine.start()
        until(lambda: len(mine.did) == 2)
        asked: list[None] = []

        def broken() -> None:
            asked.append(None)
            away()

        mine.store.before = broken
        mine.time.now += TTL
        until(lambda: not mine.lease.acting)
        before = len(asked)
        until(lambda: len(asked) > before + 2)
        mine.store.before = lambda: None
        until(lambda: mine.lease.acting)

        assert mine.did == ["act on ''", "begin, and acts"]

    def test_unless_somebody_else_has_taken_it_by_then(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)
        mine.store.before = away
        mine.time.now += TTL
        until(lambda: not mine.lease.acting)
        assert mine.store.record is not None
        mine.store.record = replace(mine.store.record, holder="other", version=next(mine.store.versions))
        mine.store.before = lambda: None

        until(lambda: "lost" in mine.did)

    def test_a_lease_that_is_refused_is_lost_when_its_time_is_over(self, mine: Scaler) -> None:
        """Somebody has removed it: another may have made a new one."""

        def refuse() -> None:
            raise TargetError("no such config", reason=ErrorReason.ENGINE_REFUSED)

        mine.start()
        until(lambda: len(mine.did) == 2)
        mine.store.before = refuse
        mine.time.now += TTL

        until(lambda: "lost" in mine.did)

    def test_a_note_that_cannot_be_made_is_such_a_case_too(self, mine: Scaler) -> None:
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

    def test_with_the_last_that_a_person_asked_for(
        self, mine: Scaler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RENEW_EVERY", 600.0)
        monkeypatch.setattr(module, "NEWS_EVERY", 600.0)
        mine.start()
        until(lambda: len(mine.did) == 2)
        mine.note = "scaled to 5"
        mine.stop()

        assert mine.store.record is not None
        assert (mine.store.record.holder, mine.store.record.note) == ("", "scaled to 5")

    def test_or_with_what_was_known_before(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: turn(mine.store) > 2)
        mine.note = "unreadable"
        mine.stop()

        assert mine.store.record is not None
        assert (mine.store.record.holder, mine.store.record.note) == ("", "paused")

    def test_or_runs_out_when_it_cannot_be(self, mine: Scaler) -> None:
        mine.start()
        until(lambda: turn(mine.store) > 2)
        mine.store.before = away
        mine.stop()

        assert holder(mine.store) == "me"
        assert "lost" not in mine.did


class TestLeaving:
    """The node that leads the managers is no good place to act from."""

    @pytest.fixture
    def elsewhere(self, store: Store) -> Lease:
        """A scaler that stands by on another node."""
        return Lease(store=store, me="other", address="other:8000", node="other", monotonic=Time())

    def test_asked_for_it_the_holder_lays_it_down_and_leaves(self, mine: Scaler, elsewhere: Lease) -> None:
        mine.store.lead = "me"
        mine.time.now += TTL
        mine.start()
        until(lambda: mine.store.asked > 0)
        mine.time.now += TTL
        until(lambda: len(mine.did) == 2)
        elsewhere.try_to_take()
        until(lambda: holder(mine.store) == "", what="it is laid down")

        assert mine.did == ["act on ''", "begin, and acts", "leave"]
        assert elsewhere.try_to_take()
        assert elsewhere.note == "paused"

    def test_but_not_in_a_step(self, mine: Scaler, elsewhere: Lease) -> None:
        mine.start()
        until(lambda: len(mine.did) == 2)
        mine.stepping = True
        mine.store.lead = "me"
        elsewhere.try_to_take()
        until(lambda: mine.lease.wanted)
        written = turn(mine.store)
        until(lambda: turn(mine.store) > written + 2)
        assert "leave" not in mine.did
        mine.stepping = False

        until(lambda: "leave" in mine.did)

    def test_nobody_asked_nobody_leaves(self, mine: Scaler) -> None:
        mine.store.lead = "me"
        mine.start()
        until(lambda: mine.store.asked > 0)
        mine.time.now += TTL
        until(lambda: turn(mine.store) > 5)

        assert mine.did == ["act on ''", "begin, and acts"]


@pytest.mark.parametrize(
    "fault", [JournalError("disk full"), TargetError("no", reason=ErrorReason.INTERNAL), ZeroDivisionError()]
)
def test_one_that_cannot_act_lays_the_lease_down_for_others_and_tries_again_later(
    store: Store, fault: Exception
) -> None:
    scaler = Scaler(store, fault=fault)
    scaler.start()
    until(lambda: turn(store) == 2, what="it is laid down")
    assert holder(store) == ""
    other = Lease(store=store, me="other", address="other:8000", monotonic=Time())
    assert other.try_to_take()
    until(lambda: scaler.known() == "other:8000")
    assert scaler.did == ["act on ''"]
    other.lay_down("what a person asked for")
    scaler.fault = None
    scaler.time.now += STEP_BACK
    until(lambda: len(scaler.did) > 2)
    scaler.stop()

    assert scaler.did == ["act on ''", "act on 'what a person asked for'", "begin, and acts"]


def test_one_whose_loop_does_not_start_ends_instead_of_holding_a_lease_for_nothing(store: Store) -> None:
    scaler = Scaler(store)

    def begin() -> None:
        raise RuntimeError("can't start new thread")

    scaler.begin = begin  # type: ignore[method-assign]
    scaler.start()
    until(lambda: "lost" in scaler.did)
    scaler.stop()

    assert scaler.did == ["act on ''", "lost"]


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
