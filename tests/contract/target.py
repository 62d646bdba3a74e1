"""What every engine promises the loop: the contract of :class:`scaler.engines.contract.Target`, as tests.

A test class that derives from :class:`TargetContract` and gives the fixture ``stage`` runs all of them. What
only holds where replicas are made one by one is in :class:`ContainersContract`, and where the engine keeps a
count in :class:`CountsContract`, which have those too.
"""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import pytest

from scaler.engines.contract import Containers, Counts, Target
from scaler.model.errors import TargetError
from scaler.model.labels import COMPOSE_NUMBER
from scaler.model.reasons import ErrorReason
from scaler.model.services import GONE, STOPPING, Change, Kept, Replica, Service, ServiceKey
from tests.fakes import until

GROWN_WITHIN = 40.0
"""Seconds, for an engine that takes its own time."""


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """An engine on which one service runs one replica with the number 1.

    Attributes:
        target: what is tested.
        service: the service that is enabled.
        other: a service of the same project that is not.
    """

    target: Target
    service: ServiceKey
    other: ServiceKey

    def seen(self) -> Service:
        return next(s for s in self.target.observe().services if s.key == self.service)

    def replica(self, replica: str) -> Replica | None:
        """Return what a new list shows of a replica; None when it is not there."""
        listed = [s for s in self.target.observe().services if s.key == self.service]
        return next((r for s in listed for r in s.replicas if r.id == replica), None)

    @property
    def model(self) -> str:
        return self.seen().replicas[0].id

    def running_replicas(self) -> tuple[Replica, ...]:
        """Those that run and are to stay."""
        return tuple(r for r in self.seen().replicas if r.status == "running" and not r.leaving)

    @abstractmethod
    def grow(self) -> None:
        """Ask for one replica more, the way a step up does."""

    @abstractmethod
    def shrink(self) -> None:
        """Ask for one replica fewer, the way a step down does."""


@dataclass(frozen=True, kw_only=True)
class ContainersStage(Stage):
    """The same where replicas are made one by one."""

    target: Containers

    def running(self, number: int = 2) -> str:
        """Make a replica and start it."""
        made = self.target.create(model=self.model, number=number)
        self.target.start(made)
        return made

    def stopped(self, number: int = 2) -> str:
        made = self.running(number)
        self.target.stop(made)
        return made

    def grow(self) -> None:
        self.running(max(r.number for r in self.seen().replicas) + 1)

    def shrink(self) -> None:
        last = self.seen().replicas[-1].id
        self.target.stop(last)
        self.target.remove(last)


@dataclass(frozen=True, kw_only=True)
class CountsStage(Stage):
    """The same where the engine keeps a count."""

    target: Counts

    @property
    def kept(self) -> Kept:
        kept = self.seen().kept
        assert kept is not None
        return kept

    def grow(self) -> None:
        self.target.set_count(self.kept, self.kept.count + 1)

    def shrink(self) -> None:
        self.target.set_count(self.kept, self.kept.count - 1)


