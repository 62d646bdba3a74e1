"""The sums in docs/swarm.md follow from the files, the code and what the tests on Swarm hold."""

from __future__ import annotations

import ipaddress
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scaler.engines.swarm.target import LOOK_EVERY
from scaler.leader.lease import RENEW_EVERY
from tests.swarm.reckoned import KILOBYTES, SAMPLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "swarm.md").read_text()
SIZES = (200, 1000)
BYTES_OF_A_SAMPLE = 1.5
"""Prometheus' documentation (Storage): 1 to 2 bytes for each."""
BYTES_OF_AN_ADDRESS = 16
"""RFC 1035, section 4.1.3: a compressed name (2), type, class, TTL, length (10), and the IPv4 address (4)."""


def load(path: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load((ROOT / path).read_text())


def row(beginning: str) -> list[str]:
    """The cells of the row of "How far it carries" that begins so."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {beginning}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def numbers(cell: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?", cell)]


def test_the_page_reckons_with_what_the_test_holds() -> None:
    text = " ".join(PAGE.split())
    assert f"at most {KILOBYTES:g} KB of the engine's answer for each task of flask-app" in text
    assert f"at most {SAMPLES} samples of each container" in text
    assert "twice a second" in row("the scaler's look at all tasks")[0]
    assert LOOK_EVERY == 0.5


@pytest.mark.parametrize(("column", "replicas"), list(enumerate(SIZES, start=2)))
def test_a_look_is_so_many_megabytes_a_second(column: int, replicas: int) -> None:
    (megabytes,) = numbers(row("the scaler's look")[column])[:1]
    assert megabytes == replicas * KILOBYTES / LOOK_EVERY / 1000


@pytest.mark.parametrize(("column", "replicas"), list(enumerate(SIZES, start=2)))
def test_prometheus_takes_so_many_samples_a_second(column: int, replicas: int) -> None:
    (job,) = (
        job
        for job in load("prometheus/swarm/prometheus.yml")["scrape_configs"]
        if job["job_name"] == "exporter"
    )
    assert job["scrape_interval"] == "1s"
    assert numbers(row("samples that Prometheus takes")[column])[0] == replicas * SAMPLES


def test_a_day_of_samples_is_so_many_gigabytes() -> None:
    samples, size, gigabytes = numbers(row("samples that Prometheus takes")[3])
    assert size == BYTES_OF_A_SAMPLE
    assert gigabytes == round(samples * size * 86_400 / 1e9, 1)


def test_the_lease_adds_so_many_writes_a_minute() -> None:
    assert numbers(row("writes to raft")[1]) == [60 / RENEW_EVERY]


def test_an_answer_of_dns_is_so_long() -> None:
    _, few, many, note = row("nginx asks for the addresses")[1:]
    size, kilobytes = numbers(few)
    assert size == BYTES_OF_AN_ADDRESS
    assert kilobytes == round(SIZES[0] * size / 1000)
    now, end, most = numbers(many)
    assert now == SIZES[1] * size / 1000
    assert most == math.floor(end * 1024 / size / 1000) * 1000
    assert note == ""


def test_the_network_is_full_at_about_so_many_replicas() -> None:
    _, addresses, full = numbers(row("addresses of the stack's network")[2])
    services = load("docker-stack.yml")["services"].values()
    on_each = sum(one["deploy"].get("mode") == "global" for one in services)
    assert addresses == ipaddress.ip_network("10.0.0.0/24").num_addresses - 2
    # The gateway; on each of three nodes what runs there, and the network's own address; what runs once.
    others = 1 + 3 * (on_each + 1) + sum(one["deploy"].get("mode") != "global" for one in services)
    assert abs(full - (addresses - others)) <= 5


def test_a_larger_network_has_so_many_addresses() -> None:
    found = re.search(r"subnet: (\S+) \}\] \} # ([\d,]+) addresses", PAGE)
    assert found
    assert numbers(found[2]) == [ipaddress.ip_network(found[1]).num_addresses - 2]


def test_an_idle_service_sends_so_many_notifications_a_second() -> None:
    """LowCPU and LowMemory fire, each a group of its own, and are repeated on each tick of the group."""
    route = load("alertmanager/alertmanager.yml")["route"]["routes"][0]
    every = float(route["group_interval"].removesuffix("s"))
    assert numbers(row("notifications to the scaler")[2]) == [2 / every]
    assert f"{2 / every:g}\nnotifications a second" in PAGE
