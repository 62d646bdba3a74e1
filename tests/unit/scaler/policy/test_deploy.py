"""When a service counts as being deployed."""

from scaler.model.services import Kept, Replica, Service
from scaler.policy.deploy import is_under_way, versions


def replica(number: int, version: str) -> Replica:
    return Replica(
        id=f"id{number}", name=f"shop-web-{number}", number=number, status="running", version=version
    )


def service(*replicas: Replica, updating: bool | None = None) -> Service:
    kept = None
    if updating is not None:
        kept = Kept(id="s", count=2, version=1, changed_at=0.0, updating=updating, labels={})
    return Service(key=("shop", "web"), replicas=replicas, kept=kept)


def test_replicas_of_one_definition_are_no_deploy() -> None:
    one = service(replica(1, "a"), replica(2, "a"))
    assert versions(one, one.replicas) == 1
    assert not is_under_way(versions=1)


def test_replicas_of_two_definitions_are() -> None:
    two = service(replica(1, "a"), replica(2, "b"))
    assert versions(two, two.replicas) == 2
    assert is_under_way(versions=2)


def test_only_the_replicas_asked_about_count() -> None:
    two = service(replica(1, "a"), replica(2, "b"))
    assert versions(two, two.replicas[:1]) == 1


def test_a_service_without_replicas_has_one_definition() -> None:
    assert versions(service(), ()) == 1


def test_an_engine_that_replaces_replicas_deploys_before_the_first_new_one_is_there() -> None:
    updated = service(replica(1, "a"), updating=True)
    assert is_under_way(versions=versions(updated, updated.replicas))
    still = service(replica(1, "a"), updating=False)
    assert not is_under_way(versions=versions(still, still.replicas))
