"""Whose namespaces and volumes a copy shares once the container that its model shares with is gone."""

from pathlib import Path
from typing import Any

import docker.errors
import pytest

from scaler.engines.compose.project_files import ProjectFiles
from scaler.engines.compose.shared import Shared
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

OLD, NEW = "0" * 64, "f" * 64


class Engine:
    """Has containers of services, by id."""

    def __init__(self) -> None:
        self.containers_: dict[str, tuple[str, bool]] = {OLD: ("db", True)}
        self.project = "shop"

    def inspect_container(self, container: str) -> dict[str, Any]:
        if container not in self.containers_:
            raise docker.errors.NotFound("No such container")
        service, running = self.containers_[container]
        labels = {"com.docker.compose.project": self.project, "com.docker.compose.service": service}
        name = f"/{self.project}-{service}-1"
        return {
            "Id": container, "Name": name, "Config": {"Labels": labels}, "State": {"Running": running},
        }  # fmt: skip

    def containers(self, *, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        return [
            {"Id": container, "Labels": {"com.docker.compose.container-number": "1"}}
            for container, (service, running) in self.containers_.items()
            if running
            and f"com.docker.compose.project={self.project}" in filters["label"]
            and f"com.docker.compose.service={service}" in filters["label"]
        ]


def model(needs: str = "", file: str = "/gone.yml", **host: Any) -> dict[str, Any]:  # noqa: ANN401
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.depends_on": needs,
        "com.docker.compose.project.config_files": file,
    }
    return {"Config": {"Labels": labels}, "HostConfig": host}


class Case:
    """An engine on which db was made anew, unless a test says otherwise."""

    def __init__(self) -> None:
        self.engine = Engine()
        client: Any = self.engine
        self.shared = Shared(client=client, files=ProjectFiles(own_project="own", stack=Path("/none")))

    def renew(self, *, running: bool = True) -> None:
        self.engine.containers_ = {NEW: ("db", running)}

    def refusal(self, made: dict[str, Any]) -> str:
        with pytest.raises(TargetError) as caught:
            self.shared.today(made)
        assert caught.value.reason is ErrorReason.CANNOT_CLONE
        assert OLD not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("IpcMode", f"container:{OLD}", f"container:{NEW}"),
        ("PidMode", f"container:{OLD}", f"container:{NEW}"),
        ("VolumesFrom", [f"{OLD}:ro"], [f"{NEW}:ro"]),
        ("VolumesFrom", [OLD], [NEW]),
        ("IpcMode", "shareable", "shareable"),
        ("PidMode", "", ""),
        ("VolumesFrom", None, None),
    ],
)
def test_a_container_that_was_made_anew_is_the_one_of_today(
    case: Case, field: str, value: object, expected: object
) -> None:
    host: dict[str, Any] = {field: value}
    made = model(**host)
    case.shared.learn(made)
    case.renew()

    assert case.shared.today(made)["HostConfig"][field] == expected


def test_one_that_is_there_stays(case: Case) -> None:
    assert case.shared.today(model(IpcMode=f"container:{OLD}"))["HostConfig"]["IpcMode"] == f"container:{OLD}"


@pytest.mark.parametrize(
    ("needs", "host"),
    [
        ("db:service_started:true", {"IpcMode": f"container:{OLD}"}),
        ("cache:service_healthy:false,db:service_started:true", {"IpcMode": f"container:{OLD}"}),
        ("db:service_started:false", {"VolumesFrom": [OLD]}),
    ],
    ids=["one", "one that a restart of the other restarts", "volumes"],
)
def test_a_scaler_that_never_saw_it_takes_the_service_that_compose_notes(
    case: Case, needs: str, host: dict[str, Any]
) -> None:
    case.renew()

    assert NEW in str(case.shared.today(model(needs, **host))["HostConfig"])


