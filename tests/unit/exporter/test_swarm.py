"""A replica on Swarm appears under the very labels that a replica of Compose has."""

from pathlib import Path

from exporter.containers import track
from exporter.settings import DEFAULT_LABELS
from exporter.swarm import with_compose_names
from tests.unit.exporter.builders import container

TASK = {
    "com.docker.stack.namespace": "shop",
    "com.docker.swarm.node.id": "n1x",
    "com.docker.swarm.service.id": "s1x",
    "com.docker.swarm.service.name": "shop_flask-app",
    "com.docker.swarm.task": "",
    "com.docker.swarm.task.id": "t1x",
    "com.docker.swarm.task.name": "shop_flask-app.2.t1x",
}


def rendered(labels: dict[str, str]) -> str:
    tracked = track(
        container(labels=labels, name="replica"),
        driver="cgroupfs",
        cgroup_root=Path("/nowhere"),
        container_labels=DEFAULT_LABELS,
    )
    return tracked.labels


def test_a_task_has_the_same_metric_labels_as_a_replica_of_compose() -> None:
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "flask-app"}
    assert rendered(TASK) == rendered(compose)


def test_the_stack_is_the_project_and_is_taken_off_the_service() -> None:
    names = with_compose_names(TASK)
    assert names["com.docker.compose.project"] == "shop"
    assert names["com.docker.compose.service"] == "flask-app"


def test_only_the_stack_itself_is_taken_off_a_name_that_holds_it_twice() -> None:
    names = with_compose_names({**TASK, "com.docker.swarm.service.name": "shop_shop_api"})
    assert names["com.docker.compose.service"] == "shop_api"


def test_a_service_without_a_stack_has_no_project_and_its_whole_name() -> None:
    names = with_compose_names({"com.docker.swarm.service.name": "shop_api"})
    assert names["com.docker.compose.project"] == ""
    assert names["com.docker.compose.service"] == "shop_api"


def test_labels_of_compose_are_left_as_they_are() -> None:
    both = {**TASK, "com.docker.compose.project": "mine", "com.docker.compose.service": "web"}
    assert with_compose_names(both) == both


def test_a_container_of_neither_gains_no_label() -> None:
    assert with_compose_names({"team": "a"}) == {"team": "a"}
    assert with_compose_names({"com.docker.stack.namespace": "shop"}) == {
        "com.docker.stack.namespace": "shop"
    }
