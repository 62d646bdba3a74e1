"""What the answers of a Swarm manager mean, and what it is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import docker.errors
import pytest
import requests

from scaler.engines.swarm import SwarmTarget, digest, read_listing, service_key
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from scaler.model.services import Change, Health, Kept, Observation, Replica, Service

# ruff: noqa: ARG002 - the signatures are those of the API's client

Json = dict[str, Any]
NOBODY = "no suitable node (insufficient resources on 3 nodes)"


def service(name: str = "shop_web", *, stack: str = "shop", **labels: str) -> Json:
    """Make one of the answer of ``GET /services``, as Docker 20.10 gives it."""
    given = {"alertscale.enable": "true"} | {k.replace("_", "."): v for k, v in labels.items()}
    if stack:
        given |= {"com.docker.stack.image": "flask-app:1", "com.docker.stack.namespace": stack}
    return {
        "ID": f"id-of-{name}",
        "Version": {"Index": 215},
        "CreatedAt": "2026-11-25T20:58:01.5Z",
        "UpdatedAt": "2026-11-25T21:00:00.123456789Z",
        "Spec": {
            "Name": name,
            "Labels": given,
            "TaskTemplate": {"ContainerSpec": {"Image": "flask-app:1"}, "ForceUpdate": 0},
            "Mode": {"Replicated": {"Replicas": 2}},
            "UpdateConfig": {"Parallelism": 1, "Order": "start-first", "FailureAction": "rollback"},
            "EndpointSpec": {
                "Mode": "vip",
                "Ports": [
                    {"Protocol": "tcp", "TargetPort": 5000, "PublishMode": "ingress"},
                    {"Protocol": "udp", "TargetPort": 53, "PublishMode": "ingress"},
                ],
            },
        },
        "Endpoint": {"Spec": {"Mode": "vip"}},
    }


def task(
    slot: int = 1,
    state: str = "running",
    *,
    of: str = "shop_web",
    desired: str = "running",
    error: str = "",
    health: bool = True,
) -> Json:
    """Make one of the answer of ``GET /tasks``."""
    spec: Json = {"Image": "flask-app:1", "Isolation": "default"}
    if health:
        spec["Healthcheck"] = {"Test": ["CMD", "wget", "-q", "http://localhost:5000/ready"]}
    status = {"Timestamp": "2026-11-25T21:00:03.2Z", "State": state, "Message": "started", "PortStatus": {}}
    return {
        "ID": f"{of}-{slot}",
        "Version": {"Index": 230},
        "CreatedAt": "2026-11-25T21:00:01.5Z",
        "ServiceID": f"id-of-{of}",
        "Slot": slot,
        "NodeID": "node-1",
        "DesiredState": desired,
        "Status": status | ({"Err": error} if error else {}),
        "Spec": {"ContainerSpec": spec, "Resources": {}, "ForceUpdate": 0},
        "NetworksAttachments": [
            {"Network": {"Spec": {"Name": "ingress"}}, "Addresses": [f"10.255.0.{slot}/16"]},
            {"Network": {"Spec": {"Name": "shop_default"}}, "Addresses": [f"10.0.1.{slot}/24"]},
        ],
    }


def read(
    services: list[Json], tasks: list[Json] | None = None, *, stacks: frozenset[str] = frozenset()
) -> Observation:
    return read_listing(services, tasks or [], own_stack="shop", stacks=stacks)


def one(given: Json, *tasks: Json) -> Service:
    (found,) = read([given], list(tasks)).services
    return found


def kept(given: Json) -> Kept:
    found = one(given).kept
    assert found is not None
    return found


def replica(given: Json) -> Replica:
    (found,) = one(service(), given).replicas
    return found


class TestService:
    def test_it_is_named_by_its_stack_and_its_name_within_it(self) -> None:
        assert one(service()).key == ("shop", "web")

    @pytest.mark.parametrize(
        ("labels", "name", "key"),
        [
            ({"com.docker.stack.namespace": "shop"}, "shop_web", ("shop", "web")),
            ({"com.docker.stack.namespace": "shop"}, "shop_shop_web", ("shop", "shop_web")),
            ({"com.docker.stack.namespace": "my_shop"}, "my_shop_web", ("my_shop", "web")),
            ({}, "shop_web", ("", "shop_web")),
        ],
    )
    def test_one_without_a_stack_has_its_whole_name(
        self, labels: Mapping[str, str], name: str, key: tuple[str, str]
    ) -> None:
        assert service_key(labels, name) == key

    def test_its_count_version_and_labels_are_read(self) -> None:
        found = kept(service(alertscale_max="5"))

        assert (found.id, found.count, found.version, found.updating) == ("id-of-shop_web", 2, 215, False)
        assert (found.labels["alertscale.enable"], found.labels["alertscale.max"]) == ("true", "5")

    @pytest.mark.parametrize(
        ("updated", "seconds"),
        [
            ("2026-11-25T21:00:00.123456789Z", 1795640400.123456),
            ("2026-11-25T21:00:00.5Z", 1795640400.5),
            ("2026-11-25T21:00:00Z", 1795640400.0),
        ],
    )
    def test_the_time_of_its_last_change_has_as_many_digits_as_docker_likes(
        self, updated: str, seconds: float
    ) -> None:
        assert kept(service() | {"UpdatedAt": updated}).changed_at == pytest.approx(seconds, abs=1e-5)

    @pytest.mark.parametrize(
        ("state", "updating"),
        [
            ("updating", True),
            ("rollback_started", True),
            ("paused", False),
            ("completed", False),
            ("rollback_paused", False),
            ("rollback_completed", False),
        ],
    )
    def test_an_update_that_goes_on_is_told_from_one_that_ended(self, state: str, updating: bool) -> None:
        status = {"State": state, "StartedAt": "2026-11-25T21:00:00Z", "Message": "update in progress"}

        assert kept(service() | {"UpdateStatus": status}).updating is updating

    @pytest.mark.parametrize("mode", [{"Replicated": {}}, {"Replicated": {"Replicas": 0}}])
    def test_a_service_of_none_has_a_count_all_the_same(self, mode: Json) -> None:
        given = service()
        given["Spec"]["Mode"] = mode

        assert (kept(given).count, one(given).refusal) == (0, "")

    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            (
                {"Global": {}},
                "it is a global service, of which Swarm runs one on each node, and has no count",
            ),
            ({"ReplicatedJob": {"MaxConcurrent": 1}}, "it is a job, which ends by itself, and has no count"),
            ({"GlobalJob": {}}, "it is a job, which ends by itself, and has no count"),
            ({"Chaotic": {}}, "it is Chaotic, and has no count"),
        ],
    )
    def test_one_without_a_count_is_refused_with_the_way_out(self, mode: Json, said: str) -> None:
        given = service()
        given["Spec"]["Mode"] = mode

        assert one(given).refusal.startswith(said)
        assert "let deploy.mode be replicated, or remove the label" in one(given).refusal

    def test_its_replicas_come_by_slot_and_those_that_leave_last(self) -> None:
        found = one(service(), task(2), task(1, desired="remove") | {"ID": "a"}, task(1) | {"ID": "b"})

        assert [(r.id, r.number, r.leaving) for r in found.replicas] == [
            ("b", 1, False),
            ("a", 1, True),
            ("shop_web-2", 2, False),
        ]

    def test_a_service_without_tasks_is_there(self) -> None:
        assert one(service()).replicas == ()


class TestListing:
    def test_what_is_not_enabled_is_among_the_others(self) -> None:
        disabled = service("shop_db", alertscale_enable="false")
        unlabelled = service("plain", stack="")
        unlabelled["Spec"]["Labels"] = None
        found = read([service(), disabled, unlabelled])

        assert [s.key for s in found.services] == [("shop", "web")]
        assert found.others == {("shop", "db"), ("", "plain")}

    def test_services_come_in_the_order_of_their_names(self) -> None:
        found = read([service(f"shop_{name}") for name in ("web", "api", "db")])

        assert [s.key[1] for s in found.services] == ["api", "db", "web"]

    def test_each_has_its_own_tasks(self) -> None:
        found = read([service(), service("shop_api")], [task(), task(of="shop_api"), task(2, of="shop_api")])

        assert [(s.key[1], len(s.replicas)) for s in found.services] == [("api", 2), ("web", 1)]

    def test_a_stack_with_a_scaler_of_its_own_is_left_alone(self) -> None:
        theirs = service(
            "blog_scaler", stack="blog", alertscale_enable="false", alertscale_component="scaler"
        )
        ours = service("shop_scaler", alertscale_enable="false", alertscale_component="scaler")
        found = read([theirs, ours, service(), service("blog_web", stack="blog"), service("alone", stack="")])

        assert [s.key for s in found.services] == [("", "alone"), ("shop", "web")]
        assert ("blog", "web") in found.others

    def test_where_stacks_are_named_only_those_are_looked_after(self) -> None:
        theirs = service(
            "blog_scaler", stack="blog", alertscale_enable="false", alertscale_component="scaler"
        )
        found = read([theirs, service(), service("blog_web", stack="blog")], stacks=frozenset({"blog"}))

        assert [s.key for s in found.services] == [("blog", "web")]

    def test_nginx_is_none_of_it(self) -> None:
        nginx = service("shop_nginx", alertscale_enable="false", alertscale_component="nginx")

        assert read([nginx]).balancer is None


class TestTask:
    def test_one_that_runs(self) -> None:
        found = replica(task(3))

        assert (found.id, found.name, found.number) == ("shop_web-3", "web.3", 3)
        assert found.container == "shop_web.3.shop_web-3"
        assert (found.status, found.live, found.health) == ("running", True, Health.HEALTHY)
        assert found.addresses == {"ingress": "10.255.0.3", "shop_default": "10.0.1.3"}
        assert found.ports == (5000,)
        assert (found.leaving, found.trouble) == (False, "")
        assert found.created_at == 1795640401.5

    @pytest.mark.parametrize("health", [{"Test": []}, {}, None])
    def test_without_a_health_check_running_says_nothing_of_health(self, health: Json | None) -> None:
        given = task(health=False)
        given["Spec"]["ContainerSpec"]["Healthcheck"] = health

        assert replica(given).health is Health.NONE
        assert replica(task(health=False)).health is Health.NONE

    @pytest.mark.parametrize(
        ("state", "status", "health"),
        [
            ("new", "created", Health.STARTING),
            ("pending", "created", Health.STARTING),
            ("assigned", "created", Health.STARTING),
            ("accepted", "created", Health.STARTING),
            ("preparing", "created", Health.STARTING),
            ("ready", "created", Health.STARTING),
            ("starting", "created", Health.STARTING),
            ("running", "running", Health.HEALTHY),
            ("complete", "exited", Health.STARTING),
            ("failed", "exited", Health.STARTING),
            ("rejected", "exited", Health.STARTING),
            ("shutdown", "exited", Health.STARTING),
            ("remove", "exited", Health.STARTING),
            ("orphaned", "dead", Health.STARTING),
        ],
    )
    def test_swarms_states_as_those_of_a_container(self, state: str, status: str, health: Health) -> None:
        assert (replica(task(state=state)).status, replica(task(state=state)).health) == (status, health)

    @pytest.mark.parametrize("state", ["running", "shutdown"])
    def test_one_that_swarm_takes_away_is_leaving_until_it_is_gone(self, state: str) -> None:
        assert replica(task(state=state, desired="remove")).leaving

    def test_one_that_finds_no_node_tells_why(self) -> None:
        """It has its addresses by then: Swarm gives them before it looks for a node."""
        found = replica(task(state="pending", error=NOBODY))

        assert (found.trouble, found.live) == (NOBODY, False)
        assert found.addresses

    def test_one_that_is_being_placed_is_in_no_trouble(self) -> None:
        assert replica(task(state="pending")).trouble == ""

    def test_an_error_of_another_state_is_no_trouble_with_its_place(self) -> None:
        assert replica(task(state="failed", error="task: non-zero exit (1)")).trouble == ""

    @pytest.mark.parametrize(
        "attached", [None, [], [{"Network": {"Spec": {"Name": "x"}}, "Addresses": None}]]
    )
    def test_one_without_an_address_yet_has_none(self, attached: list[Json] | None) -> None:
        assert replica(task() | {"NetworksAttachments": attached}).addresses == {}

    def test_two_of_one_definition_are_of_one_version_and_another_image_is_another(self) -> None:
        first, second, other = task(1), task(2), task(3)
        other["Spec"]["ContainerSpec"]["Image"] = "flask-app:2"

        assert replica(first).version == replica(second).version != replica(other).version
        assert replica(first).version

    def test_it_has_the_labels_of_its_service(self) -> None:
        assert replica(task()).labels["alertscale.enable"] == "true"

    def test_without_published_ports_it_has_none(self) -> None:
        given = service()
        del given["Spec"]["EndpointSpec"]

        assert one(given, task()).replicas[0].ports == ()


class TestDigest:
    SERVICES, TASKS = [service(), service("shop_api")], [task(1), task(2, "pending")]

    def test_the_same_in_another_order_is_the_same(self) -> None:
        assert digest(self.SERVICES, self.TASKS) == digest(self.SERVICES[::-1], self.TASKS[::-1])

    @pytest.mark.parametrize("name", ["Timestamp", "Message"])
    def test_a_stamp_that_changes_with_nothing_new_changes_nothing(self, name: str) -> None:
        later = copy.deepcopy(self.TASKS)
        later[0]["Status"][name] = "2026-11-25T21:09:09.9Z"
        later[0]["Version"]["Index"] += 1

        assert digest(self.SERVICES, later) == digest(self.SERVICES, self.TASKS)

    @pytest.mark.parametrize(
        "change",
        [
            lambda services, _: services[0]["Version"].update(Index=216),
            lambda services, _: services.pop(),
            lambda services, _: services.append(service("shop_new")),
            lambda _, tasks: tasks.pop(),
            lambda _, tasks: tasks.append(task(3)),
            lambda _, tasks: tasks[0].update(DesiredState="remove"),
            lambda _, tasks: tasks[0]["Status"].update(State="starting"),
            lambda _, tasks: tasks[1]["Status"].update(Err=NOBODY),
            lambda _, tasks: tasks[0].update(ID="another"),
        ],
    )
    def test_whatever_an_observation_would_show_changes_it(
        self, change: Callable[[list[Json], list[Json]], object]
    ) -> None:
        services, tasks = copy.deepcopy(self.SERVICES), copy.deepcopy(self.TASKS)
        change(services, tasks)

        assert digest(services, tasks) != digest(self.SERVICES, self.TASKS)
        assert read(services, tasks) != read(self.SERVICES, self.TASKS)


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