def test_or_the_one_of_the_files(case: Case, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: { web: { pid: 'service:db', volumes_from: [db:ro] } }")
    case.renew()
    needs = "db:service_started:true,cache:service_started:true"
    made = model(needs, str(tmp_path / "compose.yml"), PidMode=f"container:{OLD}", VolumesFrom=[f"{OLD}:ro"])

    host = case.shared.today(made)["HostConfig"]
    assert (host["PidMode"], host["VolumesFrom"]) == (f"container:{NEW}", [f"{NEW}:ro"])


@pytest.mark.parametrize("needs", ["", "db:service_started:true,cache:service_started:true"])
def test_one_that_may_be_of_any_service_is_refused_with_the_way_out(case: Case, needs: str) -> None:
    case.renew()

    assert case.refusal(model(needs, IpcMode=f"container:{OLD}")) == (
        "cannot make another replica: the service shares ipc of the container 000000000000, which is gone;"
        " make its replicas anew, with the one of today: docker compose up -d --force-recreate web"
    )


def test_the_service_of_that_name_in_this_project_is_not_the_one_of_another(case: Case) -> None:
    """``ipc: container:db-of-another``, by a service that needs a db of its own."""
    made = model("db:service_started:true", IpcMode=f"container:{OLD}")
    case.engine.project = "another"
    case.shared.learn(made)
    case.engine.project = "shop"
    case.renew()

    assert case.refusal(made) == (
        "cannot make another replica: the service shares ipc of the container 000000000000 of another/db,"
        " which is gone; make its replicas anew, with the one of today:"
        " docker compose up -d --force-recreate web"
    )


def test_nor_is_one_that_is_nobodys(case: Case) -> None:
    made = model("db:service_started:true", PidMode=f"container:{OLD}")
    case.engine.containers_, case.engine.project = {OLD: ("", False)}, ""
    case.shared.learn(made)
    case.engine.containers_ |= {NEW: ("db", True)}
    case.engine.project = "shop"

    assert "pid of the container 000000000000, which does not run" in case.refusal(made)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("ipc: 'container:db'", {"IpcMode": f"container:{OLD}"}),
        ("volumes_from: ['container:db:ro']", {"VolumesFrom": [OLD]}),
        ("volumes_from: ['container:db']", {"VolumesFrom": [OLD]}),
    ],
)
def test_a_container_that_the_files_name_is_no_service(
    case: Case, tmp_path: Path, written: str, host: dict[str, Any]
) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{ web: {{ {written} }} }}")
    case.engine.containers_ = {NEW: ("container", True), "e" * 64: ("db", True)}

    said = case.refusal(model("db:service_started:true", str(tmp_path / "compose.yml"), **host))
    assert "of the container 000000000000, which is gone" in said


def test_a_service_of_which_nothing_runs_is_named(case: Case) -> None:
    case.renew(running=False)

    assert case.refusal(model("db:service_started:true", PidMode=f"container:{OLD}")) == (
        "cannot make another replica: the service shares pid of service db, of which nothing runs;"
        " start it: docker compose up -d db"
    )


class TestNetwork:
    """That of another is refused: all replicas would have one address. By name, whatever became of it."""

    MODEL = model("db:service_started:true", NetworkMode=f"container:{OLD}")

    def said(self, whose: str) -> str:
        return (
            f"cannot make another replica: the service web has network_mode: {whose}, where all replicas"
            " would share one address; put it on a network of its own"
        )

    def test_of_a_service(self, case: Case) -> None:
        assert case.refusal(self.MODEL) == self.said("service:db")

    def test_of_a_service_whose_container_was_made_anew(self, case: Case) -> None:
        case.renew()

        assert case.refusal(self.MODEL) == self.said("service:db")

    def test_of_one_that_the_files_name(self, case: Case, tmp_path: Path) -> None:
        (tmp_path / "compose.yml").write_text("services: { web: { network_mode: 'service:vpn' } }")
        case.renew()
        made = model(file=str(tmp_path / "compose.yml"), NetworkMode=f"container:{OLD}")

        assert case.refusal(made) == self.said("service:vpn")

    def test_of_another_projects(self, case: Case) -> None:
        case.engine.project = "vpn"

        assert case.refusal(self.MODEL) == self.said("container:vpn-db-1")

    def test_of_nobody_knows_which(self, case: Case) -> None:
        case.renew()

        assert case.refusal(model(NetworkMode=f"container:{OLD}")) == self.said(
            "that of a container that is gone"
        )

    @pytest.mark.parametrize("mode", ["shop_default", "bridge", "none", "host", ""])
    def test_one_that_is_not_a_containers_is_none(self, case: Case, mode: str) -> None:
        made = model(NetworkMode=mode)
        case.shared.learn(made)

        assert case.shared.today(made) == made
