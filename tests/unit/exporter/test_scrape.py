"""One scrape of real files."""

import shutil
import time
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter.cgroup import Driver
from exporter.containers import Tracked, track
from exporter.errors import Reason
from exporter.metrics import Metrics
from exporter.scrape import Machine, Scraper
from exporter.settings import DEFAULT_LABELS
from exporter.stats import Seen
from tests.unit.exporter.builders import READING, Tree, container

ALL = [(1, "cgroupfs"), (1, "systemd"), (2, "cgroupfs"), (2, "systemd")]


def scrape(*tracked: Tracked, metrics: Metrics | None = None, seen: Seen | None = None) -> dict[str, Metric]:
    scraper = Scraper(
        tracked=lambda: {t.container.id: t for t in tracked},
        latest=lambda _: seen,
        machine=Machine(cores=2, memory=4096),
        metrics=metrics or Metrics(),
    )
    text = scraper.scrape().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def tracked_in(tree: Tree, *, container_id: str, name: str = "a", parent: str = "") -> Tracked:
    tree.add(container_id=container_id, parent=parent)
    return track(
        container(container_id=container_id, name=name, parent=parent),
        driver=tree.driver,
        cgroup_root=tree.root,
        container_labels=DEFAULT_LABELS,
    )


def names(families: dict[str, Metric], family: str) -> set[str]:
    return {sample.labels["name"] for sample in families[family].samples}


@pytest.mark.parametrize(("version", "driver"), ALL)
def test_every_container_is_in_the_scrape_with_its_labels(
    tmp_path: Path, version: int, driver: Driver
) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    default = tracked_in(tree, container_id="1" * 64, name="a")
    placed = tracked_in(tree, container_id="2" * 64, name="b", parent="batch.slice")
    families = scrape(default, placed)
    assert names(families, "container_memory_working_set_bytes") == {"a", "b"}
    sample = families["container_memory_working_set_bytes"].samples[0]
    assert sample.value == 30_000_000
    assert sample.labels["container_label_com_docker_compose_service"] == "flask-app"
    assert families["alertscale_exporter_containers"].samples[0].value == 2
    assert families["machine_cpu_cores"].samples[0].value == 2


@pytest.mark.parametrize(("version", "driver"), ALL)
def test_a_container_that_vanishes_is_left_out_and_is_no_error(
    tmp_path: Path, version: int, driver: Driver
) -> None:
    tree = Tree(root=tmp_path, version=version, driver=driver)
    gone = tracked_in(tree, container_id="1" * 64, name="gone")
    stays = tracked_in(tree, container_id="2" * 64, name="stays")
    for directory in tree.directories(tree_path(gone, tree)):
        shutil.rmtree(directory)
    metrics = Metrics()
    families = scrape(gone, stays, metrics=metrics)
    for family in ("container_cpu_usage_seconds", "container_memory_usage_bytes"):
        assert names(families, family) == {"stays"}
    assert all(metrics.errors(reason) == 0 for reason in Reason)


def tree_path(tracked: Tracked, tree: Tree) -> str:
    prefix = "docker-" if tree.driver == "systemd" else ""
    suffix = ".scope" if tree.driver == "systemd" else ""
    parent = "system.slice" if tree.driver == "systemd" else "docker"
    return f"/{parent}/{prefix}{tracked.container.id}{suffix}"


def test_a_file_that_cannot_be_read_is_counted_and_costs_no_other_container(
    tmp_path: Path,
) -> None:
    tree = Tree(root=tmp_path, version=2, driver="cgroupfs")
    broken = tracked_in(tree, container_id="1" * 64, name="broken")
    sound = tracked_in(tree, container_id="2" * 64, name="sound")
    (tmp_path / "docker" / ("1" * 64) / "memory.current").write_text("lots")
    metrics = Metrics()
    assert names(scrape(broken, sound, metrics=metrics), "container_last_seen") == {"sound"}
    assert metrics.errors(Reason.CGROUP_UNREADABLE) == 1


def unseen(name: str = "remote") -> Tracked:
    return track(
        container(name=name),
        driver="systemd",
        cgroup_root=Path("/absent"),
        container_labels=DEFAULT_LABELS,
    )


def test_a_container_without_cgroup_files_has_the_reading_of_the_stats_api() -> None:
    families = scrape(unseen(), seen=Seen(READING, time.monotonic() - 2))
    assert families["container_cpu_usage_seconds"].samples[0].value == 1.5
    by_source = {s.labels["source"]: s.value for s in families["alertscale_exporter_containers"].samples}
    assert by_source == {"cgroup": 0, "stats": 1}
    last_seen = families["container_last_seen"].samples[0].value
    assert time.time() - 4 <= last_seen <= time.time() - 1


def test_a_container_with_no_reading_at_all_is_left_out() -> None:
    assert scrape(unseen())["container_last_seen"].samples == []


def test_half_a_surrogate_pair_in_a_label_does_not_break_the_scrape(tmp_path: Path) -> None:
    tree = Tree(root=tmp_path, version=2, driver="cgroupfs")
    odd = tracked_in(tree, container_id="1" * 64, name="odd\ud800")
    assert names(scrape(odd), "container_last_seen") == {"odd?"}
