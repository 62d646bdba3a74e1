"""The Swarm in memory keeps to the contract of the real one, or the unit tests would prove nothing."""

import pytest

from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from tests.contract.target import CountsContract, CountsStage
from tests.fake_swarm import NO_NODE, WEB, FakeSwarm


@pytest.fixture
def swarm() -> FakeSwarm:
    made = FakeSwarm(others=frozenset({("shop", "db")}))
    made.add(WEB)
    return made


class TestFakeSwarm(CountsContract):
    @pytest.fixture
    def stage(self, swarm: FakeSwarm) -> CountsStage:
        return CountsStage(target=swarm, service=WEB, other=("shop", "db"))

    def test_an_engine_that_is_away_says_so(self, stage: CountsStage, swarm: FakeSwarm) -> None:
        swarm.down = True

        with pytest.raises(TargetError) as caught:
            stage.grow()
        assert caught.value.reason is ErrorReason.ENGINE_UNAVAILABLE

    def test_one_that_finds_no_node_is_created_with_the_reason_and_runs_once_there_is_one(
        self, stage: CountsStage, swarm: FakeSwarm
    ) -> None:
        swarm.unplaceable = NO_NODE
        stage.grow()
        second = stage.seen().replicas[1]

        assert (second.status, second.live, second.trouble) == ("created", False, NO_NODE)
        swarm.recover()
        assert len(stage.running_replicas()) == 2

    def test_one_that_leaves_is_marked_until_it_has_ended(self, stage: CountsStage, swarm: FakeSwarm) -> None:
        swarm.lingers = True
        stage.grow()
        stage.shrink()

        assert [(r.number, r.status, r.leaving) for r in stage.seen().replicas] == [
            (1, "running", False),
            (2, "running", True),
        ]
        swarm.vanish()
        assert [r.number for r in stage.seen().replicas] == [1]

    def test_tasks_may_follow_the_count_a_moment_later(self, stage: CountsStage, swarm: FakeSwarm) -> None:
        swarm.hesitates = True
        stage.grow()

        assert (stage.kept.count, len(stage.seen().replicas)) == (2, 1)
        swarm.follow()
        assert len(stage.seen().replicas) == 2

    def test_others_change_the_count_whatever_the_version(self, stage: CountsStage, swarm: FakeSwarm) -> None:
        before = stage.kept
        swarm.scale(3)

        assert (stage.kept.count, stage.kept.version > before.version) == (3, True)

    def test_an_update_is_shown_while_it_goes_on(self, stage: CountsStage, swarm: FakeSwarm) -> None:
        swarm.update(updating=True)
        during = stage.kept
        swarm.update(updating=False, definition="v2")

        assert (during.updating, stage.kept.updating) == (True, False)
        assert [r.version for r in stage.seen().replicas] == ["v2"]
