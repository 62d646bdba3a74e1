"""What others do to replicas: what is remembered of it, and for how long."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler.loop.outside_changes import Outside
from scaler.model.labels import Limits
from scaler.model.services import Kept, Observation, Replica, Service
from scaler.model.view import GONE_FOR
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.world import World

WEB = ("shop", "web")


class Watched:
    """``Outside`` with a clock that stands; what it is told is a list of running numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.grace = 10.0
        self.engine = "this one"
        self.wall = 1_790_000_000.0
        self.begin()

    def begin(self) -> None:
        """Start anew, as a new process would."""
        self.world = World()
        self.journal = Journal(path=self.path)
        anchors = Anchors(wall=self.clock, monotonic=lambda: self.now)
        self.outside = Outside(world=self.world, journal=self.journal, anchors=anchors, engine=self.engine)

    def clock(self) -> float:
        return self.wall + self.now

    def sees(
        self, *numbers: int, dead: tuple[int, ...] = (), kept: Kept | None = None, **labels: str
    ) -> Service:
        ours = {f"alertscale.{name}": value for name, value in labels.items()} | {"com.example": "theirs"}
        states = dict.fromkeys(numbers, "running") | dict.fromkeys(dead, "exited")
        replicas = tuple(
            Replica(id=f"id-{n}", name=f"shop-web-{n}", number=n, status=s, labels=ours)
            for n, s in sorted(states.items())
        )
        service = Service(key=WEB, replicas=replicas, kept=kept, grace=self.grace)
        observation = Observation(services=(service,))
        self.world.update(observation=observation)
        self.outside.note(observation, now=self.now)
        return service

    def sees_nothing(self, *others: tuple[str, str]) -> None:
        observation = Observation(services=(), others=frozenset(others))
        self.world.update(observation=observation)
        self.outside.note(observation, now=self.now)

    def former(self) -> int | None:
        return self.outside.former(WEB, now=self.now)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "journal.sqlite")
    yield made
    made.journal.close()


def test_a_count_that_others_set_back_is_remembered_for_a_minute(watched: Watched) -> None:
    watched.sees(1, 2, 3, 4)
    assert watched.former() is None
    watched.sees(1)
    watched.now = 59
    assert watched.former() == 4
    watched.now = 60
    assert watched.former() is None


def test_replicas_that_go_one_after_the_other_add_up(watched: Watched) -> None:
    for left in ((1, 2, 3, 4), (1, 2, 3), (1, 2), (1,)):
        watched.sees(*left)
        watched.now += 10
    assert watched.former() == 4


def test_replicas_that_were_made_anew_under_other_ids_are_no_longer_the_former_ones(watched: Watched) -> None:
    watched.sees(1, 2, 3)
    watched.sees(7)
    assert watched.former() == 3


def test_a_count_that_is_there_again_is_forgotten(watched: Watched) -> None:
    watched.sees(1, 2, 3)
    watched.sees(1)
    watched.sees(1, 4)
    assert watched.former() == 3
    watched.sees(1, 4, 5)
    assert watched.former() is None
    watched.begin()
    watched.sees(1, 4, 5)
    assert watched.former() is None


def test_a_step_down_of_ours_forgets_what_others_took(watched: Watched) -> None:
    """A person who has ordered fewer since is not to get the former count back at the next alert."""
    watched.sees(1, 2, 3, 4)
    watched.sees(1, 2)
    assert watched.former() == 4
    watched.world.mark_draining("id-2")
    watched.sees(1, 2)
    assert watched.former() is None


def test_a_replica_that_we_take_away_ourselves_is_none_that_others_took(watched: Watched) -> None:
    watched.sees(1, 2)
    watched.world.mark_draining("id-2")
    watched.sees(1, 2)
    watched.sees(1)
    watched.world.unmark_draining("id-2")
    watched.sees(1)
    assert watched.former() is None


@pytest.mark.parametrize(("absent", "former"), [(5.0, 3), (599.0, 3), (601.0, None)])
def test_a_scaler_that_was_away_knows_what_there_was_for_ten_minutes(
    watched: Watched, absent: float, former: int | None
) -> None:
    watched.sees(1, 2, 3)
    watched.journal.close()
    watched.now = absent
    watched.begin()
    watched.sees(1)
    assert watched.former() == former


@pytest.mark.parametrize(("absent", "former"), [(590, 4), (610, None)])
def test_so_it_is_with_a_service_that_was_away(watched: Watched, absent: float, former: int | None) -> None:
    """What comes a day later has nothing but the name of what was removed."""
    watched.sees(1, 2, 3, 4)
    watched.sees_nothing()
    watched.now = absent
    watched.sees(5)
    assert watched.former() == former


def test_a_scaler_that_was_replaced_in_the_middle_knows_it_still(watched: Watched) -> None:
    watched.sees(1, 2, 3)
    watched.sees(1)
    watched.journal.close()
    watched.begin()
    watched.sees(1)
    assert watched.former() == 3


def test_it_is_written_that_the_replicas_still_stand(watched: Watched) -> None:
    watched.sees(1, 2, 3)
    watched.now = 3600
    watched.sees(1, 2, 3)
    watched.journal.close()
    watched.now = 3700
    watched.begin()
    watched.sees(1)
    assert watched.former() == 3


