"""Whose processes are a node's, and how its engine is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from machine.cluster import layout
from machine.node import CONTAINERD, command, processes, with_descendants

HERE = layout(Path("/srv/demo"), name="demo", bridge="demo-sw", network="10.9.8.0/24")
NODE = HERE.nodes[1]


def test_children_and_their_children_belong_to_a_process() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    assert with_descendants({2}, parents) == {2, 3, 4}
    assert with_descendants(set(), parents) == set()


def test_the_engine_runs_in_the_namespace_of_its_node_and_answers_in_both_places() -> None:
    words = command(NODE)
    assert words[:2] == ["nsenter", "--net=/run/netns/demo-node-2"]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--host"] == [
        "unix:///srv/demo/node-2/docker.sock",
        "unix:///var/run/docker.sock",
    ]
    assert "/srv/demo/node-2/data" in words


def test_containerd_is_the_nodes_own() -> None:
    text = CONTAINERD.format(node=NODE)
    assert 'root = "/srv/demo/node-2/containerd"' in text
    assert 'address = "/run/demo-node-2/containerd.sock"' in text


def test_a_program_that_only_reads_the_files_of_a_node_is_none_of_its_processes(tmp_path: Path) -> None:
    node = layout(tmp_path, name="never-made").nodes[0]
    node.folder.mkdir()
    log = node.folder / "dockerd.log"
    log.touch()
    with subprocess.Popen(["tail", "-f", str(log)]) as reader:
        try:
            assert processes(node, ()) == set()
        finally:
            reader.kill()
    assert os.getpid() not in processes(node, ())
