"""From a container's ``inspect`` to its next sibling: what is kept, dropped, made anew and refused."""

# ruff: noqa: ANN401 - keywords stand for the fields of an inspect answer

import copy
from typing import Any

import pytest

from scaler.engines.compose.clone import Clone, clone
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

ID = "c0ffee" * 10 + "c0de"
ANONYMOUS = "ab" * 32
OLD, NEW = (1, 43), (1, 44)

# As Engine 20.10 answers for a container that Compose made, shortened to what differs between kinds.
INSPECT: dict[str, Any] = {
    "Id": ID,
    "Created": "2026-01-02T03:04:05.6Z",
    "Name": "/shop-web-1",
    "Image": "sha256:" + "5" * 64,
    "State": {"Status": "running", "Pid": 4711},
    "Mounts": [
        {"Type": "volume", "Name": ANONYMOUS, "Destination": "/cache"},
        {"Type": "volume", "Name": "shop_data", "Destination": "/data"},
    ],
    "Config": {
        "Hostname": ID[:12],
        "User": "1000",
        "Env": ["PORT=5000", "PATH=/usr/bin"],
        "Cmd": ["python", "app.py"],
        "Image": "shop-web",
        "Volumes": {"/cache": {}},
        "WorkingDir": "/app",
        "ExposedPorts": {"5000/tcp": {}},
        "Labels": {
            "alertscale.enable": "true",
            "com.docker.compose.project": "shop",
            "com.docker.compose.service": "web",
            "com.docker.compose.container-number": "1",
            "com.docker.compose.config-hash": "h1",
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.replace": "d" * 64,
        },
        "StopSignal": "SIGINT",
        "StopTimeout": 35,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
    },
    "HostConfig": {
        "Binds": [f"{ANONYMOUS}:/cache:rw", "shop_data:/data:rw", "/srv/conf:/conf:ro"],
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        "NetworkMode": "shop_default",
        "PortBindings": {},
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "NanoCpus": 500_000_000,
        "Memory": 268_435_456,
    },
    "NetworkSettings": {
        "Networks": {
            "shop_default": {
                "IPAMConfig": None,
                "Links": None,
                "Aliases": ["shop-web-1", "web", ID[:12]],
                "NetworkID": "n1",
                "EndpointID": "e1",
                "Gateway": "172.18.0.1",
                "IPAddress": "172.18.0.3",
                "MacAddress": "02:42:ac:12:00:03",
                "DriverOpts": None,
            },
        }
    },
}


def model(**changes: Any) -> dict[str, Any]:
    """Return the inspect above; ``Config__X`` and ``HostConfig__X`` replace fields of those two."""
    made = copy.deepcopy(INSPECT)
    for path, value in changes.items():
        *outer, name = path.split("__")
        inside = made[outer[0]] if outer else made
        inside[name] = value
    return made


def with_network(name: str, **endpoint: Any) -> dict[str, Any]:
    made = model()
    made["NetworkSettings"]["Networks"][name] = {"IPAMConfig": {}, "Aliases": [], **endpoint}
    return made


def sibling(made: dict[str, Any], *, number: int = 2, api: tuple[int, int] = OLD) -> Clone:
    return clone(made, number=number, image="shop-web", api_version=api)


def refusal(made: dict[str, Any]) -> str:
    with pytest.raises(TargetError) as caught:
        sibling(made)
    assert caught.value.reason is ErrorReason.CANNOT_CLONE
    text = str(caught.value)
    assert text.startswith("cannot make another replica: the service ")
    what, _, way_out = text.partition("; ")
    assert what
    assert way_out
    return text


