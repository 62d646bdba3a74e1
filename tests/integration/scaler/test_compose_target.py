"""Replicas that the target makes are Compose's own, and what cannot be one of several is refused first."""

import json
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient
from docker.utils import kwargs_from_env

from scaler.engines.compose.target import ComposeTarget
from scaler.model.errors import TargetError
from scaler.model.hooks import HookKind
from scaler.model.reasons import ErrorReason
from scaler.model.services import Health
from scaler.policy import replica_choice
from tests.fakes import until
from tests.integration.scaler.projects import IMAGE, SERVER, Project, project

pytestmark = pytest.mark.engine

SHOP = {
    "services": {
        "web": SERVER
        | {
            "environment": {"GREETING": "hello"},
            "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64M"}}},
            "networks": {"front": {"aliases": ["shopfront"]}, "back": {"aliases": ["storeroom"]}},
            "volumes": ["/cache", "data:/data"],
        },
    },
    "networks": {"front": {}, "back": {}},
    "volumes": {"data": {}},
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(tmp_path_factory.mktemp("shop"), SHOP) as made:
        yield made


@pytest.fixture
def shop(opened: Project) -> Iterator[Project]:
    """A project with one replica, which whatever a test does outlives it."""
    first = model(opened)
    yield opened
    for container in opened.containers():
        if container != first:
            opened.client.remove_container(container, force=True, v=True)
    assert opened.containers() == [first]


def model(made: Project, service: str = "web") -> str:
    found = made.target.find(service=(made.name, service), number=1)
    assert found is not None
    return found


def add(made: Project, number: int = 2, service: str = "web") -> str:
    replica = made.target.create(model=model(made, service), number=number)
    made.target.start(replica)
    return replica


class TestComposesOwn:
    def test_ps_lists_it_under_its_name(self, shop: Project) -> None:
        replica = add(shop)
        listed = {entry["Name"]: entry for entry in shop.ps("web")}

        assert listed.keys() == {f"{shop.name}-web-1", f"{shop.name}-web-2"}
        assert replica.startswith(listed[f"{shop.name}-web-2"]["ID"])

    @pytest.mark.parametrize("options", [["--no-recreate"], []], ids=["no-recreate", "plain"])
    def test_up_with_the_live_count_keeps_every_replica(self, shop: Project, options: list[str]) -> None:
        """Without ``--no-recreate`` Compose compares each container with its definition."""
        add(shop, 2)
        add(shop, 3)
        before = shop.ids("web")
        shop.compose("up", "--detach", "--scale", "web=3", *options)

        assert len(before) == 3
        assert shop.ids("web") == before

    def test_up_with_a_lower_count_removes_it(self, shop: Project) -> None:
        first = model(shop)
        add(shop)
        shop.compose("up", "--detach", "--scale", "web=1", "--timeout", "1")

        assert shop.ids("web") == [first]

    def test_up_with_a_higher_count_takes_the_next_number(self, shop: Project) -> None:
        add(shop)
        shop.compose("up", "--detach", "--scale", "web=3")

        assert [r.number for r in shop.target.observe().services[0].replicas] == [1, 2, 3]

    def test_replicas_of_composes_are_no_other_version(self, shop: Project) -> None:
        """Or the policy would take the mixture for a deployment and hold."""
        add(shop)
        shop.compose("up", "--detach", "--scale", "web=3")

        assert len({r.version for r in shop.target.observe().services[0].replicas}) == 1

    def test_down_leaves_nothing(self, tmp_path: Path) -> None:
        with project(tmp_path, SHOP) as ending:
            replica = add(ending)
            volumes = [m["Name"] for m in ending.inspect(replica)["Mounts"]]
            kept = ending.down("--volumes", "--timeout", "1")

            assert ending.left() == {"containers": [], "networks": kept, "volumes": []}
            names = {v["Name"] for v in ending.client.volumes()["Volumes"] or []}
            assert names.isdisjoint(volumes)


