"""The lease as Swarm's managers keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

import docker.errors
import pytest
import requests

from scaler.engines.contract import LeaseRecord
from scaler.engines.swarm.lease import SwarmLease
from scaler.leader.lease import RENEW_EVERY, Lease
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason
from tests.unit.scaler.leader.test_lease import Time

# ruff: noqa: ARG002 - the signatures are those of the API's client


class Config:
    """The part of the Engine API that keeps configs, as a manager of Swarm answers."""

    base_url, api_version, timeout = "http+docker://localhost", "1.41", 15

    def __init__(self) -> None:
        self.specs: dict[str, tuple[int, dict[str, object]]] = {}
        self.versions = count(10)
        self.before: Callable[[], object] = lambda: None
        self.posted: list[tuple[str, Mapping[str, int]]] = []
        self.managers: list[dict[str, object]] = [
            {"ID": "id-of-node-1", "ManagerStatus": {"Reachability": "reachable", "Leader": True}},
            {"ID": "id-of-node-2", "ManagerStatus": {"Reachability": "reachable"}},
            {"ID": "id-of-node-3", "ManagerStatus": {"Reachability": "unreachable"}},
        ]

    def nodes(self, filters: Mapping[str, object]) -> list[dict[str, object]]:
        assert filters == {"role": ["manager"]}
        return self.managers

    def inspect_config(self, name: str) -> dict[str, object]:
        for ident, (version, spec) in self.specs.items():
            if spec["Name"] == name:
                return {"ID": ident, "Version": {"Index": version}, "Spec": spec}
        raise docker.errors.NotFound("404", explanation=f"config {name} not found")

    def post(
        self, url: str, *, json: dict[str, object], params: Mapping[str, int], timeout: int
    ) -> requests.Response:
        path = url.removeprefix("http+docker://localhost/v1.41")
        self.posted.append((path, params))
        self.before()
        if path == "/configs/create":
            if any(spec["Name"] == json["Name"] for _, spec in self.specs.values()):
                said = f"rpc error: code = AlreadyExists desc = config {json['Name']} already exists"
                return answer(409, said)
            self.specs["id-of-it"] = (next(self.versions), json)
            return answer(201, "")
        ident = path.split("/")[2]
        version, before = self.specs[ident]
        if params["version"] != version:
            return answer(500, "rpc error: code = Unknown desc = update out of sequence")
        if before["Data"] != json["Data"]:
            return answer(400, "rpc error: code = InvalidArgument desc = only updates to Labels are allowed")
        self.specs[ident] = (next(self.versions), json)
        return answer(200, "")


def answer(status: int, message: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made.reason = status, "what the status says"
    made._content = b'{"message": "%s"}' % message.encode()
    return made


@pytest.fixture
def config() -> Config:
    return Config()


def store_of(config: Config, stack: str = "shop") -> SwarmLease:
    return SwarmLease(client=config, stack=stack)  # type: ignore[arg-type]


class TestSwarmLease:
    FIRST = LeaseRecord(
        holder="a", address="10.0.1.5:8000", node="id-of-node-1", note='[["shop", "web"]]', turn=1
    )

    def test_there_is_none_at_first(self, config: Config) -> None:
        assert store_of(config).read() is None

    def test_what_is_written_is_read_by_another_with_its_version(self, config: Config) -> None:
        written = store_of(config).write(self.FIRST)

        assert written == replace(self.FIRST, version=10)
        assert store_of(config).read() == written

    def test_it_stands_in_labels_of_a_config_whose_content_stays(self, config: Config) -> None:
        store = store_of(config)
        store.write(replace(store.write(self.FIRST), holder="b", turn=2))
        ((_, spec),) = config.specs.values()

        assert spec["Name"] == "alertscale-lease-shop"
        assert spec["Labels"] == {
            "alertscale.lease.holder": "b",
            "alertscale.lease.address": "10.0.1.5:8000",
            "alertscale.lease.node": "id-of-node-1",
            "alertscale.lease.note": '[["shop", "web"]]',
            "alertscale.lease.wanted": "",
            "alertscale.lease.turn": "2",
        }
        assert config.posted == [("/configs/create", {}), ("/configs/id-of-it/update", {"version": 10})]

    def test_each_stack_has_one_of_its_own(self, config: Config) -> None:
        store_of(config).write(self.FIRST)

        assert store_of(config, "blog").read() is None
        assert store_of(config, "").read() is None

    def test_of_two_that_create_it_at_once_one_is_overtaken(self, config: Config) -> None:
        mine, theirs = store_of(config), store_of(config)
        assert mine.read() is None
        assert theirs.read() is None
        theirs.write(replace(self.FIRST, holder="b"))

        with pytest.raises(TargetError) as caught:
            mine.write(self.FIRST)
        assert caught.value.reason is ErrorReason.OVERTAKEN
        assert config.specs["id-of-it"][0] == 10

    def test_of_two_that_write_on_one_version_the_second_is_overtaken(self, config: Config) -> None:
        mine, theirs = store_of(config), store_of(config)
        written = mine.write(self.FIRST)
        theirs.read()
        theirs.write(replace(written, holder="b", turn=2))

        with pytest.raises(TargetError) as caught:
            mine.write(replace(written, turn=2))
        assert caught.value.reason is ErrorReason.OVERTAKEN
        read = mine.read()
        assert read is not None
        assert read.holder == "b"

    def test_one_that_is_overtaken_between_its_writing_and_its_reading_is_told(self, config: Config) -> None:
        """The version that it would go on with is another's."""
        mine, theirs = store_of(config), store_of(config)
        written = mine.write(self.FIRST)
        inspect = config.inspect_config

        def after_another(name: str) -> dict[str, object]:
            config.inspect_config = inspect  # type: ignore[method-assign]
            seen = theirs.read()
            assert seen is not None
            theirs.write(replace(seen, holder="b", turn=3))
            return inspect(name)

        config.inspect_config = after_another  # type: ignore[method-assign]

        with pytest.raises(TargetError) as caught:
            mine.write(replace(written, turn=2))
        assert caught.value.reason is ErrorReason.OVERTAKEN

    def test_another_refusal_is_none_of_that(self, config: Config) -> None:
        store = store_of(config)
        written = store.write(self.FIRST)
        config.specs["id-of-it"][1]["Data"] = "another scaler's version wrote this"

        with pytest.raises(TargetError, match="only updates to Labels are allowed") as caught:
            store.write(replace(written, turn=2))
        assert caught.value.reason is ErrorReason.ENGINE_REFUSED

    def test_a_manager_that_does_not_answer_says_so(self, config: Config) -> None:
        def broken() -> None:
            raise requests.ConnectionError("connection refused")

        config.before = broken

        with pytest.raises(TargetError) as caught:
            store_of(config).write(self.FIRST)
        assert caught.value.reason is ErrorReason.ENGINE_UNAVAILABLE

    @pytest.mark.parametrize("labels", [None, {}, {"alertscale.lease.turn": "many"}])
    def test_labels_that_somebody_else_wrote_are_a_lease_that_nobody_holds(
        self, config: Config, labels: dict[str, str] | None
    ) -> None:
        config.specs["x"] = (7, {"Name": "alertscale-lease-shop", "Labels": labels, "Data": ""})

        assert store_of(config).read() == LeaseRecord(holder="", turn=0, version=7)

    def test_a_request_stands_beside_what_the_holder_wrote(self, config: Config) -> None:
        store = store_of(config)
        store.write(replace(store.write(self.FIRST), wanted="b"))

        assert store.read() == replace(self.FIRST, wanted="b", version=11)

    def test_the_leader_of_the_managers_is_named(self, config: Config) -> None:
        assert store_of(config).leader() == "id-of-node-1"

    def test_one_that_cannot_be_reached_is_none(self, config: Config) -> None:
        """Of two it would be the only one, and nobody else could act."""
        del config.managers[1]

        assert store_of(config).leader() == ""

    def test_a_worker_that_becomes_a_manager_has_no_status_yet(self, config: Config) -> None:
        config.managers.append({"ID": "id-of-node-4"})

        assert store_of(config).leader() == "id-of-node-1"

    def test_without_a_leader_there_is_none(self, config: Config) -> None:
        config.managers[0] = {"ID": "id-of-node-1", "ManagerStatus": {"Reachability": "reachable"}}

        assert store_of(config).leader() == ""

    def test_two_scalers_share_it(self, config: Config) -> None:
        time = Time()
        a, b = (Lease(store=store_of(config), me=name, address=name, monotonic=time) for name in "ab")

        assert (a.try_to_take(), b.try_to_take()) == (True, False)
        time.now += RENEW_EVERY
        assert a.renew("a note")
        assert not b.try_to_take()
        a.lay_down("a note")
        assert b.try_to_take()
        assert (a.acting, b.acting, b.note) == (False, True, "a note")