@dataclass(kw_only=True)
class Ear:
    """Listens to a target's changes from now on.

    Attributes:
        target: whose.
        heard: the changes so far.
        done: set it, and the next change is the last.
    """

    target: Target
    heard: list[Change] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Begin."""
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        for change in self.target.changes():
            self.heard.append(change)
            if self.done.is_set():
                return


class TargetContract:
    """Derive from it, name it ``Test…`` and give it the fixture ``stage``."""

    def test_preparing_makes_nothing(self, stage: Stage) -> None:
        stage.target.prepare(model=stage.model)

        assert len(stage.seen().replicas) == 1

    def test_an_engine_that_answers_answers_a_ping(self, stage: Stage) -> None:
        stage.target.ping()

    def test_observe_lists_the_enabled_service_with_its_replica(self, stage: Stage) -> None:
        (replica,) = stage.seen().replicas

        assert (replica.number, replica.status, replica.live) == (1, "running", True)
        assert replica.labels["alertscale.enable"] == "true"
        assert stage.seen().labels == replica.labels
        assert replica.addresses
        assert replica.version

    def test_observe_tells_of_services_that_are_not_enabled(self, stage: Stage) -> None:
        observation = stage.target.observe()

        assert stage.other in observation.others
        assert stage.service not in observation.others

    def test_one_more_runs_at_an_address_of_its_own_like_the_first(self, stage: Stage) -> None:
        stage.grow()
        until(lambda: len(stage.running_replicas()) == 2, what="two that run", seconds=GROWN_WITHIN)
        first, second = stage.running_replicas()

        assert (first.number, second.number) == (1, 2)
        assert second.version == first.version
        assert second.addresses.keys() == first.addresses.keys()
        assert set(second.addresses.values()).isdisjoint(first.addresses.values())

    def test_one_fewer_is_gone_in_the_end(self, stage: Stage) -> None:
        stage.grow()
        until(lambda: len(stage.running_replicas()) == 2, what="two that run", seconds=GROWN_WITHIN)
        stage.shrink()

        until(lambda: len(stage.seen().replicas) == 1, what="one that is left", seconds=GROWN_WITHIN)
        assert len(stage.running_replicas()) == 1

    def test_changes_tell_of_one_more(self, stage: Stage) -> None:
        """What changes before the link is there is lost, so it is the second change that must be heard of."""
        ear = Ear(target=stage.target)
        stage.grow()
        until(lambda: len(stage.running_replicas()) == 2, what="two that run", seconds=GROWN_WITHIN)
        before = len(ear.heard)
        ear.done.set()
        stage.shrink()
        until(lambda: len(ear.heard) > before, what="a change is heard of", seconds=GROWN_WITHIN)
        ear.thread.join(10)

        assert all(change.action for change in ear.heard)


class ContainersContract(TargetContract):
    """What holds beside it where replicas are made and taken away one by one."""

    def test_find_returns_the_replica_with_that_number(self, stage: ContainersStage) -> None:
        assert stage.target.find(service=stage.service, number=1) == stage.model

    def test_find_returns_none_when_there_is_none(self, stage: ContainersStage) -> None:
        assert stage.target.find(service=stage.service, number=99) is None
        assert stage.target.find(service=(stage.service[0], "nobody"), number=1) is None
        assert stage.target.find(service=("nobody", stage.service[1]), number=1) is None

    def test_create_makes_a_sibling_that_does_not_run_yet(self, stage: ContainersStage) -> None:
        made = stage.target.create(model=stage.model, number=2)
        first, second = stage.seen().replicas

        assert (second.id, second.number, second.live) == (made, 2, False)
        assert stage.target.find(service=stage.service, number=2) == made
        assert second.version == first.version
        assert dict(second.labels) == {**first.labels, COMPOSE_NUMBER: "2"}

    def test_create_of_a_number_that_is_taken_is_refused_and_changes_nothing(
        self, stage: ContainersStage
    ) -> None:
        before = stage.seen()

        with pytest.raises(TargetError) as caught:
            stage.target.create(model=stage.model, number=1)
        assert caught.value.reason is ErrorReason.ENGINE_REFUSED
        assert [r.id for r in stage.seen().replicas] == [r.id for r in before.replicas]

    def test_create_from_a_model_that_is_gone_is_refused(self, stage: ContainersStage) -> None:
        gone = stage.running()
        stage.target.discard(gone)

        with pytest.raises(TargetError) as caught:
            stage.target.create(model=gone, number=3)
        assert caught.value.reason is ErrorReason.MODEL_GONE
        assert stage.target.find(service=stage.service, number=3) is None

    def test_start_makes_it_run_at_an_address_of_its_own(self, stage: ContainersStage) -> None:
        stage.running()
        first, second = stage.seen().replicas

        assert second.status == "running"
        assert second.addresses.keys() == first.addresses.keys()
        assert set(second.addresses.values()).isdisjoint(first.addresses.values())
        assert second.ports == first.ports

    def test_start_again_is_fine(self, stage: ContainersStage) -> None:
        stage.target.start(stage.model)

        assert stage.seen().replicas[0].status == "running"

    def test_start_of_one_that_is_gone_is_refused(self, stage: ContainersStage) -> None:
        made = stage.running()
        stage.target.discard(made)

        with pytest.raises(TargetError) as caught:
            stage.target.start(made)
        assert caught.value.reason is ErrorReason.ENGINE_REFUSED

    def test_stop_leaves_it_listed_and_dead(self, stage: ContainersStage) -> None:
        replica = stage.replica(stage.stopped())

        assert replica is not None
        assert replica.status in GONE
        assert not replica.live

    def test_the_fate_of_one_that_runs_is_that_nothing_happened(self, stage: ContainersStage) -> None:
        fate = stage.target.fate(stage.model)

        assert fate is not None
        assert (fate.exit_code, fate.out_of_memory, fate.restarts) == (None, False, 0)

    def test_the_fate_of_one_that_is_gone_is_not_known(self, stage: ContainersStage) -> None:
        made = stage.running()
        stage.target.discard(made)

        assert stage.target.fate(made) is None

    def test_the_last_words_are_those_of_one_that_is_there_and_one_that_is_gone_has_none(
        self, stage: ContainersStage
    ) -> None:
        made = stage.running()

        assert isinstance(stage.target.last_words(made), tuple)
        stage.target.discard(made)
        assert stage.target.last_words(made) == ()

    def test_stop_again_is_fine(self, stage: ContainersStage) -> None:
        stage.target.stop(stage.stopped())

    def test_remove_takes_away_a_stopped_one(self, stage: ContainersStage) -> None:
        made = stage.stopped()
        stage.target.remove(made)

        assert stage.replica(made) is None
        assert stage.target.find(service=stage.service, number=2) is None

    def test_remove_refuses_one_that_runs(self, stage: ContainersStage) -> None:
        with pytest.raises(TargetError) as caught:
            stage.target.remove(stage.model)
        assert caught.value.reason is ErrorReason.ENGINE_REFUSED
        assert stage.seen().replicas[0].live

    def test_discard_takes_away_one_that_runs_and_one_that_never_did(self, stage: ContainersStage) -> None:
        made = [stage.running(2), stage.target.create(model=stage.model, number=3)]
        for replica in made:
            stage.target.discard(replica)

        assert [r.number for r in stage.seen().replicas] == [1]

    def test_gone_is_as_good_for_stop_remove_and_discard(self, stage: ContainersStage) -> None:
        made = stage.running()
        stage.target.discard(made)

        stage.target.stop(made)
        stage.target.remove(made)
        stage.target.discard(made)

    def test_a_number_can_be_taken_again(self, stage: ContainersStage) -> None:
        first = stage.stopped()
        stage.target.remove(first)

        assert stage.running() != first

    def test_changes_tell_of_start_and_death_with_the_container(self, stage: ContainersStage) -> None:
        """Changes before the link is there are lost, so replicas are made until one is heard of."""
        ear = Ear(target=stage.target)
        numbers = iter(range(2, 50))

        def make() -> bool:
            stage.target.discard(stage.running(next(numbers)))
            return bool(ear.heard)

        until(make, what="a change is heard of")
        made = stage.running(50)
        stage.target.stop(made)
        until(lambda: Change(action="die", container=made) in ear.heard, what="the death is heard of")
        ear.done.set()
        stage.target.remove(made)
        ear.thread.join(10)

        assert not ear.thread.is_alive()
        assert Change(action="start", container=made) in ear.heard
        # It is told first, so that nginx can let go of it while it still serves.
        asked, died = (Change(action=word, container=made) for word in (STOPPING, "die"))
        assert ear.heard.index(asked) < ear.heard.index(died)
        assert all(change.action for change in ear.heard)


class CountsContract(TargetContract):
    """What holds beside it where the engine keeps a count."""

    def test_the_count_is_told_with_the_labels_of_the_service(self, stage: CountsStage) -> None:
        assert (stage.kept.count, stage.kept.updating) == (1, False)
        assert stage.kept.labels["alertscale.enable"] == "true"

    def test_a_change_makes_another_version_at_a_later_time(self, stage: CountsStage) -> None:
        before = stage.kept
        stage.target.set_count(before, 2)
        after = stage.kept

        assert (after.id, after.count) == (before.id, 2)
        assert after.version > before.version
        assert after.changed_at > before.changed_at

    def test_a_change_decided_on_an_older_version_changes_nothing(self, stage: CountsStage) -> None:
        old = stage.kept
        stage.grow()

        with pytest.raises(TargetError) as caught:
            stage.target.set_count(old, 5)
        assert caught.value.reason is ErrorReason.OVERTAKEN
        assert stage.kept.count == 2

    def test_nothing_is_told_of_a_service_of_which_no_replica_failed(self, stage: CountsStage) -> None:
        assert stage.target.trouble(stage.kept) == ""