class TestLikeItsModel:
    def test_what_the_service_defines_is_the_same(self, shop: Project) -> None:
        first, second = (shop.inspect(replica) for replica in (model(shop), add(shop)))

        for name in ("Env", "Cmd", "Entrypoint", "Image", "User", "StopSignal", "ExposedPorts", "WorkingDir"):
            assert second["Config"].get(name) == first["Config"].get(name)
        for name in ("NanoCpus", "Memory", "RestartPolicy", "NetworkMode", "LogConfig", "Init"):
            assert second["HostConfig"].get(name) == first["HostConfig"].get(name)
        assert second["Image"] == first["Image"]

    def test_its_host_name_is_its_own(self, shop: Project) -> None:
        replica = add(shop)

        assert shop.inspect(replica)["Config"]["Hostname"] == replica[:12]

    def test_it_is_on_both_networks_under_every_alias(self, shop: Project) -> None:
        first = model(shop)
        networks = shop.inspect(add(shop))["NetworkSettings"]["Networks"]

        assert networks.keys() == {f"{shop.name}_front", f"{shop.name}_back"}
        for network, alias in (("front", "shopfront"), ("back", "storeroom")):
            aliases = set(networks[f"{shop.name}_{network}"]["Aliases"])
            assert {"web", alias, f"{shop.name}-web-2"} <= aliases
            assert aliases.isdisjoint({f"{shop.name}-web-1", first, first[:12]})

    @pytest.mark.parametrize("name", ["web", "shopfront", "storeroom"])
    def test_its_names_lead_to_both_replicas(self, shop: Project, name: str) -> None:
        replicas = [model(shop), add(shop)]
        ask = f"import socket; print(*sorted(socket.gethostbyname_ex({name!r})[2]))"
        said = shop.compose("exec", "-T", "--index", "1", "web", "python", "-c", ask).split()
        networks = [shop.inspect(replica)["NetworkSettings"]["Networks"] for replica in replicas]
        addresses = {endpoint["IPAddress"] for network in networks for endpoint in network.values()}

        assert len(said) >= 2
        assert set(said) <= addresses

    def test_named_volumes_are_shared_and_anonymous_ones_are_not(self, shop: Project) -> None:
        first, second = (
            {m["Destination"]: m["Name"] for m in shop.inspect(replica)["Mounts"]}
            for replica in (model(shop), add(shop))
        )

        assert first.keys() == second.keys() == {"/cache", "/data"}
        assert first["/data"] == second["/data"] == f"{shop.name}_data"
        assert first["/cache"] != second["/cache"]

    @pytest.mark.parametrize("way", ["remove", "discard"])
    def test_its_anonymous_volumes_go_with_it_and_the_named_ones_stay(self, shop: Project, way: str) -> None:
        replica = add(shop)
        volumes = {m["Destination"]: m["Name"] for m in shop.inspect(replica)["Mounts"]}
        if way == "remove":
            shop.target.stop(replica)
            shop.target.remove(replica)
        else:
            shop.target.discard(replica)

        names = {v["Name"] for v in shop.client.volumes()["Volumes"] or []}
        assert volumes["/cache"] not in names
        assert volumes["/data"] in names

    def test_one_made_from_a_made_one_is_the_same_again(self, shop: Project) -> None:
        second = add(shop)
        third = shop.target.create(model=second, number=3)
        shop.target.start(third)
        before = shop.ids("web")
        shop.compose("up", "--detach", "--scale", "web=3")

        assert shop.ids("web") == before
        aliases = shop.inspect(third)["NetworkSettings"]["Networks"][f"{shop.name}_front"]["Aliases"]
        assert f"{shop.name}-web-2" not in aliases

    def test_one_made_by_compose_itself_is_a_model_too(self, shop: Project) -> None:
        shop.compose("up", "--detach", "--scale", "web=2")
        second = shop.target.find(service=(shop.name, "web"), number=2)
        assert second is not None
        shop.target.start(shop.target.create(model=second, number=3))

        assert len(shop.ids("web")) == 3


def test_a_one_off_container_is_no_replica(shop: Project) -> None:
    """``docker compose run`` gives it the service's labels, the number 1 among them."""
    first = model(shop)
    shop.compose("run", "--detach", "--no-deps", "web", "sleep", "60")

    assert [r.id for r in shop.target.observe().services[0].replicas] == [first]
    for _ in range(3):
        assert shop.target.find(service=(shop.name, "web"), number=1) == first


