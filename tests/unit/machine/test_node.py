"""Whose processes are a node's, and how its engine is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from machine.cluster import layout
from machine.node import CONTAINERD, command, copy_images, processes, with_descendants

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


def test_images_are_copied_with_the_files_of_layers_on_the_disk_once(tmp_path: Path) -> None:
    source, to = layout(tmp_path, name="never-made").nodes[:2]
    layer = source.folder / "data/overlay2/a1/diff"
    layer.mkdir(parents=True)
    (layer / "program").write_text("of a layer")
    (layer / "link").symlink_to("program")
    names = source.folder / "data/image/overlay2/repositories.json"
    names.parent.mkdir(parents=True)
    names.write_text("{}")
    copy_images(source, to)
    copied = to.folder / "data/overlay2/a1/diff"
    assert (copied / "program").samefile(layer / "program")
    assert (copied / "link").is_symlink()
    assert (to.folder / "data/image/overlay2/repositories.json").read_text() == "{}"
    assert not (to.folder / "data/image/overlay2/repositories.json").samefile(names)


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