@pytest.mark.parametrize("by", [-3600.0, 3600.0])
def test_a_clock_that_is_set_changes_nothing(watched: Watched, by: float) -> None:
    watched.sees(1, 2)
    watched.sees(1)
    assert watched.former() == 2
    watched.wall += by
    watched.now = 59
    watched.sees(1)
    assert watched.former() == 2
    watched.now = 60
    assert watched.former() is None


def test_one_that_was_asked_to_stop_counts_no_more_and_is_known_as_lost(watched: Watched) -> None:
    service = watched.sees(1, 2)
    assert watched.outside.lost_at(service, view=watched.world.view) is None
    watched.now = 5
    watched.outside.asked_to_stop("id-2", now=watched.now)
    assert [r.number for r in watched.world.view.counted(service)] == [1]
    assert watched.outside.lost_at(service, view=watched.world.view) == 5


def test_one_that_a_step_of_ours_took_away_is_never_lost(watched: Watched) -> None:
    """Of several steps that end at once, one is looked at by what was so a moment before another's end."""
    watched.world.mark_draining("id-2")
    watched.sees(1, 2)
    watched.outside.asked_to_stop("id-2", now=1)
    service, before = watched.sees(1, dead=(2,)), watched.world.view
    watched.sees(1)
    watched.world.unmark_draining("id-2")
    watched.outside.asked_to_stop("id-2", now=2)  # the event came late
    assert watched.outside.lost_at(service, view=before) is None


def test_one_that_was_started_again_counts_again(watched: Watched) -> None:
    service = watched.sees(1, 2)
    watched.outside.asked_to_stop("id-2", now=0)
    watched.outside.started("id-2")
    assert len(watched.world.view.counted(service)) == 2
    assert watched.outside.lost_at(service, view=watched.world.view) is None


@pytest.mark.parametrize(
    ("grace", "later", "counted"),
    [(10.0, 609.0, 1), (10.0, 610.0, 2), (1800.0, 2399.0, 1), (1800.0, 2400.0, 2)],
)
def test_one_that_does_not_stop_counts_again_ten_minutes_after_its_grace(
    watched: Watched, grace: float, later: float, counted: int
) -> None:
    """A stop may be given a longer grace than the service's own, of which the engine tells nobody."""
    watched.grace = grace
    watched.sees(1, 2)
    watched.outside.asked_to_stop("id-2", now=0)
    watched.now = later
    service = watched.sees(1, 2)
    assert len(watched.world.view.counted(service)) == counted


def test_the_dead_are_known_for_as_long_as_they_are_there(watched: Watched) -> None:
    watched.sees(1, dead=(2,))
    watched.now = 7
    watched.sees(1, dead=(2,))
    assert watched.outside.dead_for("id-2", now=9) == 9
    assert watched.outside.dead_for("id-1", now=9) == 0
    watched.sees(1)
    assert watched.outside.dead_for("id-2", now=9) == 0


def test_where_the_engine_keeps_the_count_replicas_that_go_are_nobodys_doing(watched: Watched) -> None:
    """They move to other nodes; and a count that was changed by hand is meant."""
    kept = Kept(id="s", count=4, version=9, changed_at=1.0, updating=False, labels={})
    watched.sees(1, 2, 3, 4, kept=kept)
    watched.sees(1, kept=kept)
    assert watched.former() is None
    assert watched.journal.standing(WEB).replicas == frozenset()


class TestMissed:
    """What a scaler knows of services that it has not seen itself."""

    def missed(self, watched: Watched) -> dict[tuple[str, str], tuple[Limits | None, float]]:
        watched.journal.close()
        watched.begin()
        return {key: (gone.limits, gone.until) for key, gone in watched.outside.missed().items()}

    def test_they_are_known_with_their_bounds_for_a_quarter_of_an_hour_from_when_they_were_seen(
        self, watched: Watched
    ) -> None:
        watched.sees(1, max="3")
        watched.now = 50
        assert self.missed(watched) == {WEB: (Limits(maximum=3), GONE_FOR)}

    def test_that_they_are_there_still_is_written_once_a_minute(self, watched: Watched) -> None:
        for watched.now in (0, 59, 60, 61):
            watched.sees(1)
        assert self.missed(watched) == {WEB: (Limits(), 60 + GONE_FOR)}

    def test_another_label_is_written_at_once_and_one_of_others_never(self, watched: Watched) -> None:
        watched.sees(1, max="3")
        watched.now = 1
        watched.sees(1, max="4")
        assert watched.journal.sightings()[WEB].labels == {"alertscale.max": "4"}

    def test_so_is_that_the_last_container_went(self, watched: Watched) -> None:
        watched.sees(1)
        watched.now = 50
        watched.sees_nothing()
        assert self.missed(watched) == {WEB: (Limits(), 50 + GONE_FOR)}

    def test_labels_that_cannot_be_read_give_no_bounds(self, watched: Watched) -> None:
        watched.sees(1, max="three")
        assert self.missed(watched) == {WEB: (None, GONE_FOR)}

    def test_what_was_on_another_engine_is_not_missed_on_this_one(self, watched: Watched) -> None:
        """A backup of that server was put in place here."""
        watched.sees(1)
        there, watched.engine = watched.engine, "another"
        assert self.missed(watched) == {}
        watched.engine = there
        assert self.missed(watched) == {WEB: (Limits(), GONE_FOR)}

    def test_one_that_is_not_to_be_scaled_any_more_is_not_missed(self, watched: Watched) -> None:
        watched.sees(1)
        watched.sees_nothing(WEB)
        assert self.missed(watched) == {}
