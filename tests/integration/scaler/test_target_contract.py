"""The Compose target on the real engine, held to the contract that the one in memory keeps."""

from collections.abc import Iterator

import pytest

from tests.contract.target import ContainersContract, ContainersStage
from tests.integration.scaler.projects import IMAGE, SERVER, Project, project

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    definition = {
        "services": {
            "web": SERVER,
            "db": {"image": IMAGE, "command": ["sleep", "infinity"], "stop_grace_period": "0s"},
        }
    }
    with project(tmp_path_factory.mktemp("shop"), definition) as made:
        yield made


class TestComposeTarget(ContainersContract):
    @pytest.fixture
    def stage(self, shop: Project) -> Iterator[ContainersStage]:
        service = (shop.name, "web")
        yield ContainersStage(target=shop.target, service=service, other=(shop.name, "db"))
        for observed in shop.target.observe().services:
            for replica in observed.replicas:
                if replica.number > 1:
                    shop.target.discard(replica.id)
