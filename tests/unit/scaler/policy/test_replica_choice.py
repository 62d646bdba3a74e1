"""Which replica is the model, which leaves, and which dead ones are cleared away."""

from dataclasses import replace
from typing import Any

from scaler.model.labels import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE
from scaler.model.services import Health, Kept, Replica, Service
from scaler.model.view import Readiness, View
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


def test_of_an_outdated_version_none_is_the_model_however_young_while_a_new_one_serves() -> None:
    old, new = composed(1, version="old", created_at=1), composed(2, version="new", created_at=5)
    copied = composed(3, version="old", created_at=9)

    assert replica_choice.model([old, new, copied], {old.id, new.id, copied.id}).number == 2
    assert replica_choice.model([old, new, copied], {old.id, copied.id}).number == 3


def test_new_numbers_are_above_the_highest_that_of_dead_ones_included() -> None:
    assert list(replica_choice.new_numbers(service(replica(1), replica(7, "exited")), 2)) == [8, 9]


def seen(*ready: Replica, serving: tuple[Replica, ...] = ()) -> View:
    """Only these are ready."""
    return View(
        readiness={r.id: Readiness(ready=True) for r in ready}, serving=frozenset(r.id for r in serving)
    )


def leaving(*replicas: Replica, view: View, count: int = 1) -> list[int]:
    return [r.number for r in replica_choice.leaving(replicas, count, view=view)]


class TestLeaving:
    def test_the_highest_numbers_leave_first(self) -> None:
        all_of_them = (replica(1), replica(5), replica(2))
        assert leaving(*all_of_them, view=seen(*all_of_them), count=2) == [5, 2]

    def test_one_that_is_not_ready_leaves_before_a_ready_one_of_a_higher_number(self) -> None:
        ill, ready = replica(1), replica(2)
        assert leaving(ill, ready, view=seen(ready)) == [1]

    def test_what_cannot_serve_leaves_first_whatever_it_is(self) -> None:
        """A worker with a health check: one is healthy, one is not, and one is paused."""
        healthy = replace(replica(1), health=Health.HEALTHY)
        ill, paused, restarting = (
            replace(replica(2), health=Health.UNHEALTHY),
            replica(3, "paused"),
            replica(4, "restarting"),
        )
        view = seen(healthy, paused, restarting)
        assert leaving(healthy, ill, paused, restarting, view=view, count=3) == [2, 4, 3]

    def test_one_that_docker_calls_unhealthy_leaves_though_it_answers(self) -> None:
        ill, ready = replace(replica(1), health=Health.UNHEALTHY), replica(2)
        assert leaving(ill, ready, view=seen(ill, ready)) == [1]

    def test_where_nobody_is_ready_whom_nginx_tries_stays(self) -> None:
        silent, served = replica(1), replica(2)
        assert leaving(silent, served, view=seen(serving=(served,))) == [1]

    def test_one_that_nginx_is_just_being_given_stays_before_an_outdated_one_that_it_has(self) -> None:
        old = replace(replica(1, version="old"), created_at=1.0)
        new = replace(replica(2, version="new"), created_at=9.0)
        assert leaving(old, new, view=seen(old, new, serving=(old,))) == [1]

    def test_then_the_outdated_leave(self) -> None:
        """Compose keeps the numbers of what it makes anew."""
        new = replace(replica(1, version="new"), created_at=9.0)
        old = replace(replica(2, version="old"), created_at=5.0)
        older = replace(replica(3, version="older"), created_at=1.0)
        assert leaving(new, old, older, view=seen(new, old, older), count=2) == [3, 2]
        assert leaving(new, old, view=seen(new)) == [2]

    def test_one_copied_in_the_middle_of_a_deploy_is_as_outdated_as_its_model(self) -> None:
        old = replace(replica(1, version="old"), created_at=1.0)
        new = replace(replica(2, version="new"), created_at=5.0)
        copied = replace(replica(3, version="old"), created_at=9.0)
        assert leaving(old, new, copied, view=seen(old, new, copied), count=2) == [3, 1]

    def test_an_outdated_one_that_serves_stays_before_a_new_one_that_does_not(self) -> None:
        old = replace(replica(1, version="old"), created_at=1.0)
        new = replace(replica(2, version="new"), created_at=9.0)
        assert leaving(old, new, view=seen(old)) == [2]


class TestSpare:
    KEPT = Kept(id="s", count=3, version=1, changed_at=0.0, updating=False, labels={})

    def spare(
        self, *ready: int, going: tuple[int, ...] = (), kept: Kept | None = None, draining: str = ""
    ) -> int | None:
        counted = [replica(n) for n in (1, 2, 3)]
        view = replace(seen(*(replica(n) for n in ready)), draining=frozenset({draining}))
        return replica_choice.spare(
            service(*counted, kept=kept), counted, going=[replica(n) for n in going], view=view
        )

    def test_where_we_choose_a_ready_one_stays_by_itself(self) -> None:
        assert self.spare(2) is None

    def test_of_those_that_are_named_none_may_go_while_no_other_is_ready(self) -> None:
        assert self.spare(2, going=(2,)) == 0
        assert self.spare(2, 3, going=(2, 3)) == 0
        assert self.spare(1, 2, going=(2,)) is None

    def test_one_that_is_leaving_already_is_asked_about_as_if_it_were_not(self) -> None:
        assert self.spare(2, going=(2,), draining="id2") == 0

    def test_what_no_replica_is_none_can_be_the_last_of(self) -> None:
        assert self.spare(going=(2,)) is None

    def test_where_the_engine_chooses_as_many_as_are_ready_but_one(self) -> None:
        assert self.spare(2, kept=self.KEPT) == 0
        assert self.spare(1, 2, kept=self.KEPT) == 1

    def test_where_all_or_none_are_ready_it_may_choose_any(self) -> None:
        assert self.spare(1, 2, 3, kept=self.KEPT) is None
        assert self.spare(kept=self.KEPT) is None


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
