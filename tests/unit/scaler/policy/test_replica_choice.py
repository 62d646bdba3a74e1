"""Which replica is the model, which leaves, and which dead ones are cleared away."""

from dataclasses import replace
from typing import Any

from scaler.model.labels import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE
from scaler.model.services import Kept, Replica, Service
from scaler.policy import replica_choice
from scaler.policy.replica_choice import DEAD_FOR


def replica(number: int, status: str = "running", *, version: str = "a") -> Replica:
    return Replica(id=f"id{number}", name=f"shop-web-{number}", number=number, status=status, version=version)


def composed(number: int, **more: Any) -> Replica:  # noqa: ANN401 - fields of Replica
    """One with the labels that Compose gives it."""
    labels = {COMPOSE_PROJECT: "shop", COMPOSE_SERVICE: "web", COMPOSE_NUMBER: str(number)}
    return replace(replica(number), labels=labels, **more)


def service(*replicas: Replica, kept: Kept | None = None) -> Service:
    return Service(key=("shop", "web"), replicas=replicas, kept=kept)


def test_the_model_is_the_newest_that_runs() -> None:
    assert replica_choice.model([replica(1), replica(2), replica(3, "restarting")]).number == 2


def test_when_none_runs_the_newest_is_the_model() -> None:
    assert replica_choice.model([replica(1, "paused"), replica(2, "restarting")]).number == 2


def test_one_that_somebody_has_renamed_is_no_model_while_another_is_there() -> None:
    """Its name would be taken for a container_name, which no second one can have."""
    assert replica_choice.model([composed(1), composed(2, name="old-web")]).number == 1
    assert replica_choice.model([composed(1, status="paused"), composed(2, name="old-web")]).number == 1
    assert replica_choice.model([composed(2, name="old-web")]).number == 2


def test_of_several_versions_the_newest_that_serves_is_the_model() -> None:
    """A deploy that broke off may have left one that never will; else what was deployed last counts."""
    anew, old, broken = composed(1, created_at=5), composed(2, created_at=1), composed(3, created_at=9)

    assert replica_choice.model([anew, old, broken], {anew.id, old.id}).number == 1
    assert replica_choice.model([anew, old, broken], {old.id}).number == 2
    assert replica_choice.model([anew, old, broken]).number == 3


def test_new_numbers_are_above_the_highest_that_of_dead_ones_included() -> None:
    assert list(replica_choice.new_numbers(service(replica(1), replica(7, "exited")), 2)) == [8, 9]


def test_the_highest_numbers_leave_first() -> None:
    assert [r.number for r in replica_choice.leaving([replica(1), replica(5), replica(2)], 2)] == [5, 2]


def gone(*replicas: Replica, seconds: float = DEAD_FOR, kept: Kept | None = None) -> list[int]:
    """Numbers of those cleared away when each dead one has been dead for so long."""
    dead_for = {r.id: seconds if r.status in {"exited", "dead"} else 0.0 for r in replicas}
    return [r.number for r in replica_choice.cleared_away(service(*replicas, kept=kept), dead_for)]


def test_the_dead_are_cleared_away_after_a_while_when_others_live() -> None:
    assert gone(replica(1), replica(2, "exited"), replica(3, "dead")) == [2, 3]
    assert gone(replica(1), replica(2, "exited"), seconds=DEAD_FOR - 0.1) == []


def test_a_service_that_is_dead_as_a_whole_was_stopped_by_somebody() -> None:
    assert gone(replica(1, "exited"), replica(2, "exited")) == []


def test_during_a_deploy_nothing_is_cleared_away() -> None:
    assert gone(replica(1), replica(2, "exited", version="b")) == []


def test_an_engine_that_keeps_the_count_clears_away_by_itself() -> None:
    kept = Kept(id="s", count=2, version=1, changed_at=0.0, updating=False, labels={})
    assert gone(replica(1), replica(2, "exited"), kept=kept) == []
