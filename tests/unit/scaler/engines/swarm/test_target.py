"""What a Swarm manager is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import docker.errors
import pytest
import requests

from scaler.engines.swarm.target import SwarmTarget
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from scaler.model.services import Change, Kept
from tests.unit.scaler.engines.swarm.test_listing import Json, service, task

# ruff: noqa: ARG002 - the signatures are those of the API's client


@dataclass
class Manager:
    """The few methods of the API's client that are used, answered from what it holds.

    Attributes:
        services_: of ``GET /services``.
        tasks_: of ``GET /tasks``.
        asked: every request, in order.
        filters: of each question for tasks.
        posted: bodies and queries of the changes.
        refuses: status and message with which a change, or the question for the Swarm, is refused.
        broken: raised at each request.
    """

    services_: list[Json] = field(default_factory=lambda: [service()])
    tasks_: list[Json] = field(default_factory=lambda: [task(1), task(2)])
    asked: list[str] = field(default_factory=list)
    filters: list[Mapping[str, list[str]]] = field(default_factory=list)
    posted: list[tuple[Json, Mapping[str, int]]] = field(default_factory=list)
    refuses: tuple[int, str] = (0, "")
    broken: Exception | None = None
    base_url: str = "http+docker://localhost"
    api_version: str = "1.41"
    timeout: int = 15

    def services(self) -> list[Json]:
        self._note("services")
        return copy.deepcopy(self.services_)

    def tasks(self, *, filters: Mapping[str, list[str]]) -> list[Json]:
        self._note("tasks")
        self.filters.append(filters)
        return copy.deepcopy([t for t in self.tasks_ if t["ServiceID"] in filters["service"]])

    def inspect_service(self, ident: str) -> Json:
        self._note(f"inspect {ident}")
        found = [s for s in self.services_ if s["ID"] == ident]
        if not found:
            raise docker.errors.NotFound("404", explanation=f"service {ident} not found")
        return copy.deepcopy(found[0])

    def post(self, url: str, *, json: Json, params: Mapping[str, int], timeout: int) -> requests.Response:
        self._note(url)
        self.posted.append((json, params))
        return self._answer()

    def get(self, url: str, *, timeout: float) -> requests.Response:
        self._note(url)
        return self._answer()

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.broken is not None:
            raise self.broken

    def _answer(self) -> requests.Response:
        status, said = self.refuses
        made = requests.Response()
        made.status_code = status or 200
        made._content = json.dumps({"message": said}).encode() if status else b"{}"
        return made


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Made:
    """A target, its two clients and its clock."""

    manager: Manager = field(default_factory=Manager)
    watch: Manager = field(default_factory=Manager)
    time: Time = field(default_factory=Time)
    pauses: list[float] = field(default_factory=list)
    acts: bool = True

    def __post_init__(self) -> None:
        """Wire it."""
        self.target = SwarmTarget(
            client=cast("Any", self.manager),
            watch=cast("Any", self.watch),
            own_stack="shop",
            monotonic=self.time,
            pause=self.pauses.append,
            may_change=lambda: self.acts,
        )

    def kept(self) -> Kept:
        (found,) = self.target.observe().services
        assert found.kept is not None
        self.manager.asked.clear()
        return found.kept


@pytest.fixture
def made() -> Made:
    return Made()


class TestPing:
    def test_it_is_swarm_that_must_answer_not_the_engine_alone(self, made: Made) -> None:
        made.target.ping()

        assert made.manager.asked == ["http+docker://localhost/v1.41/swarm"]

    def test_managers_without_a_leader_are_no_engine(self, made: Made) -> None:
        made.manager.refuses = 503, "rpc error: The swarm does not have a leader"

        with pytest.raises(
            TargetError, match=r"The swarm does not have a leader; is this node a man"
        ) as told:
            made.target.ping()
        assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE

    def test_no_answer_is_none(self, made: Made) -> None:
        made.manager.broken = requests.ConnectionError("refused")

        with pytest.raises(TargetError) as told:
            made.target.ping()
        assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE


class TestObserve:
    def test_it_takes_two_questions_and_the_tasks_are_asked_for_by_service(self, made: Made) -> None:
        made.manager.services_.append(service("shop_db", alertscale_enable="false"))
        observation = made.target.observe()

        assert [len(s.replicas) for s in observation.services] == [2]
        assert made.manager.asked == ["services", "tasks"]
        assert made.manager.filters == [
            {
                "service": ["id-of-shop_web"],
                "desired-state": ["running", "ready", "accepted", "remove"],
            }
        ]

    def test_where_nothing_is_enabled_no_task_is_asked_for(self, made: Made) -> None:
        """A filter without a service would list the tasks of all."""
        made.manager.services_ = [service("shop_db", alertscale_enable="false")]

        assert made.target.observe().services == ()
        assert made.manager.asked == ["services"]

    def test_the_tasks_of_a_stack_with_a_scaler_of_its_own_are_left_to_that_one(self, made: Made) -> None:
        made.manager.services_ += [
            service("blog_scaler", stack="blog", alertscale_enable="false", alertscale_component="scaler"),
            service("blog_web", stack="blog"),
        ]
        made.target.observe()

        assert [filters["service"] for filters in made.manager.filters] == [["id-of-shop_web"]]

    def test_preparing_asks_nothing(self, made: Made) -> None:
        made.target.prepare(model="shop_web-1")

        assert made.manager.asked == []

    def test_an_engine_that_is_away_says_so(self, made: Made) -> None:
        made.manager.broken = requests.ReadTimeout("read timed out")

        with pytest.raises(TargetError) as told:
            made.target.observe()
        assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE


class TestChanges:
    def test_the_first_look_is_a_change_and_the_next_only_when_something_is_new(self, made: Made) -> None:
        changes = made.target.changes()
        first = next(changes)
        looks: list[int] = []

        def pause(seconds: float) -> None:
            looks.append(len(made.watch.asked))
            if len(looks) == 3:
                made.watch.tasks_.append(task(3))

        made.target.pause = pause
        second = next(changes)

        assert first == second == Change(action="update", container="")
        assert len(looks) == 3
        assert made.manager.asked == []

    def test_what_was_seen_is_used_by_the_pass_that_it_wakes_and_once(self, made: Made) -> None:
        next(made.target.changes())
        made.target.observe()
        assert made.manager.asked == []
        made.target.observe()
        assert made.manager.asked == ["services", "tasks"]

    def test_it_is_not_used_when_it_is_older_than_a_moment(self, made: Made) -> None:
        next(made.target.changes())
        made.time.now += 0.3
        made.target.observe()

        assert made.manager.asked == ["services", "tasks"]

    def test_it_ends_when_the_link_breaks(self, made: Made) -> None:
        changes = made.target.changes()
        next(changes)
        made.watch.broken = requests.ConnectionError("refused")

        with pytest.raises(TargetError):
            next(changes)


class TestSetCount:
    def test_the_count_alone_is_changed_on_the_version_that_was_seen(self, made: Made) -> None:
        made.target.set_count(made.kept(), 5)
        ((spec, query),) = made.manager.posted
        before = service()["Spec"]

        assert made.manager.asked == [
            "inspect id-of-shop_web",
            "http+docker://localhost/v1.41/services/id-of-shop_web/update",
        ]
        assert query == {"version": 215}
        assert spec == before | {"Mode": {"Replicated": {"Replicas": 5}}}

    def test_one_that_was_changed_since_is_overtaken_and_not_asked_for(self, made: Made) -> None:
        kept = made.kept()
        made.manager.services_[0]["Version"]["Index"] = 216

        with pytest.raises(TargetError, match="shop_web was changed by somebody else") as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.OVERTAKEN
        assert made.manager.posted == []

    def test_so_is_one_that_is_changed_at_the_same_moment(self, made: Made) -> None:
        kept = made.kept()
        made.manager.refuses = 500, "rpc error: code = Unknown desc = update out of sequence"

        with pytest.raises(TargetError, match="shop_web was changed by somebody else") as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.OVERTAKEN

    def test_another_refusal_is_told_in_swarms_words(self, made: Made) -> None:
        kept = made.kept()
        made.manager.refuses = 500, "rpc error: code = InvalidArgument desc = no such network"

        with pytest.raises(TargetError, match=r"refused to scale shop_web to 5: .* no such network") as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.ENGINE_REFUSED

    def test_managers_without_a_leader_are_waited_for_since_the_change_may_have_been_made(
        self, made: Made
    ) -> None:
        kept = made.kept()
        made.manager.refuses = 500, "rpc error: code = Unknown desc = The swarm does not have a leader."

        with pytest.raises(TargetError, match=r"refused to scale shop_web to 5: .* have a leader") as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE

    def test_without_the_lease_nothing_is_changed(self, made: Made) -> None:
        kept = made.kept()
        made.acts = False

        with pytest.raises(TargetError, match="shop_web is not scaled: the lease could not be") as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE
        assert made.manager.posted == []

    def test_a_service_that_is_gone_is_refused(self, made: Made) -> None:
        kept = made.kept()
        made.manager.services_.clear()

        with pytest.raises(TargetError) as told:
            made.target.set_count(kept, 5)
        assert told.value.reason is ErrorReason.ENGINE_REFUSED

    def test_what_was_seen_before_is_not_used_after_it(self, made: Made) -> None:
        kept = made.kept()
        next(made.target.changes())
        made.target.set_count(kept, 5)
        made.manager.asked.clear()
        made.target.observe()

        assert made.manager.asked == ["services", "tasks"]


class TestTrouble:
    def test_it_is_how_the_last_one_that_failed_ended(self, made: Made) -> None:
        kept = made.kept()
        made.manager.tasks_ = [
            ended("failed", "2026-11-25T21:00:05.1Z", Err="task: non-zero exit (1)"),
            ended("rejected", "2026-11-25T21:00:09.1Z", Err="No such image: flask-app:9"),
            ended("shutdown", "2026-11-25T21:00:10.1Z"),
            ended("failed", "2026-11-25T21:00:07.1Z", Err="task: non-zero exit (2)"),
        ]

        assert made.target.trouble(kept) == "No such image: flask-app:9"
        assert made.manager.filters[-1] == {"service": [kept.id], "desired-state": ["shutdown"]}

    def test_without_an_error_its_message_is_told(self, made: Made) -> None:
        kept = made.kept()
        made.manager.tasks_ = [ended("failed", "2026-11-25T21:00:05.1Z", Message="unhealthy container")]

        assert made.target.trouble(kept) == "unhealthy container"

    def test_none_that_failed_is_no_trouble(self, made: Made) -> None:
        kept = made.kept()
        made.manager.tasks_ = [ended("shutdown", "2026-11-25T21:00:05.1Z")]

        assert made.target.trouble(replace(kept)) == ""


def ended(state: str, at: str, **status: str) -> Json:
    made = task(state=state, desired="shutdown")
    made["Status"] = {"Timestamp": at, "State": state, "PortStatus": {}} | status
    return made