def test_health_and_grace_are_the_services_own(tmp_path: Path) -> None:
    check = {"test": ["CMD", "true"], "interval": "200ms", "timeout": "5s", "retries": 1}
    # As process 1 sleep ignores SIGTERM, so that only the grace ends it.
    sleeper = SERVER | {
        "command": ["sleep", "infinity"],
        "stop_signal": "SIGTERM",
        "stop_grace_period": "1s",
        "healthcheck": check,
    }
    with project(tmp_path, {"services": {"web": sleeper}}) as made:
        replica = add(made)

        def health() -> set[Health]:
            return {r.health for r in made.target.observe().services[0].replicas}

        assert health() <= {Health.STARTING, Health.HEALTHY}
        until(lambda: health() == {Health.HEALTHY}, what="the health checks pass")
        begun = time.monotonic()
        made.target.stop(replica)
        (service,) = made.target.observe().services

        assert service.healthy == pytest.approx(0.2 * 2 + 5)
        assert service.grace == 1
        assert 0.8 < time.monotonic() - begun < 6


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Build images under one name; each call moves the name to a new one."""
    name = f"tgt-test-{random.getrandbits(32):08x}"
    client = APIClient(**kwargs_from_env(), timeout=60)
    made: list[str] = []

    def build(label: str) -> str:
        (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nLABEL test={label}\n")
        subprocess.run(["docker", "build", "-q", "-t", name, str(tmp_path)], check=True, capture_output=True)
        made.append(client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
        return name

    yield build
    for built in made:
        client.remove_image(built, force=True)
    client.close()


class TestImage:
    @pytest.mark.parametrize("then", ["moved", "removed"])
    def test_a_name_that_means_another_image_by_now_is_not_used(
        self, tmp_path: Path, image: Callable[[str], str], then: str
    ) -> None:
        """A build without ``up`` must not let new replicas run other code than the old ones."""
        home = tmp_path / "project"
        home.mkdir()
        name = image("first")
        with project(home, {"services": {"web": SERVER | {"image": name}}}) as made:
            if then == "moved":
                image("second")
            else:
                made.client.remove_image(name, force=True, noprune=True)
            first, second = (made.inspect(replica) for replica in (model(made), add(made)))

            assert second["Image"] == first["Image"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def unique(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of services each of which has something that only one container can have."""
    subnet = f"10.213.{random.getrandbits(8)}"
    names = f"tgt-test-{random.getrandbits(32):08x}"
    definition = {
        "services": {
            "port": SERVER | {"ports": [f"127.0.0.1:{free_port()}:80"]},
            "name": SERVER | {"container_name": names},
            "address": SERVER | {"networks": {"fixed": {"ipv4_address": f"{subnet}.9"}}},
            "host": SERVER | {"network_mode": "host", "command": ["sleep", "60"]},
            "ports": SERVER | {"ports": [f"127.0.0.1:{(port := free_port())}-{port + 1}:9000-9001"]},
            "any-port": SERVER | {"ports": ["127.0.0.1::80"]},
        },
        "networks": {"fixed": {"ipam": {"config": [{"subnet": f"{subnet}.0/24"}]}}},
    }
    with project(tmp_path_factory.mktemp("unique"), definition) as made:
        yield made


class TestRefused:
    @pytest.mark.parametrize(
        ("service", "said"),
        [
            ("port", "publishes the fixed host port"),
            ("ports", "publishes the fixed host port"),
            ("name", "container_name: tgt-test-"),
            ("address", "the static address 10.213."),
            ("host", "network_mode: host"),
        ],
    )
    def test_before_anything_is_created(self, unique: Project, service: str, said: str) -> None:
        before = unique.left()

        with pytest.raises(TargetError, match=f"cannot make another replica: the service .*{said}") as caught:
            unique.target.create(model=model(unique, service), number=2)
        assert caught.value.reason is ErrorReason.CANNOT_CLONE
        assert unique.left() == before

    def test_a_port_that_the_engine_chooses_is_not(self, unique: Project) -> None:
        replica = add(unique, service="any-port")

        assert unique.inspect(replica)["State"]["Running"]
        unique.target.discard(replica)


