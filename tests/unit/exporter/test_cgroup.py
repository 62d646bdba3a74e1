"""cgroup files to readings, on trees as the kernel lays them out."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cgroup import (
    Driver,
    Files,
    cgroup_path,
    expand_slice,
    find_hierarchy,
    memory_limit,
    working_set,
)
from exporter.errors import CgroupUnreadableError, VanishedError
from tests.unit.exporter.builders import ID, UNLIMITED_V1, Tree

EVERY_HOST = pytest.mark.parametrize(
    ("version", "driver"), [(1, "cgroupfs"), (1, "systemd"), (2, "cgroupfs"), (2, "systemd")]
)


def located(tree: Tree, path: str) -> Files:
    hierarchy = find_hierarchy(tree.root)
    assert hierarchy is not None
    files = hierarchy.locate(path)
    assert files is not None
    return files


@EVERY_HOST
def test_a_limited_container_is_read(tmp_path: Path, version: int, driver: Driver) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    reading = located(tree, tree.add()).read()
    assert reading.cpu_seconds == 12.5
    assert reading.memory_usage == 50_000_000
    assert reading.memory_working_set == 30_000_000
    assert reading.memory_active_file == 12_000_000
    assert reading.memory_slab_reclaimable == (None if version == 1 else 3_000_000)
    assert reading.memory_limit == 268_435_456
    assert (reading.cpu_quota, reading.cpu_period) == (50_000, 100_000)
    assert (reading.periods, reading.throttled_periods) == (135, 56)
    assert reading.throttled_seconds == pytest.approx(1.348804, abs=1e-6)


@EVERY_HOST
def test_a_container_without_limits_has_a_limit_of_0_and_no_throttling(
    tmp_path: Path, version: int, driver: Driver
) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    reading = located(tree, tree.add(quota=None, limit=None)).read()
    assert reading.memory_limit == 0
    assert (reading.cpu_quota, reading.cpu_period) == (0, 100_000)
    assert (reading.periods, reading.throttled_periods, reading.throttled_seconds) == (None,) * 3


@EVERY_HOST
def test_a_container_that_vanished_says_so(tmp_path: Path, version: int, driver: Driver) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    path = tree.add()
    files = located(tree, path)
    for directory in tree.directories(path):
        shutil.rmtree(directory)
    with pytest.raises(VanishedError):
        files.read()


@EVERY_HOST
def test_a_container_that_is_elsewhere_is_not_located(tmp_path: Path, version: int, driver: Driver) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    tree.add()
    hierarchy = find_hierarchy(tree.root)
    assert hierarchy is not None
    assert hierarchy.locate(f"/elsewhere/{ID}") is None


@pytest.mark.parametrize("both", ["cpu,cpuacct", "cpuacct,cpu"])
def test_cpu_controllers_that_are_mounted_together_are_read(tmp_path: Path, both: str) -> None:
    mounts = {"cpu": both, "cpuacct": both, "memory": "memory"}
    tree = Tree(root=tmp_path, version=1, driver="cgroupfs", mounts=mounts)
    assert located(tree, tree.add()).read().cpu_seconds == 12.5


def test_a_hybrid_host_is_read_as_v1(tmp_path: Path) -> None:
    tree = Tree(root=tmp_path, version=1, driver="systemd")
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("\n")
    assert located(tree, tree.add()).read().memory_usage == 50_000_000


def test_an_empty_root_is_no_hierarchy(tmp_path: Path) -> None:
    assert find_hierarchy(tmp_path) is None
    assert find_hierarchy(tmp_path / "absent") is None


def test_a_kernel_without_the_memory_controller_leaves_it_to_the_stats_api(tmp_path: Path) -> None:
    tree = Tree(root=tmp_path, version=2, driver="systemd")
    path = tree.add()
    (tree.directories(path)[0] / "memory.current").unlink()
    hierarchy = find_hierarchy(tree.root)
    assert hierarchy is not None
    assert hierarchy.locate(path) is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("memory.current", "much\n", "is not what the kernel writes"),
        ("memory.current", "", "is not what the kernel writes"),
        ("memory.max", "none\n", "is not what the kernel writes"),
        ("cpu.max", "100000\n", "is not what the kernel writes"),
        ("memory.stat", "anon 40\n", "has no inactive_file"),
        ("cpu.stat", "user_usec 1\n", "has no usage_usec"),
    ],
)
def test_a_malformed_file_is_named_with_its_content(
    tmp_path: Path, file: str, content: str, said: str
) -> None:
    tree = Tree(root=tmp_path, version=2, driver="systemd")
    path = tree.add()
    target = tree.directories(path)[0] / file
    files = located(tree, path)
    target.write_text(content)
    with pytest.raises(CgroupUnreadableError) as caught:
        files.read()
    assert str(target) in str(caught.value)
    assert said in str(caught.value)
    assert "EXPORTER_CGROUP_ROOT" in str(caught.value)


def test_a_file_that_may_not_be_read_is_not_taken_for_vanished(tmp_path: Path) -> None:
    tree = Tree(root=tmp_path, version=2, driver="systemd")
    path = tree.add()
    target = tree.directories(path)[0] / "memory.current"
    files = located(tree, path)
    target.unlink()
    # A link to itself fails with ELOOP, for root too.
    target.symlink_to(target)
    with pytest.raises(CgroupUnreadableError, match="cannot be read"):
        files.read()


@pytest.mark.parametrize(
    ("parent", "driver", "path"),
    [
        ("", "cgroupfs", f"/docker/{ID}"),
        ("/batch", "cgroupfs", f"/batch/{ID}"),
        ("/batch/night/", "cgroupfs", f"/batch/night/{ID}"),
        ("", "systemd", f"/system.slice/docker-{ID}.scope"),
        ("batch.slice", "systemd", f"/batch.slice/docker-{ID}.scope"),
        ("a-b-c.slice", "systemd", f"/a.slice/a-b.slice/a-b-c.slice/docker-{ID}.scope"),
        ("-.slice", "systemd", f"/docker-{ID}.scope"),
    ],
)
def test_a_cgroup_is_looked_for_where_the_engine_puts_it(parent: str, driver: Driver, path: str) -> None:
    assert cgroup_path(container_id=ID, parent=parent, driver=driver) == path


@given(st.lists(st.from_regex(r"[a-z0-9]+", fullmatch=True), min_size=1, max_size=5))
def test_each_slice_lies_in_its_parent(parts: list[str]) -> None:
    name = "-".join(parts) + ".slice"
    path = expand_slice(name)
    assert path.endswith("/" + name)
    parent = expand_slice("-".join(parts[:-1]) + ".slice") if len(parts) > 1 else ""
    assert path.removesuffix("/" + name) == parent


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_the_working_set_is_never_negative_and_never_above_usage(usage: int, inactive: int) -> None:
    assert 0 <= working_set(usage=usage, inactive_file=inactive) <= usage


@pytest.mark.parametrize(
    ("limit", "reported"), [(UNLIMITED_V1, 0), (2**63 - 1, 0), (0, 0), (1, 1), (2**40, 2**40)]
)
def test_no_memory_limit_is_reported_as_0(limit: int, reported: int) -> None:
    assert memory_limit(limit) == reported
