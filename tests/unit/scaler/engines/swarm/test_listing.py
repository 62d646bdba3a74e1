"""What the answers of a Swarm manager mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from scaler.engines.swarm.listing import digest, read_listing, service_key
from scaler.model.services import Health, Kept, Observation, Replica, Service

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
