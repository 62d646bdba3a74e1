"""What a cluster on one machine is made of; the making itself is tried by `make swarm-up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine import cluster
from machine.cluster import layout, require, start, traces
from machine.errors import EngineError, NotReadyError
from machine.shell import Completed

if TYPE_CHECKING:
    from pathlib import Path

    from machine.node import Node

LONGEST_INTERFACE = 15


def test_every_name_and_address_follows_from_the_place_of_a_node(tmp_path: Path) -> None:
    here = layout(tmp_path)
    assert [one.name for one in here.nodes] == ["node-1", "node-2", "node-3"]
    assert [one.namespace for one in here.nodes] == [f"alertscale-node-{index}" for index in (1, 2, 3)]
    assert [one.address for one in here.nodes] == ["10.98.1.1", "10.98.1.2", "10.98.1.3"]
    assert here.gateway == "10.98.1.254"
    assert here.nodes[2].host == f"unix://{tmp_path}/node-3/docker.sock"
    assert here.named("node-2") is here.nodes[1]


def test_two_clusters_share_nothing(tmp_path: Path) -> None:
    mine = layout(tmp_path / "a")
    other = layout(tmp_path / "b", name="tests", bridge="tests-sw", network="10.98.2.0/24")
    for field in ("namespace", "link", "address", "folder", "bridge", "run"):
        assert not {getattr(one, field) for one in mine.nodes} & {getattr(one, field) for one in other.nodes}


def test_no_interface_has_a_longer_name_than_the_kernel_takes(tmp_path: Path) -> None:
    here = layout(tmp_path)
    assert max(len(one.link) for one in here.nodes) <= LONGEST_INTERFACE
    with pytest.raises(EngineError, match="Way out: a shorter bridge name"):
        layout(tmp_path, bridge="b" * LONGEST_INTERFACE)


def test_a_folder_too_deep_for_a_socket_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Way out: a checkout in a folder with a shorter path"):
        layout(tmp_path / ("d" * 90))


def test_whoever_is_not_root_or_lacks_a_program_is_told_all_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None if name in {"ip", "dockerd"} else name)
    with pytest.raises(NotReadyError) as caught:
        require()
    assert [item.way_out for item in caught.value.missing] == [
        "run make as root",
        "on Debian: apt-get install docker.io iproute2",
    ]
    with pytest.raises(NotReadyError, match="needs root"):
        start(layout(tmp_path), images=[])


def test_root_without_namespaces_is_told_what_the_kernel_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "unshare: unshare failed: Operation not permitted"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(cluster, "capture", lambda *_argv: Completed(code=1, stdout="", stderr=f"{said}\n"))
    with pytest.raises(NotReadyError) as caught:
        require()
    (found,) = caught.value.missing
    assert found.what == f"no namespaces can be made here ({said})"
    assert "--privileged" in found.way_out


def test_what_was_never_made_has_left_nothing(tmp_path: Path) -> None:
    never = layout(tmp_path / "never", name="never-made", bridge="never-made", network="10.98.3.0/24")
    assert traces(never) == []


def test_a_failure_on_one_node_is_raised_when_all_are_done(tmp_path: Path) -> None:
    done: list[str] = []

    def do(one: Node) -> None:
        done.append(one.name)
        if one.name == "node-1":
            raise EngineError("node-1: no. Way out: none.")

    with pytest.raises(EngineError, match="node-1"):
        cluster.each(layout(tmp_path).nodes, do)
    assert sorted(done) == ["node-1", "node-2", "node-3"]
