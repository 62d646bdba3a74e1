"""Who of several scalers acts: one at most at any moment, and one again soon after it died."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.engines.contract import LeaseRecord
from scaler.leader.lease import ASK_AGAIN, ASK_EVERY, LOOK_EVERY, RENEW_EVERY, STEP_BACK, TTL, Lease
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason


@dataclass
class Store:
    """Keeps one lease, as Swarm's managers do.

    Attributes:
        before: called within each writing, before anything is written.
        after: called once it is written, before whoever wrote is told.
        lead: the node that leads those that keep it.
        asked: how often somebody asked which that is.
    """

    record: LeaseRecord | None = None
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None
    versions: count[int] = field(default_factory=lambda: count(10))
    lead: str = ""
    asked: int = 0

    def read(self) -> LeaseRecord | None:
        return self.record

    def write(self, record: LeaseRecord) -> LeaseRecord:
        self.before()
        if record.version != (self.record.version if self.record is not None else 0):
            raise TargetError("another has taken it", reason=ErrorReason.OVERTAKEN)
        self.record = replace(record, version=next(self.versions))
        written = self.record
        self.after()
        return written

    def leader(self) -> str:
        self.asked += 1
        return self.lead


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def away() -> None:
    raise TargetError("no answer from the engine", reason=ErrorReason.ENGINE_UNAVAILABLE)


@dataclass
class Two:
    """Two scalers and the lease between them."""

    store: Store = field(default_factory=Store)
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        """Start both."""
        self.a, self.b = self.lease("a"), self.lease("b")

    def lease(self, name: str) -> Lease:
        return Lease(
            store=self.store,
            me=name,
            address=f"10.0.0.{ord(name)}:8000",
            node=f"node-{name}",
            monotonic=self.time,
        )

    def pass_by(self, seconds: float) -> bool:
        """Let b look once a second for so long; whether it has taken the lease by then."""
        took = False
        while seconds > 0 and not took:
            self.time.now += min(seconds, LOOK_EVERY)
            seconds -= LOOK_EVERY
            took = self.b.try_to_take()
        return took


@pytest.fixture
def two() -> Two:
    return Two()


class TestTaking:
    def test_where_there_is_none_the_first_takes_it(self, two: Two) -> None:
        before = two.a.acting

        assert two.a.try_to_take()
        assert (before, two.a.acting) == (False, True)
        assert two.store.record == LeaseRecord(
            holder="a", address="10.0.0.97:8000", node="node-a", turn=1, version=10
        )

    def test_the_other_stands_by_and_knows_who_acts(self, two: Two) -> None:
        two.a.try_to_take()

        assert not two.b.try_to_take()
        assert not two.b.acting
        assert two.b.holder is not None
        assert (two.b.holder.holder, two.b.holder.address) == ("a", "10.0.0.97:8000")

    def test_of_two_that_find_none_one_gets_it(self, two: Two) -> None:
        def the_other_first() -> None:
            two.store.before = lambda: None
            assert two.b.try_to_take()

        two.store.before = the_other_first

        assert not two.a.try_to_take()
        assert (two.a.acting, two.b.acting) == (False, True)

    def test_one_that_is_not_renewed_is_free_after_its_time_on_the_watchers_own_clock(self, two: Two) -> None:
        two.a.try_to_take()
        two.time.now += 100  # nobody was watching
        assert not two.b.try_to_take()
        two.time.now += TTL - 0.1
        assert not two.b.try_to_take()
        two.time.now += 0.1
        assert two.b.try_to_take()

    def test_one_that_is_renewed_stays_taken(self, two: Two) -> None:
        two.a.try_to_take()
        for _ in range(20):
            two.time.now += RENEW_EVERY
            assert two.a.renew("")
            assert not two.b.try_to_take()

    def test_nobody_is_known_to_act_once_the_holder_was_silent_for_too_long(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.time.now += TTL

        assert two.b.holder is None

    def test_a_store_that_cannot_be_reached_says_so(self, two: Two) -> None:
        two.store.before = away

        with pytest.raises(TargetError):
            two.a.try_to_take()
        assert not two.a.acting


class TestHolding:
    def test_the_note_goes_to_the_next_holder(self, two: Two) -> None:
        two.a.try_to_take()
        assert (two.a.note, two.b.note) == ("", "")
        two.a.renew("flask-app is paused")
        two.b.try_to_take()
        two.time.now += TTL
        two.b.try_to_take()

        assert two.b.note == "flask-app is paused"

    def test_a_holder_that_cannot_write_ceases_before_another_may_begin(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.store.before = away
        two.time.now += TTL * 0.8 - 0.1
        with pytest.raises(TargetError):
            two.a.renew("")
        assert two.a.acting
        two.time.now += 0.1
        assert not two.a.acting

    def test_a_holder_that_was_overtaken_knows_at_its_next_writing(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.time.now += TTL
        two.b.try_to_take()

        assert not two.a.renew("")
        assert (two.a.acting, two.b.acting) == (False, True)

    def test_the_time_counts_from_the_beginning_of_a_writing(self, two: Two) -> None:
        """The store may have it long before its answer is there."""
        two.store.after = lambda: setattr(two.time, "now", two.time.now + TTL)
        two.a.try_to_take()

        assert not two.a.acting

    def test_a_writing_whose_answer_was_lost_is_no_loss_of_the_lease(self, two: Two) -> None:
        assert two.a.try_to_take()
        two.store.after = away
        with pytest.raises(TargetError):
            two.a.renew("")
        two.store.after = lambda: None

        assert two.a.renew("the pause of web")
        assert two.a.acting
        assert two.store.record is not None
        assert (two.store.record.holder, two.store.record.note) == ("a", "the pause of web")

    def test_who_never_held_it_cannot_renew_it(self, two: Two) -> None:
        assert not two.a.renew("")
        assert two.store.record is None


class TestLayingDown:
    def test_the_next_one_need_not_wait_and_gets_the_note(self, two: Two) -> None:
        two.a.try_to_take()
        two.a.renew("an earlier note")
        two.b.try_to_take()
        two.a.lay_down("a note")

        assert not two.a.acting
        assert two.b.try_to_take()
        assert two.b.note == "a note"

    def test_nobody_acts_in_between(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.a.lay_down("")
        two.store.before = away
        with pytest.raises(TargetError):
            two.b.try_to_take()

        assert two.b.holder is None

    def test_it_ceases_before_the_next_one_can_know(self, two: Two) -> None:
        two.a.try_to_take()
        acted: list[bool] = []
        two.store.after = lambda: acted.append(two.a.acting)
        two.a.lay_down("")

        assert acted == [False]

    def test_one_that_stands_by_has_nothing_to_lay_down(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.b.lay_down("")

        assert two.a.acting
        assert two.a.renew("")

    def test_a_store_that_is_away_says_so_and_it_runs_out_by_itself(self, two: Two) -> None:
        two.a.try_to_take()
        two.store.before = away
        with pytest.raises(TargetError):
            two.a.lay_down("")

        assert not two.a.acting


class TestWhoHeldItBefore:
    def test_an_earlier_process_on_our_node_is_known_however_it_ended(self, two: Two) -> None:
        two.a.try_to_take()
        two.a.lay_down("")
        again = two.lease("a")
        assert again.try_to_take()
        assert again.is_ours_again
        third = two.lease("a")
        third.try_to_take()
        two.time.now += TTL
        assert third.try_to_take()
        assert third.is_ours_again

    def test_a_process_on_another_node_is_none(self, two: Two) -> None:
        two.a.try_to_take()
        two.a.lay_down("")
        assert two.b.try_to_take()
        two.b.lay_down("")
        again = two.lease("a")
        assert again.try_to_take()

        assert (two.a.is_ours_again, two.b.is_ours_again, again.is_ours_again) == (False, False, False)

    def test_who_does_not_know_its_node_knows_of_none(self, two: Two) -> None:
        first, second = (Lease(store=two.store, me=name, address="", monotonic=two.time) for name in "cd")
        first.try_to_take()
        first.lay_down("")

        assert second.try_to_take()
        assert not second.is_ours_again


class TestTheLeaderOfThoseThatKeepIt:
    """When its node dies, nothing can be written for a while: who acts had better be elsewhere."""

    @pytest.fixture
    def led(self, two: Two) -> Two:
        two.store.lead = "node-b"
        return two

    def test_one_on_it_leaves_a_lease_that_was_laid_down_to_others_for_one_more_time(self, led: Two) -> None:
        led.a.try_to_take()
        led.b.try_to_take()
        led.a.lay_down("")

        assert not led.b.try_to_take()
        assert not led.pass_by(TTL - 0.1)
        assert led.pass_by(0.1)

    def test_and_one_that_ran_out(self, led: Two) -> None:
        led.a.try_to_take()
        led.b.try_to_take()

        assert not led.pass_by(2 * TTL - 0.1)
        assert led.pass_by(0.1)

    def test_and_the_first_of_all(self, led: Two) -> None:
        assert not led.b.try_to_take()
        assert not led.pass_by(TTL - 0.1)
        assert led.pass_by(0.1)

    def test_one_elsewhere_takes_it_in_the_meantime(self, led: Two) -> None:
        assert not led.b.try_to_take()
        assert led.a.try_to_take()
        assert not led.pass_by(3 * RENEW_EVERY)

    def test_nobody_waits_where_there_is_no_other_node(self, two: Two) -> None:
        two.store.lead = ""

        assert two.b.try_to_take()

    def test_nor_one_that_does_not_know_its_node(self, two: Two) -> None:
        alone = Lease(store=two.store, me="c", address="", monotonic=two.time)

        assert alone.try_to_take()
        assert two.store.asked == 0

    def test_one_elsewhere_asks_a_holder_on_it_for_the_lease(self, led: Two) -> None:
        assert led.pass_by(2 * TTL)
        assert not led.b.wanted
        led.a.try_to_take()
        assert led.b.renew("a note")

        assert (led.b.wanted, led.b.acting) == (True, True)
        led.b.lay_down("a note")
        assert led.a.try_to_take()
        assert led.a.note == "a note"
        assert not led.a.wanted

    def test_a_request_stands_for_a_time_and_is_made_again(self, led: Two) -> None:
        led.pass_by(2 * TTL)
        led.a.try_to_take()
        led.b.renew("")
        led.time.now += ASK_EVERY
        led.a.try_to_take()
        led.b.renew("")
        led.time.now += TTL - 0.1
        assert led.b.wanted
        led.time.now += 0.1
        assert not led.b.wanted

    def test_who_leads_is_asked_for_now_and_then(self, led: Two) -> None:
        led.pass_by(2 * TTL)
        led.store.asked = 0
        for _ in range(10):
            led.time.now += LOOK_EVERY
            led.b.renew("")
            led.a.try_to_take()

        assert led.store.asked == 3

    def test_a_request_is_no_sign_of_life_of_the_holder(self, led: Two) -> None:
        led.pass_by(2 * TTL)
        third = led.lease("c")
        led.a.try_to_take()
        third.try_to_take()
        led.time.now += TTL / 2
        led.a.try_to_take()
        third.try_to_take()
        led.time.now += TTL / 2

        assert third.try_to_take()

    def test_a_holder_elsewhere_is_not_asked(self, two: Two) -> None:
        two.store.lead = "node-c"
        two.a.try_to_take()
        two.b.try_to_take()

        assert two.store.record is not None
        assert two.store.record.wanted == ""

    def test_nor_does_one_on_it_ask(self, led: Two) -> None:
        led.a.try_to_take()
        led.b.try_to_take()
        assert led.a.renew("")

        assert not led.a.wanted

    def test_when_another_comes_to_lead_the_lease_goes_over_once(self, two: Two) -> None:
        two.store.lead = "node-a"
        two.b.try_to_take()
        two.a.try_to_take()
        two.store.lead = "node-b"
        two.time.now += ASK_EVERY
        two.b.renew("")
        two.a.try_to_take()
        two.b.renew("")
        assert two.b.wanted
        two.b.lay_down("")
        again = two.lease("b")
        assert not again.try_to_take()
        assert two.a.try_to_take()
        for _ in range(20):
            two.time.now += LOOK_EVERY
            assert two.a.renew("")
            assert not again.try_to_take()
            assert not two.a.wanted

    def test_a_request_at_the_moment_of_a_renewal_is_lost_and_harms_nobody(self, led: Two) -> None:
        led.pass_by(2 * TTL)

        def renewed() -> None:
            led.store.before = lambda: None
            assert led.b.renew("")

        led.store.before = renewed
        assert not led.a.try_to_take()
        assert led.b.renew("")
        assert (led.b.acting, led.b.wanted) == (True, False)

    def test_a_request_that_cannot_be_written_says_so(self, led: Two) -> None:
        led.pass_by(2 * TTL)
        led.store.before = away

        with pytest.raises(TargetError):
            led.a.try_to_take()
        assert led.b.acting

    def test_a_request_is_no_loss_of_the_lease_even_for_a_moment(self, led: Two) -> None:
        led.pass_by(2 * TTL)
        led.a.try_to_take()
        acted: list[bool] = []
        led.store.before = lambda: acted.append(led.b.acting)
        assert led.b.renew("")

        assert acted == [True, True]


class TestAfterAnElection:
    def test_a_holder_that_lives_has_the_time_to_go_on(self, two: Two) -> None:
        """Nobody could write or read for longer than the lease lasts."""
        two.a.try_to_take()
        two.b.try_to_take()
        two.time.now += 3 * TTL
        assert not two.b.try_to_take()
        before = two.a.acting
        two.time.now += RENEW_EVERY

        assert two.a.renew("")
        assert (before, two.a.acting) == (False, True)
        assert not two.pass_by(TTL - 0.1)

    def test_one_that_does_not_is_followed_by_another(self, two: Two) -> None:
        two.a.try_to_take()
        two.b.try_to_take()
        two.time.now += 3 * TTL
        assert not two.b.try_to_take()

        assert two.pass_by(TTL)


class TestSteppingBack:
    def test_one_that_could_not_act_leaves_it_to_others_for_a_while(self, two: Two) -> None:
        assert two.b.try_to_take()
        two.b.step_back()
        two.b.lay_down("")

        assert not two.pass_by(STEP_BACK - 0.1)
        assert two.pass_by(0.1)

    def test_and_does_not_ask_for_it_for_longer(self, two: Two) -> None:
        two.store.lead = "node-a"
        two.a.try_to_take()
        two.time.now += TTL
        two.a.try_to_take()
        two.b.step_back()
        for seconds in (0.0, ASK_AGAIN - 0.1):
            two.time.now += seconds
            two.a.renew("")
            two.b.try_to_take()
            assert two.a.renew("")
            assert not two.a.wanted
        two.time.now += 0.1
        two.b.try_to_take()
        assert two.a.renew("")
        assert two.a.wanted


@dataclass(frozen=True)
class Move:
    """One thing that happens: ``wait`` seconds pass, or a scaler does something.

    One that watches looks at the lease all the while.

    Attributes:
        within: happens inside its writing, before the store has it.
        late: happens after, before the answer is there.
        lost: the store is away ("before"), or its answer is lost ("after").
    """

    what: str
    who: int = 0
    wait: float = 0.0
    within: tuple[Move, ...] = ()
    late: tuple[Move, ...] = ()
    lost: str = ""


WAITS = st.builds(
    Move, what=st.just("wait"), wait=st.sampled_from([0.5, RENEW_EVERY, TTL * 0.8, TTL, TTL, TTL * 1.05])
)
WHO = st.sampled_from([0, 0, 0, 1, 1, 1, 2])
PLAIN = st.builds(Move, what=st.sampled_from(["take", "take", "renew"]), who=WHO)
LOST = st.sampled_from(["", "", "before", "after"])
AROUND = st.lists(WAITS | PLAIN, max_size=4).map(tuple)
LATE = st.builds(
    Move, what=st.sampled_from(["take", "renew", "lay down"]), who=WHO, within=AROUND, late=AROUND, lost=LOST
)
CRASH = st.builds(Move, what=st.just("crash"), who=WHO)
ELECTED = st.builds(Move, what=st.just("elected"), who=WHO)
WATCH = st.builds(Move, what=st.just("watch"), who=WHO, wait=st.sampled_from([TTL * 0.8, TTL, TTL * 1.05]))
MOVES = st.one_of(WAITS, WATCH, WATCH, PLAIN, PLAIN, LATE, LATE, CRASH, ELECTED)


class Play:
    """Three scalers, each with a clock that began elsewhere and goes a little fast or slow."""

    def __init__(self, rates: tuple[float, ...]) -> None:
        self.now = 0.0
        self.store = Store()
        self.rates = rates
        self.names = count(1)
        self.leases = [self.start(i) for i in range(len(rates))]
        self.took: list[Lease] = []
        self.busy: set[int] = set()

    def start(self, who: int) -> Lease:
        """Start the process of a scaler; it knows nothing of an earlier one."""
        return Lease(
            store=self.store,
            me=f"scaler-{next(self.names)}",
            address="",
            node=f"node-{who}",
            monotonic=lambda: 1000.0 * who + self.now * self.rates[who],
        )

    def make(self, move: Move) -> None:
        if move.what == "wait":
            self.now += move.wait
        elif move.what == "elected":
            self.store.lead = f"node-{move.who}"
        elif move.what == "watch":
            until = self.now + move.wait
            while self.now < until:
                self.now = min(until, self.now + LOOK_EVERY)
                self.make(Move("take", who=move.who))
        elif move.who not in self.busy:
            self.do(move)
        self.check()

    def do(self, move: Move) -> None:
        """Do it; a scaler has one thread for this, so nothing else of it happens inside."""
        if move.what == "crash":
            self.leases[move.who] = self.start(move.who)
            return
        self.busy.add(move.who)
        outer = self.store.before, self.store.after

        def around(moves: tuple[Move, ...], lost: bool) -> Callable[[], None]:
            def happen() -> None:
                self.store.before, self.store.after = outer
                for inner in moves:
                    self.make(inner)
                self.store.before, self.store.after = mine
                if lost:
                    away()

            return happen

        mine = around(move.within, move.lost == "before"), around(move.late, move.lost == "after")
        self.store.before, self.store.after = mine
        try:
            self.call(self.leases[move.who], move.what)
        except TargetError as error:
            assert error.reason is ErrorReason.ENGINE_UNAVAILABLE  # noqa: PT017 - it is the store that is away
        finally:
            self.store.before, self.store.after = outer
            self.busy.discard(move.who)

    def call(self, lease: Lease, what: str) -> None:
        """Do what the keeper does: one that stands by takes, one that has taken renews, however late."""
        if what == "take" and lease not in self.took:
            if lease.try_to_take():
                self.took.append(lease)
        elif what == "renew" and lease in self.took:
            if not lease.renew(""):
                self.took.remove(lease)
        elif what == "lay down":
            lease.lay_down("")

    def check(self) -> None:
        acting = [i for i, lease in enumerate(self.leases) if lease.acting]
        assert len(acting) <= 1, f"{acting} act at {self.now:.2f} s"


RATES = st.tuples(*[st.floats(0.95, 1.05)] * 3)


@settings(max_examples=5 * settings().max_examples)
@given(rates=RATES, moves=st.lists(MOVES, min_size=5, max_size=40))
def test_two_never_act_at_once(rates: tuple[float, ...], moves: list[Move]) -> None:
    """Whatever crashes, is late, is lost or comes in between, and whoever leads."""
    play = Play(rates)
    for move in moves:
        play.make(move)


@settings(max_examples=settings().max_examples * 3 // 2)
@given(moves=st.lists(MOVES, max_size=15), offset=st.floats(0, LOOK_EVERY))
def test_after_a_crash_another_acts_within_the_time_of_the_lease_and_one_look(
    moves: list[Move], offset: float
) -> None:
    """Unless the leader died: then nobody can."""
    play = Play((1.0, 1.0, 1.0))
    for move in moves:
        play.make(move)
    play.make(Move("wait", wait=offset))
    for who in (1, 2):  # both stand by and have just looked
        play.make(Move("crash", who=who))
        play.make(Move("take", who=who))
    play.store.lead = "node-1"
    play.make(Move("crash", who=0))  # if it was the one that acts
    crashed = play.now
    while not any(lease.acting for lease in play.leases):
        assert play.now - crashed <= TTL + LOOK_EVERY
        play.make(Move("wait", wait=LOOK_EVERY))
        for who in (1, 2):
            play.make(Move("take", who=who))
