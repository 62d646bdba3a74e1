"""The engine in memory keeps to the contract of the real one, or the unit tests would prove nothing."""

import pytest

from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from tests.contract.target import ContainersContract, ContainersStage
from tests.fakes import FakeTarget


class TestFakeTarget(ContainersContract):
    @pytest.fixture
    def stage(self) -> ContainersStage:
        target = FakeTarget(others=frozenset({("shop", "db")}))
        target.add(("shop", "web"))
        return ContainersStage(target=target, service=("shop", "web"), other=("shop", "db"))

    def test_an_engine_that_is_away_says_so(self, stage: ContainersStage) -> None:
        assert isinstance(stage.target, FakeTarget)
        stage.target.down = True

        with pytest.raises(TargetError) as caught:
            stage.target.observe()
        assert caught.value.reason is ErrorReason.ENGINE_UNAVAILABLE
