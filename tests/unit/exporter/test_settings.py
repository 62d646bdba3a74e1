"""The environment to settings; every fault at once."""

import pytest

from exporter.errors import SettingsError
from exporter.settings import DEFAULT_LABELS, VARIABLES, label_name, read_settings


def test_an_empty_environment_gives_what_compose_relies_on() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert str(settings.cgroup_root) == "/host/sys/fs/cgroup"
    assert settings.engine == "unix:///var/run/docker.sock"
    assert settings.container_labels == DEFAULT_LABELS
    assert settings.log_level == "info"


def test_every_setting_can_be_changed() -> None:
    settings = read_settings(
        {
            "EXPORTER_LISTEN": "[::1]:9100",
            "EXPORTER_CGROUP_ROOT": "/sys/fs/cgroup",
            "EXPORTER_ENGINE": "tcp://127.0.0.1:2375",
            "EXPORTER_EXTRA_LABELS": "team, com.docker.compose.config-hash",
            "EXPORTER_LOG_LEVEL": "DEBUG",
        }
    )
    assert (settings.host, settings.port) == ("::1", 9100)
    assert str(settings.cgroup_root) == "/sys/fs/cgroup"
    assert settings.engine == "tcp://127.0.0.1:2375"
    assert set(settings.container_labels) == {
        *DEFAULT_LABELS,
        "team",
        "com.docker.compose.config-hash",
    }
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EXPORTER_LISTEN", "8080"),
        ("EXPORTER_LISTEN", "0.0.0.0:0"),
        ("EXPORTER_LISTEN", "0.0.0.0:65536"),
        ("EXPORTER_LISTEN", "0.0.0.0:http"),
        ("EXPORTER_CGROUP_ROOT", "sys/fs/cgroup"),
        ("EXPORTER_ENGINE", "/var/run/docker.sock"),
        ("EXPORTER_ENGINE", "ssh://host"),
        ("EXPORTER_EXTRA_LABELS", "a.b,a-b"),
        ("EXPORTER_LOG_LEVEL", "loud"),
    ],
)
def test_a_fault_names_the_variable_the_value_and_the_way_out(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: value})
    (fault,) = caught.value.faults
    assert fault.startswith(f"{variable}={value!r}")
    assert "write" in fault or "leave" in fault


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"EXPORTER_LISTEN": "x", "EXPORTER_ENGINE": "y", "EXPORTER_LOG_LEVEL": "z"})
    assert len(caught.value.faults) == 3


def test_a_container_label_is_named_as_cadvisor_names_it() -> None:
    name = label_name("com.docker.compose.project")
    assert name == "container_label_com_docker_compose_project"


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_is_an_unset_one(variable: str) -> None:
    assert read_settings({variable: ""}) == read_settings({})
