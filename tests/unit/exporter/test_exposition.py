"""The text format, read back by Prometheus' own parser."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter.cgroup import Reading
from exporter.containers import track
from exporter.exposition import (
    MACHINE_CORES,
    MACHINE_MEMORY,
    Family,
    Row,
    render_containers,
    render_labels,
    render_samples,
)
from exporter.settings import DEFAULT_LABELS
from tests.unit.exporter.builders import READING, container

TESTDATA = Path(__file__).parents[2] / "testdata"
GAUGE = Family("g", "gauge", "A gauge.")
# What JSON text from the Engine can hold, half surrogate pairs apart: those are replaced on encoding.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def parse(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def row(reading: Reading = READING) -> Row:
    tracked = track(container(), driver=None, cgroup_root=Path("/absent"), container_labels=DEFAULT_LABELS)
    return Row(
        labels=tracked.labels,
        cpu_labels=tracked.cpu_labels,
        started_at=1_795_381_716,
        seen_at=1_795_381_741,
        reading=reading,
    )


LIMITED = Reading(
    cpu_seconds=5.169386706,
    memory_usage=27_820_032,
    memory_working_set=27_815_936,
    memory_active_file=4096,
    memory_limit=268_435_456,
    cpu_quota=50_000,
    cpu_period=100_000,
    periods=135,
    throttled_periods=56,
    throttled_seconds=1.34880444,
)


@given(TEXT)
def test_any_label_value_survives_the_parser(value: str) -> None:
    text = render_samples(GAUGE, [(render_labels({"a": "x", "b": value, "c": "y"}), 1)])
    (sample,) = parse(text)["g"].samples
    assert sample.labels == {"a": "x", "b": value, "c": "y"}


@given(st.one_of(st.integers(0, 2**63), st.floats(min_value=0, allow_infinity=False)))
def test_any_value_survives_the_parser(value: float) -> None:
    (sample,) = parse(render_samples(GAUGE, [("", value)]))["g"].samples
    assert math.isclose(sample.value, value)


def test_a_family_without_labels_has_no_braces() -> None:
    assert render_samples(GAUGE, [("", 2)]).splitlines()[-1] == "g 2"


# cAdvisor 0.50 and later, lib/metrics/prometheus.go; the scrapes are of an earlier one.
ACTIVE_FILE = "container_memory_total_active_file_bytes"
SLAB = "container_memory_slab_reclaimable_bytes"


@pytest.mark.parametrize("scrape", ["cadvisor-t0.txt", "cadvisor-t10.txt"])
def test_names_types_helps_and_labels_are_those_of_a_real_cadvisor(scrape: str) -> None:
    theirs = parse((TESTDATA / scrape).read_text())
    machine = render_samples(MACHINE_CORES, [("", 2)]) + render_samples(MACHINE_MEMORY, [("", 3)])
    ours = parse(render_containers([row(LIMITED)]) + machine)
    newer, _own = ours.pop(ACTIVE_FILE), ours.pop(SLAB)
    assert (newer.type, newer.documentation) == ("gauge", "Current total active file in bytes.")
    assert ours.keys() == theirs.keys() - {"cadvisor_version_info"}
    for name, family in ours.items():
        assert (family.type, family.documentation) == (
            theirs[name].type,
            theirs[name].documentation,
        )
        # Theirs was run with every container label; by default we keep the two that the rules use.
        kept = {f"container_label_{label.replace('.', '_')}" for label in DEFAULT_LABELS}
        expected = {
            label
            for label in theirs[name].samples[0].labels
            if not label.startswith("container_label_") or label in kept
        }
        assert set(family.samples[0].labels) == expected


def test_one_container_reads_as_the_same_container_of_a_real_cadvisor() -> None:
    theirs = parse((TESTDATA / "cadvisor-t0.txt").read_text())
    ours = parse(render_containers([row(LIMITED)]))
    assert ours.pop(ACTIVE_FILE).samples[0].value == 4096
    assert ours.pop(SLAB).samples == []
    for name, family in ours.items():
        mine = [s.value for s in theirs[name].samples if s.labels["name"] == "shop-flask-app-1"]
        assert family.samples[0].value == pytest.approx(sum(mine)), name


def test_cpu_comes_in_one_series_with_cadvisors_label_for_it() -> None:
    (sample,) = parse(render_containers([row()]))["container_cpu_usage_seconds"].samples
    assert sample.labels["cpu"] == "total"
    assert list(sample.labels) == sorted(sample.labels)


def test_a_container_without_limits_has_no_quota_and_a_memory_limit_of_0_as_in_cadvisor() -> None:
    families = parse(render_containers([row()]))
    assert families["container_spec_cpu_quota"].samples == []
    assert families["container_cpu_cfs_periods"].samples == []
    assert families["container_spec_memory_limit_bytes"].samples[0].value == 0
    assert families["container_spec_cpu_period"].samples[0].value == 100_000


def test_no_containers_is_a_valid_scrape() -> None:
    assert all(family.samples == [] for family in parse(render_containers([])).values())