SAYS = "echo $$(id -u) $$PWD $$WORD-$$GONE >> /tmp/said"
HOOK = {
    "command": ["sh", "-c", SAYS],
    "user": "1234",
    "working_dir": "/srv",
    "environment": {"WORD": "a b", "GONE": None},
}
HOOKED = SERVER | {"environment": {"GONE": "there"}}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Services with hooks in the file, in a label, and in a label that Compose does not run."""

    def labelled(**hooks: object) -> dict[str, object]:
        labels = {f"alertscale.{kind.replace('_', '-')}": json.dumps(h) for kind, h in hooks.items()}
        return HOOKED | {"labels": SERVER["labels"] | labels}  # type: ignore[operator]

    definition = {
        "services": {
            "filed": HOOKED | {"post_start": [HOOK]},
            "labelled": labelled(
                post_start=[HOOK], pre_stop=[{"command": ["sh", "-c", "echo ran >> /tmp/ran; sleep 1.5"]}]
            )
            | {"post_start": [HOOK]},
            "failing": labelled(
                post_start=[{"command": ["sh", "-c", "echo oh no >&2; exit 3"]}],
                pre_stop=[{"command": ["sh", "-c", "echo begun; sleep 30"]}],
            ),
            "missing": labelled(post_start=[{"command": ["/not/there"]}], pre_stop=[HOOK]),
        },
    }
    with project(tmp_path_factory.mktemp("hooked"), definition) as made:
        yield made


class TestHooks:
    @pytest.mark.parametrize("service", ["filed", "labelled"])
    def test_post_start_does_in_a_copy_what_it_does_in_composes(self, hooked: Project, service: str) -> None:
        replica = add(hooked, service=service)
        assert said(hooked, service, 2) == ""
        run_hooks(hooked, replica, HookKind.POST_START)

        assert said(hooked, service, 1) == said(hooked, service, 2) == "1234 /srv a b-"

    def test_one_that_fails_is_told_with_what_it_printed(self, hooked: Project) -> None:
        failed = failure(hooked, "failing", HookKind.POST_START, timeout=10)

        assert failed == "post_start \"sh -c 'echo oh no >&2; exit 3'\" ended with 3; it printed 'oh no'"

    def test_one_that_does_not_end_is_not_waited_for(self, hooked: Project) -> None:
        begun = time.monotonic()
        failed = failure(hooked, "failing", HookKind.PRE_STOP, timeout=0.7)

        assert failed.endswith("did not end within 0.7 s; it printed 'begun'")
        assert time.monotonic() - begun < 5

    def test_one_that_took_too_long_is_waited_for_and_not_run_again_beside_itself(
        self, hooked: Project
    ) -> None:
        with pytest.raises(RuntimeError, match="not wanted any more"):
            run_hooks(hooked, model(hooked, "labelled"), HookKind.PRE_STOP, ask=unwanted)
        failure(hooked, "labelled", HookKind.PRE_STOP, timeout=0.5)
        failure(hooked, "labelled", HookKind.PRE_STOP, timeout=0.2)
        run_hooks(hooked, model(hooked, "labelled"), HookKind.PRE_STOP)

        assert hooked.compose("exec", "-T", "labelled", "cat", "/tmp/ran").split() == ["ran"]

    def test_one_that_cannot_be_run_is_told(self, hooked: Project) -> None:
        assert "/not/there" in failure(hooked, "missing", HookKind.POST_START, timeout=10)

    def test_a_replica_that_does_not_run_has_none_to_run(self, hooked: Project) -> None:
        replica = hooked.target.create(model=model(hooked, "missing"), number=2)
        run_hooks(hooked, replica, HookKind.PRE_STOP)
        hooked.target.discard(replica)
        run_hooks(hooked, replica, HookKind.PRE_STOP)


def said(made: Project, service: str, number: int) -> str:
    script = "cat /tmp/said 2>/dev/null || true"
    return made.compose("exec", "-T", "--index", str(number), service, "sh", "-c", script).strip()


def run_hooks(
    made: Project, replica: str, kind: HookKind, *, ask: Callable[[], object] = lambda: None
) -> None:
    made.target.run_hooks(replica, kind=kind, timeout=10, ask=ask)


def unwanted() -> None:
    raise RuntimeError("not wanted any more")


def failure(made: Project, service: str, kind: HookKind, *, timeout: float) -> str:
    with pytest.raises(TargetError) as caught:
        made.target.run_hooks(model(made, service), kind=kind, timeout=timeout, ask=lambda: None)
    assert caught.value.reason is ErrorReason.HOOK_FAILED
    return str(caught.value)


def test_what_a_service_shares_is_that_of_the_container_of_today(tmp_path: Path) -> None:
    """By a scaler that never saw the one before, and cannot read the files."""
    database = SERVER | {"ipc": "shareable", "volumes": ["/kept"], "labels": {}}
    shares = {"ipc": "service:db", "volumes_from": ["db"]}
    beside = {key: SERVER[key] for key in SERVER.keys() - {"expose"}} | {"network_mode": "service:db"}
    services = {"db": database, "web": SERVER | shares, "beside": beside}
    with project(tmp_path, {"services": services}) as made:
        made.compose("up", "--detach", "--force-recreate", "--no-deps", "--timeout", "0", "db")
        away = made.file.rename(tmp_path / "away")
        try:
            replica = add(made)
            with pytest.raises(TargetError, match="the service beside has network_mode: service:db, where"):
                add(made, service="beside")
        finally:
            away.rename(made.file)
        host = made.inspect(replica)["HostConfig"]
        today = model(made, "db")

        assert host["IpcMode"] == f"container:{today}"
        assert [volumes.partition(":")[0] for volumes in host["VolumesFrom"]] == [today]
        made.client.remove_container(today, force=True, v=True)
        with pytest.raises(TargetError, match="of service db, of which nothing runs") as caught:
            made.target.create(model=replica, number=3)
        assert caught.value.reason is ErrorReason.CANNOT_CLONE


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One that writes its log where it can be read, and one that does not."""
    talk = SERVER | {
        "command": ["sh", "-c", "seq 1 40; sleep 0.3; echo at last >&2; sleep infinity"],
        "init": True,
    }
    services = {"web": talk, "mute": talk | {"logging": {"driver": "none"}}, "tty": talk | {"tty": True}}
    with project(tmp_path_factory.mktemp("talking"), {"services": services}) as made:
        yield made


