"""docker-stack.yml against docker-compose.yml: the same stack, and what Swarm wants besides."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OWN = {"flask-app", "exporter", "scaler"}
DIGEST = re.compile(r"-\$\{(\w+_CONFIG)(?::\?[^}]*)?\}$")
LONGEST_CONFIG_NAME = 64


def load(name: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load((ROOT / name).read_text())


STACK = load("docker-stack.yml")
PORTS = load("docker-stack.ports.yml")
COMPOSE = load("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = STACK["services"]


def each_service() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(SERVICES))


def tmpfs(service: dict[str, Any]) -> dict[str, int]:
    """Sizes by place, from Compose's short form or Swarm's long one."""
    units = {"m": 1 << 20}
    short = [entry.split(":size=") for entry in service.get("tmpfs", [])]
    found = {place: int(size[:-1]) * units[size[-1]] for place, size in short}
    mounts = [mount for mount in service.get("volumes", []) if isinstance(mount, dict)]
    return found | {m["target"]: m["tmpfs"]["size"] for m in mounts if m["type"] == "tmpfs"}


def test_it_is_the_same_services_but_for_the_load_test_and_the_password() -> None:
    assert set(SERVICES) == set(COMPOSE["services"]) - {"locust", "monitoring-password"}


@each_service()
def test_every_service_is_found_by_its_tasks(name: str) -> None:
    assert SERVICES[name]["deploy"]["endpoint_mode"] == "dnsrr"


@each_service()
def test_images_are_pinned_as_in_compose(name: str) -> None:
    if name in OWN:
        expected = f"${{ALERTSCALE_IMAGES:-alertscale}}/{name}:${{ALERTSCALE_VERSION:-latest}}"
    else:
        expected = COMPOSE["services"][name]["image"]
    assert SERVICES[name]["image"] == expected


@each_service()
def test_what_a_container_may_do_is_as_in_compose(name: str) -> None:
    compose = COMPOSE["services"][name]
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    for key in ("cap_add", "user", "ulimits", "stop_grace_period"):
        assert SERVICES[name].get(key) == compose.get(key), key
    assert SERVICES[name].get("init", False) == compose["init"]
    assert tmpfs(SERVICES[name]) == tmpfs(compose)


@each_service()
def test_a_task_that_ended_is_always_started_again(name: str) -> None:
    assert SERVICES[name]["deploy"]["restart_policy"] == {"condition": "any", "delay": "2s"}


def test_labels_are_those_of_compose_where_swarm_keeps_them() -> None:
    labels = SERVICES["flask-app"]["deploy"]["labels"]
    assert labels == COMPOSE["services"]["flask-app"]["labels"] | {
        "alertscale.max": "10",
        "alertscale.port": "5000",
    }
    assert "labels" not in SERVICES["flask-app"]
    component = {"alertscale.component": "scaler"}
    assert SERVICES["scaler"]["labels"] == SERVICES["scaler"]["deploy"]["labels"] == component


def test_limits_are_those_of_compose() -> None:
    stack, compose = (each["services"]["flask-app"]["deploy"]["resources"] for each in (STACK, COMPOSE))
    assert stack == compose == {"limits": {"cpus": "0.5", "memory": "256M"}}


def test_a_new_version_starts_before_the_old_goes_and_is_taken_back_when_it_fails() -> None:
    update = SERVICES["flask-app"]["deploy"]["update_config"]
    assert (update["order"], update["failure_action"]) == ("start-first", "rollback")


def test_a_replica_is_checked_every_second_since_swarm_waits_for_the_first_check() -> None:
    stack, compose = (each["services"]["flask-app"]["healthcheck"] for each in (STACK, COMPOSE))
    assert stack == compose | {"interval": "1s"}


@pytest.mark.parametrize("name", ["exporter", "nginx", "nginx-exporter"])
def test_what_serves_or_watches_a_node_is_on_every_node(name: str) -> None:
    assert SERVICES[name]["deploy"]["mode"] == "global"
    assert "placement" not in SERVICES[name]["deploy"]


@pytest.mark.parametrize("name", ["alertmanager", "prometheus", "scaler"])
def test_what_a_lost_worker_must_not_take_along_is_on_managers(name: str) -> None:
    assert SERVICES[name]["deploy"]["placement"]["constraints"] == ["node.role == manager"]


def test_only_nginx_is_published_and_everything_on_the_nodes_themselves() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"nginx"}
    assert set(PORTS["services"]) == {"scaler", "prometheus", "alertmanager"}
    for service in (SERVICES["nginx"], *PORTS["services"].values()):
        assert [port["mode"] for port in service["ports"]] == ["host"]


def test_the_token_is_readable_by_its_two_users_only() -> None:
    owners = {"alertmanager": "65534", "scaler": "0"}
    assert {name for name, service in SERVICES.items() if "secrets" in service} == set(owners)
    for name, owner in owners.items():
        (secret,) = SERVICES[name]["secrets"]
        assert secret == {
            "source": "alertscale_token",
            "target": "/run/alertscale/token",
            "uid": owner,
            "gid": owner,
            "mode": 0o400,
        }


def variable_of(config: str) -> str:
    found = DIGEST.search(STACK["configs"][config]["name"])
    assert found, f"{config}: its name must end in a digest"
    return found[1]


def test_every_config_is_used_by_the_one_service_whose_digest_it_carries() -> None:
    used = {c["source"]: name for name, service in SERVICES.items() for c in service.get("configs", [])}
    assert set(used) == set(STACK["configs"])
    for config, service in used.items():
        assert variable_of(config) == f"{service.upper()}_CONFIG"


def test_no_config_has_a_longer_name_than_swarm_takes() -> None:
    for config in STACK["configs"].values():
        assert len(DIGEST.sub("-" + 12 * "0", config["name"])) <= LONGEST_CONFIG_NAME


@pytest.mark.parametrize("folder", ["receivers", "templates"])
def test_all_of_alertmanagers_files_are_there(folder: str) -> None:
    wanted = {
        f"/etc/alertmanager/{folder}/{file.name}" for file in (ROOT / "alertmanager" / folder).iterdir()
    }
    assert wanted <= {config["target"] for config in SERVICES["alertmanager"]["configs"]}


def stack_env(root: Path) -> dict[str, str]:
    done = subprocess.run(
        ["sh", root / "deploy/stack-env.sh"], capture_output=True, text=True, check=True, cwd="/"
    )
    return dict(re.findall(r"^export (\w+)=(\w+)$", done.stdout, re.MULTILINE))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("deploy", "nginx", "prometheus", "alertmanager"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("config", sorted(STACK["configs"]))
def test_a_changed_file_changes_the_digest_of_its_service_and_no_other(copy: Path, config: str) -> None:
    before = stack_env(copy)
    file = copy / STACK["configs"][config]["file"]
    file.write_text(file.read_text() + "\n# changed\n")
    after = stack_env(copy)
    assert {name for name in before if before[name] != after[name]} == {variable_of(config)}


def test_a_file_that_is_gone_is_named_with_the_way_out(copy: Path) -> None:
    (copy / "nginx/nginx.conf").unlink()
    done = subprocess.run(["sh", copy / "deploy/stack-env.sh"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "nginx/nginx.conf cannot be read. Way out:" in done.stderr


def jobs(name: str) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in load(name)["scrape_configs"]}


def test_prometheus_has_the_same_jobs_and_intervals_as_under_compose() -> None:
    ours, theirs = load("prometheus/swarm/prometheus.yml"), load("prometheus/prometheus.yml")
    assert (ours["global"], ours["rule_files"]) == (theirs["global"], theirs["rule_files"])
    swarm, compose = jobs("prometheus/swarm/prometheus.yml"), jobs("prometheus/prometheus.yml")
    assert list(swarm) == list(compose)
    for name, job in swarm.items():
        for key in ("scrape_interval", "scrape_timeout", "honor_labels", "honor_timestamps"):
            assert job.get(key) == compose[name].get(key), f"{name}: {key}"


def test_prometheus_asks_every_task_by_its_own_address() -> None:
    for name, job in jobs("prometheus/swarm/prometheus.yml").items():
        if name != "prometheus":
            (found,) = job["dns_sd_configs"]
            (host,) = found["names"]
            assert host.removeprefix("tasks.") in SERVICES
            assert (found["type"], found["refresh_interval"]) == ("A", "2s")


def test_nginx_follows_the_same_name_and_port_as_the_label_says() -> None:
    text = (ROOT / "nginx/swarm/flask-app.conf").read_text()
    port = SERVICES["flask-app"]["deploy"]["labels"]["alertscale.port"]
    assert f"server tasks.flask-app:{port} resolve max_fails=0;" in text
