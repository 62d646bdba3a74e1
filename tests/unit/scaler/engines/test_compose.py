"""The engine's list of containers as services; the target itself is tested beside a real engine."""

# ruff: noqa: ANN401 - keywords stand for the fields of a listing

from typing import Any

import docker.errors
import pytest

from scaler.engines.compose import ComposeTarget, last_lines, read_listing, signal_number
from scaler.model.errors import TargetError
from scaler.model.services import Health, Instance, Observation


def container(
    number: int = 1,
    *,
    project: str = "shop",
    service: str = "web",
    state: str = "running",
    status: str = "Up 3 minutes",
    created: int = 1_767_322_800,
    name: str = "",
    ports: list[dict[str, Any]] | None = None,
    networks: dict[str, str] | None = None,
    enable: str | None = "true",
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One entry of ``GET /containers/json``."""
    own = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.container-number": str(number),
        "com.docker.compose.config-hash": "h1",
        "com.docker.compose.image": "sha256:1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project.config_files": "/srv/shop/docker-compose.yml",
    }
    if enable is not None:
        own["alertscale.enable"] = enable
    own |= labels or {}
    name = name or f"{project}-{service}-{number}"
    attached = {f"{project}_default": "172.18.0.3"} if networks is None else networks
    return {
        "Id": f"id-of-{name}",
        "Names": [f"/{name}"],
        "Image": "shop-web",
        "Created": created,
        "Ports": [{"PrivatePort": 5000, "Type": "tcp"}] if ports is None else ports,
        "Labels": own,
        "State": state,
        "Status": status,
        "NetworkSettings": {"Networks": {n: {"IPAddress": a} for n, a in attached.items()}},
    }


def observe(*listed: dict[str, Any], projects: frozenset[str] = frozenset()) -> Observation:
    return read_listing(list(listed), own_project="shop", projects=projects)


def keys(*listed: dict[str, Any], projects: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return [service.key for service in observe(*listed, projects=projects).services]


class TestServices:
    def test_an_empty_engine(self) -> None:
        observation = observe()

        assert (observation.services, observation.others, observation.balancer) == ((), frozenset(), None)

    def test_replicas_are_sorted_by_their_number(self) -> None:
        (service,) = observe(container(10), container(2), container(1)).services

        assert [replica.number for replica in service.replicas] == [1, 2, 10]
        assert service.files == "/srv/shop/docker-compose.yml"

    def test_a_replica_as_the_loop_sees_it(self) -> None:
        listed = container(
            ports=[
                {"PrivatePort": 9000, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"PrivatePort": 53, "Type": "udp"},
            ],
            networks={"shop_default": "172.18.0.3", "shop_back": ""},
        )
        (replica,) = observe(listed).services[0].replicas

        assert (replica.id, replica.name, replica.number) == ("id-of-shop-web-1", "shop-web-1", 1)
        assert replica.ports == (80, 9000)
        assert replica.addresses == {"shop_default": "172.18.0.3"}
        assert replica.version == "h1/sha256:1"
        assert replica.created_at == listed["Created"]
        assert replica.live

    def test_a_new_config_or_image_is_a_new_version(self) -> None:
        (service,) = observe(
            container(1),
            container(2, labels={"com.docker.compose.image": "sha256:2"}),
            container(3, labels={"com.docker.compose.config-hash": "h2"}),
        ).services

        assert len({replica.version for replica in service.replicas}) == 3

    @pytest.mark.parametrize(
        ("state", "live"),
        [
            ("created", False),
            ("running", True),
            ("paused", True),
            ("restarting", True),
            ("removing", False),
            ("exited", False),
            ("dead", False),
        ],
    )
    def test_dead_replicas_are_listed_but_do_not_count(self, state: str, live: bool) -> None:
        (replica,) = observe(container(state=state)).services[0].replicas

        assert (replica.status, replica.live) == (state, live)

    @pytest.mark.parametrize(
        ("status", "health"),
        [
            ("Up 3 minutes", Health.NONE),
            ("Up 3 minutes (Paused)", Health.NONE),
            ("Up 2 seconds (health: starting)", Health.STARTING),
            ("Up 3 minutes (healthy)", Health.HEALTHY),
            ("Up 3 minutes (unhealthy)", Health.UNHEALTHY),
            ("Exited (0) 3 seconds ago", Health.NONE),
        ],
    )
    def test_health_is_read_off_the_status(self, status: str, health: Health) -> None:
        assert observe(container(status=status)).services[0].replicas[0].health is health

    def test_one_off_containers_are_nobody(self) -> None:
        """``docker compose run`` gives them the service's labels, number 1 among them."""
        observation = observe(
            container(), container(labels={"com.docker.compose.oneoff": "True"}, name="run-1")
        )

        assert [replica.name for replica in observation.services[0].replicas] == ["shop-web-1"]

    def test_a_container_without_name_or_number(self) -> None:
        odd = container(labels={"com.docker.compose.container-number": ""})
        odd["Names"] = None
        (replica,) = observe(odd).services[0].replicas

        assert (replica.name, replica.number) == ("id-of-shop-w", 0)

    def test_the_labels_are_those_of_the_newest_live_replica(self) -> None:
        (service,) = observe(
            container(1, labels={"alertscale.max": "3"}),
            container(2, labels={"alertscale.max": "4"}),
            container(3, labels={"alertscale.max": "5"}, state="exited"),
        ).services

        assert service.labels["alertscale.max"] == "4"


class TestWhoseServices:
    def test_a_service_without_the_label_is_another_s(self) -> None:
        observation = observe(
            container(), container(service="db", enable=None), container(service="x", enable="false")
        )

        assert [service.key for service in observation.services] == [("shop", "web")]
        assert observation.others == {("shop", "db"), ("shop", "x")}

    def test_a_label_that_cannot_be_read_still_asks_to_be_scaled(self) -> None:
        assert keys(container(enable="yes")) == [("shop", "web")]

    def test_services_of_all_projects_are_ours(self) -> None:
        assert keys(container(), container(project="blog")) == [("blog", "web"), ("shop", "web")]

    def test_but_not_those_of_a_project_with_a_scaler_of_its_own(self) -> None:
        listed = [
            container(),
            container(project="blog"),
            container(
                project="blog", service="scaler", enable=None, labels={"alertscale.component": "scaler"}
            ),
        ]
        observation = observe(*listed)

        assert [service.key for service in observation.services] == [("shop", "web")]
        assert ("blog", "web") in observation.others

    def test_our_own_scaler_is_no_reason_to_leave_our_project(self) -> None:
        scaler = container(service="scaler", enable=None, labels={"alertscale.component": "scaler"})

        assert keys(container(), scaler) == [("shop", "web")]

    def test_named_projects_only(self) -> None:
        listed = [container(), container(project="blog"), container(project="wiki")]

        assert keys(*listed, projects=frozenset({"blog"})) == [("blog", "web")]

    def test_a_service_half_of_whose_replicas_are_enabled_is_not_listed_twice(self) -> None:
        """While it is being recreated with the label."""
        observation = observe(container(1), container(2, enable=None))

        assert observation.others == frozenset()


def nginx(number: int = 1, **more: Any) -> dict[str, Any]:
    return container(number, service="nginx", enable=None, labels={"alertscale.component": "nginx"}, **more)


class TestBalancer:
    def test_the_nginx_of_our_own_project(self) -> None:
        listed = [nginx(networks={"shop_default": "172.18.0.9", "front": ""}), nginx(project="blog")]

        assert observe(*listed).balancer == Instance(
            id="id-of-shop-nginx-1", networks=frozenset({"shop_default", "front"}), running=True
        )

    def test_a_container_that_is_only_called_nginx_is_none(self) -> None:
        assert observe(container(service="nginx", enable=None)).balancer is None

    def test_one_that_does_not_run(self) -> None:
        assert observe(nginx(state="exited")).balancer == Instance(
            id="id-of-shop-nginx-1", networks=frozenset({"shop_default"}), running=False
        )

    def test_the_running_one_is_chosen_then_the_newest(self) -> None:
        old, new = nginx(1, created=1), nginx(2, created=2)
        dead = nginx(3, created=3, state="exited")

        assert observe(new, dead, old).balancer == observe(new).balancer


@pytest.mark.parametrize(
    ("named", "number"),
    [("SIGQUIT", "3"), ("quit", "3"), ("3", "3"), ("SIGRTMIN+3", "37"), ("SIGNONE", ""), ("", "")],
)
def test_stop_signals_are_read_in_every_way_that_images_name_them(named: str, number: str) -> None:
    assert signal_number(named) == number


class TestLastLines:
    def test_those_at_the_end_that_say_something(self) -> None:
        assert last_lines(b"one\r\n\ntwo\n  \nthree\n", 2) == ("two", "three")
        assert last_lines(b"", 2) == ()

    def test_each_is_short_and_nothing_in_it_commands_a_terminal_or_breaks_a_page(self) -> None:
        said = b"\x1b[31mred\x1b[0m\x00 \xff\n" + b"x" * 40_000 + "\n\u202eabc".encode()

        assert last_lines(said, 3) == ("red \ufffd", "x" * 299 + "…", "abc")


class Engine:
    """Lists a container each of two services; of one it shows no more than that."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [container(service="ill"), container(service="web")]

    def inspect_container(self, asked: str) -> dict[str, Any]:
        if "ill" in asked:
            raise self.error
        check = {"Test": ["CMD", "true"], "StartPeriod": 90 * 10**9}
        return {"Config": {"Healthcheck": check, "StopTimeout": 300, "Labels": container()["Labels"]}}


def target(error: Exception) -> ComposeTarget:
    client: Any = Engine(error)
    return ComposeTarget(client=client, events=client, own_project="shop")


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.APIError("RWLayer of it is unexpectedly nil"),
        docker.errors.NotFound("No such container"),
    ],
    ids=["cannot be shown", "gone"],
)
def test_a_container_that_the_engine_cannot_show_keeps_no_other_from_being_seen(error: Exception) -> None:
    ill, web = target(error).observe().services

    assert (ill.healthy, web.healthy > 90) == (0.0, True)
    assert (ill.grace, web.grace) == (10.0, 300.0)
    (note,) = web.notes
    assert (ill.notes, note.partition(",")[0]) == ((), "/srv/shop/docker-compose.yml cannot be read here")


def test_without_an_engine_nothing_is_seen() -> None:
    with pytest.raises(TargetError):
        target(docker.errors.DockerException("away")).observe()