class TestKept:
    @pytest.mark.parametrize(
        "name",
        ["User", "Env", "Cmd", "WorkingDir", "ExposedPorts", "StopSignal", "StopTimeout", "Healthcheck"],
    )
    def test_config(self, name: str) -> None:
        assert sibling(model()).config[name] == INSPECT["Config"][name]

    @pytest.mark.parametrize("name", ["LogConfig", "NetworkMode", "RestartPolicy", "NanoCpus", "Memory"])
    def test_host_config(self, name: str) -> None:
        assert sibling(model()).config["HostConfig"][name] == INSPECT["HostConfig"][name]

    def test_all_labels_but_the_number(self) -> None:
        labels = sibling(model(), number=7).config["Labels"]

        expected = {**INSPECT["Config"]["Labels"], "com.docker.compose.container-number": "7"}
        del expected["com.docker.compose.replace"]
        assert labels == expected

    def test_named_volumes_and_bind_mounts(self) -> None:
        assert sibling(model()).config["HostConfig"]["Binds"] == ["shop_data:/data:rw", "/srv/conf:/conf:ro"]

    def test_the_services_own_aliases(self) -> None:
        endpoint = sibling(model()).config["NetworkingConfig"]["EndpointsConfig"]["shop_default"]

        assert endpoint == {"Aliases": ["shop-web-2", "web"]}

    def test_links_driver_options_and_gateway_priority_of_a_network(self) -> None:
        made = with_network("shop_default", Links=["db:db"], DriverOpts={"o": "1"}, GwPriority=2)

        endpoint = sibling(made).config["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
        assert endpoint == {
            "Aliases": ["shop-web-2"],
            "Links": ["db:db"],
            "DriverOpts": {"o": "1"},
            "GwPriority": 2,
        }

    def test_a_hostname_that_the_service_chose(self) -> None:
        assert sibling(model(Config__Hostname="web")).config["Hostname"] == "web"

    def test_ports_that_the_engine_chooses(self) -> None:
        bindings = {"80/tcp": [{"HostIp": "", "HostPort": ""}, {"HostPort": "0"}, {"HostPort": "8000-8010"}]}

        made = sibling(model(HostConfig__PortBindings=bindings))
        assert made.config["HostConfig"]["PortBindings"] == bindings

    def test_the_model_itself_is_left_as_it_was(self) -> None:
        made = model()
        sibling(made)

        assert made == INSPECT


class TestDropped:
    def test_a_hostname_that_is_the_short_id(self) -> None:
        assert "Hostname" not in sibling(model()).config

    def test_the_mac_address(self) -> None:
        assert "MacAddress" not in sibling(model(Config__MacAddress="02:42:ac:12:00:03")).config

    def test_the_replace_label(self) -> None:
        assert "com.docker.compose.replace" not in sibling(model()).config["Labels"]

    def test_the_id_file(self) -> None:
        assert "ContainerIDFile" not in sibling(model()).config["HostConfig"]

    def test_addresses_and_ids_of_the_endpoint(self) -> None:
        endpoint = sibling(model()).config["NetworkingConfig"]["EndpointsConfig"]["shop_default"]

        assert endpoint.keys() == {"Aliases"}

    def test_the_models_name_and_ids_among_the_aliases(self) -> None:
        made = with_network("shop_default", Aliases=["shop-web-1", ID, ID[:12], "web", "web", "frontend"])

        endpoint = sibling(made).config["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
        assert endpoint["Aliases"] == ["shop-web-2", "web", "frontend"]


class TestMadeAnew:
    def test_the_name_carries_the_number(self) -> None:
        assert sibling(model(), number=12).name == "shop-web-12"

    def test_names_of_compose_1_are_kept_in_their_form(self) -> None:
        assert sibling(model(Name="/shop_web_1")).name == "shop_web_2"

    def test_a_renamed_leftover_of_a_recreation_gives_a_clean_name(self) -> None:
        """Compose recreates a container under its short id and name, then renames it."""
        assert sibling(model(Name=f"/{ID[:12]}_shop-web-1")).name == "shop-web-2"

    def test_the_image(self) -> None:
        made = clone(model(), number=2, image="sha256:1", api_version=OLD)

        assert made.config["Image"] == "sha256:1"

    def test_anonymous_volumes_are_not_shared(self) -> None:
        made = sibling(model(Config__Volumes=None))

        assert made.config["Volumes"] == {"/cache": {}}
        assert not any(ANONYMOUS in bind for bind in made.config["HostConfig"]["Binds"])

    def test_anonymous_volumes_in_the_form_of_mounts(self) -> None:
        mounts = [
            {"Type": "volume", "Source": ANONYMOUS, "Target": "/scratch"},
            {"Type": "volume", "Source": "shop_data", "Target": "/data"},
            {"Type": "volume", "Target": "/spool"},
            {"Type": "tmpfs", "Target": "/tmp"},
        ]
        made = sibling(model(HostConfig__Mounts=mounts))

        assert made.config["HostConfig"]["Mounts"] == [{"Type": "volume", "Target": "/scratch"}, *mounts[1:]]

    def test_the_images_own_volumes_that_a_recreation_handed_on(self) -> None:
        """Compose mounts them by name then; the image makes new ones by itself."""
        mounts = [{"Type": "volume", "Source": ANONYMOUS, "Target": "/cache"}]
        made = sibling(model(HostConfig__Mounts=mounts))

        assert made.config["HostConfig"]["Mounts"] == []
        assert made.config["Volumes"] == {"/cache": {}}

    def test_a_service_without_volumes(self) -> None:
        made = sibling(model(Config__Volumes=None, HostConfig__Binds=None))

        assert made.config["Volumes"] is None
        assert made.config["HostConfig"]["Binds"] is None


class TestNetworks:
    def test_before_api_1_44_further_networks_are_connected_after_create(self) -> None:
        made = sibling(with_network("shop_back", Aliases=["shop-web-1", "web"]), api=OLD)

        assert made.config["NetworkingConfig"]["EndpointsConfig"].keys() == {"shop_default"}
        assert made.connect == {"shop_back": {"Aliases": ["shop-web-2", "web"]}}

    def test_from_api_1_44_on_all_are_given_at_create(self) -> None:
        made = sibling(with_network("shop_back"), api=NEW)

        assert made.config["NetworkingConfig"]["EndpointsConfig"].keys() == {"shop_default", "shop_back"}
        assert made.connect == {}

    @pytest.mark.parametrize("name", ["bridge", "none"])
    def test_networks_that_the_engine_brings_are_named_by_the_mode_alone(self, name: str) -> None:
        """It refuses aliases there."""
        made = model(HostConfig__NetworkMode=name)
        made["NetworkSettings"]["Networks"] = {name: {"IPAMConfig": None, "Aliases": None}}
        definition = sibling(made)

        assert definition.config["NetworkingConfig"] == {"EndpointsConfig": {}}
        assert definition.config["HostConfig"]["NetworkMode"] == name

    def test_links_carry_the_number_of_the_one_that_links(self) -> None:
        """As Compose makes them; an alias that a person chose stays."""
        links = ["shop-db-1:db-1", "shop-db-1:shop-db-1", "shop-db-1:db", "shop-db-1:store-1"]
        endpoint = sibling(with_network("shop_default", Links=links), number=3).config["NetworkingConfig"]

        assert endpoint["EndpointsConfig"]["shop_default"]["Links"] == [
            "shop-db-1:db-3",
            "shop-db-1:shop-db-3",
            "shop-db-1:db",
            "shop-db-1:store-1",
        ]


class TestRefused:
    def test_a_fixed_host_port(self) -> None:
        bindings = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}

        text = refusal(model(HostConfig__PortBindings=bindings))
        assert "publishes the fixed host port 8080 (for 80/tcp)" in text

    def test_a_range_of_one_host_port(self) -> None:
        bindings = {"80/tcp": [{"HostIp": "", "HostPort": "8080-8080"}]}

        assert "the fixed host port 8080-8080" in refusal(model(HostConfig__PortBindings=bindings))

    def test_a_container_name(self) -> None:
        assert (
            "container_name: frontend, or somebody has renamed its container, which was shop-web-1; remove"
            " container_name from the service, or docker rename frontend shop-web-1"
        ) in refusal(model(Name="/frontend"))

    def test_a_name_that_was_swapped_with_another_replicas(self) -> None:
        """``docker rename`` refuses a name that is taken, so one of the two has to make room first."""
        assert (
            "docker rename shop-web-2 shop-web-1; where another container has that name, before it"
            " docker rename shop-web-1 shop-web-1-aside, and then that one to its own"
        ) in refusal(model(Name="/shop-web-2"))

    def test_the_network_of_the_host(self) -> None:
        assert "network_mode: host" in refusal(model(HostConfig__NetworkMode="host"))

    @pytest.mark.parametrize("key", ["IPv4Address", "IPv6Address"])
    def test_a_static_address(self, key: str) -> None:
        made = with_network("shop_back", IPAMConfig={key: "10.0.0.9"})

        assert "the static address 10.0.0.9 on network shop_back" in refusal(made)

    def test_a_link_local_address_or_an_empty_one_is_none(self) -> None:
        sibling(with_network("shop_back", IPAMConfig={"LinkLocalIPs": ["169.254.1.1"], "IPv4Address": ""}))