class TestLastWords:
    @pytest.mark.parametrize("service", ["web", "tty"])
    def test_the_last_lines_of_both_streams(self, talking: Project, service: str) -> None:
        replica = model(talking, service)
        until(lambda: "at last" in talking.target.last_words(replica), what="it has said all of it")

        assert sorted(talking.target.last_words(replica)) == sorted([*map(str, range(22, 41)), "at last"])

    def test_a_log_that_the_engine_does_not_keep_is_an_error(self, talking: Project) -> None:
        with pytest.raises(TargetError, match=r"refused to read the log of .*does not support reading"):
            talking.target.last_words(model(talking, "mute"))


def test_one_that_somebody_has_renamed_is_copied_no_more_and_the_other_is(tmp_path: Path) -> None:
    with project(tmp_path, {"services": {"web": SERVER}}, "--scale", "web=2") as made:
        (service,) = made.target.observe().services
        newest = replica_choice.model(service.replicas)
        made.client.rename(newest.id, f"{made.name}-elsewhere")
        with pytest.raises(TargetError, match=f"or docker rename {made.name}-elsewhere {newest.name}"):
            made.target.create(model=newest.id, number=3)
        (service,) = made.target.observe().services
        other = replica_choice.model(service.replicas)

        assert other.id != newest.id
        made.target.create(model=other.id, number=3)
        assert f"/{made.name}-web-3" in made.left()["containers"]


class TestEngineAway:
    @pytest.mark.parametrize(
        "call",
        [
            lambda target: target.observe(),
            lambda target: target.create(model="c0ffee", number=2),
            lambda target: target.find(service=("shop", "web"), number=1),
            lambda target: target.start("c0ffee"),
            lambda target: target.run_hooks("c0ffee", kind=HookKind.PRE_STOP, timeout=1, ask=print),
            lambda target: target.last_words("c0ffee"),
            lambda target: target.stop("c0ffee"),
            lambda target: target.remove("c0ffee"),
            lambda target: target.discard("c0ffee"),
            lambda target: next(target.changes()),
        ],
        ids=[
            "observe",
            "create",
            "find",
            "start",
            "hooks",
            "last_words",
            "stop",
            "remove",
            "discard",
            "changes",
        ],
    )
    def test_says_so_and_names_the_way_out(self, call: Callable[[ComposeTarget], object]) -> None:
        # Not a socket file that is missing: the SDK leaves its own end of that open.
        client = APIClient(base_url=f"tcp://127.0.0.1:{free_port()}", version="1.41")
        target = ComposeTarget(client=client, events=client, own_project="shop")

        with pytest.raises(
            TargetError, match="is the Docker Engine running and its socket mounted"
        ) as caught:
            call(target)
        assert caught.value.reason is ErrorReason.ENGINE_UNAVAILABLE
        client.close()


def test_what_compose_prints_of_itself_is_read(shop: Project) -> None:
    """The files that the labels name are the ones that messages send people to."""
    (service,) = shop.target.observe().services

    assert service.files == str(shop.file)
    assert json.loads(shop.compose("config", "--format", "json"))["name"] == shop.name
