"""The rules, by the promtool of the pinned image: our own tests and two real scrapes of cAdvisor."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "prometheus"
TESTDATA = ROOT / "tests" / "testdata"
IMAGE: str = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["image"]
SECONDS_APART = 10
"""Between the two scrapes of cAdvisor in tests/testdata."""

DECIMALS = 6
"""To which Python's and PromQL's sums, added in another order, are compared."""


def promtool(*arguments: str, mounts: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run promtool in the pinned image, with ./prometheus as /etc/prometheus.

    Args:
        arguments: of promtool.
        mounts: further ones, as `docker run -v` takes them.
    """
    user = f"{os.getuid()}:{os.getgid()}"
    command = ["docker", "run", "--rm", "--network=none", "--user", user]
    for mount in (f"{PROMETHEUS}:/etc/prometheus:ro", *mounts):
        command += ["-v", mount]
    command += ["--entrypoint=promtool", IMAGE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_configuration_and_the_rules_are_valid_and_free_of_lint() -> None:
    done = promtool("check", "config", "--lint=all", "--lint-fatal", "/etc/prometheus/prometheus.yml")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(p.name for p in PROMETHEUS.glob("tests/*.yml")))
def test_the_rules_do_what_their_promtool_tests_say(name: str) -> None:
    done = promtool("test", "rules", f"/etc/prometheus/tests/{name}")

    assert done.returncode == 0, done.stdout + done.stderr


Labels = tuple[tuple[str, str], ...]
Scrape = dict[tuple[str, Labels], float]


class Service(NamedTuple):
    """A service by its Compose labels."""

    project: str
    service: str


class Load(NamedTuple):
    """What the records of one service must say: ratios of usage to limit."""

    cpu: float
    memory: float


def read_scrape(path: Path) -> Scrape:
    """Read one scrape: its samples by (metric, sorted labels)."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def expected_load(first: Scrape, last: Scrape) -> dict[Service, Load]:
    """Work out each service's load from the raw scrapes, without a line of the rules.

    CPU is the seconds used between the scrapes over the seconds that were allowed; memory is that
    of the last scrape. Each is averaged over the service's containers.
    """
    allowed_cores = last["machine_cpu_cores", ()]
    machine_memory = last["machine_memory_bytes", ()]
    used: dict[str, float] = defaultdict(float)
    facts: dict[str, dict[str, float]] = defaultdict(dict)
    member: dict[str, Service] = {}
    for (metric, labels), value in last.items():
        of = dict(labels)
        service = of.get("container_label_com_docker_compose_service", "")
        if not service:
            continue
        name = of["name"]
        member[name] = Service(of["container_label_com_docker_compose_project"], service)
        if metric == "container_cpu_usage_seconds_total":
            used[name] += value - first[metric, labels]
        else:
            facts[name][metric] = value

    loads: dict[Service, list[Load]] = defaultdict(list)
    for name, fact in facts.items():
        quota = fact.get("container_spec_cpu_quota", 0)
        cores = quota / fact["container_spec_cpu_period"] if quota > 0 else allowed_cores
        limit = fact["container_spec_memory_limit_bytes"] or machine_memory
        memory = fact["container_memory_working_set_bytes"] / limit
        loads[member[name]].append(Load(used[name] / SECONDS_APART / cores, memory))
    return {
        service: Load(*(sum(column) / len(each) for column in zip(*each, strict=True)))
        for service, each in loads.items()
    }


def promtool_test(first: Scrape, last: Scrape, expected: dict[Service, Load]) -> dict[str, Any]:
    """Turn two scrapes into a promtool test file.

    Each series keeps its name and its labels and goes from its first value to its last in a
    straight line, one sample a second. Metrics that no rule reads are kept too.
    """

    def selector(metric: str, labels: Labels) -> str:
        pairs = (f"{name}={quote(value)}" for name, value in labels)
        return f"{metric}{{{', '.join(pairs)}}}"

    series = []
    for (metric, labels), begin in first.items():
        step = (last.get((metric, labels), begin) - begin) / SECONDS_APART
        values = " ".join(repr(begin + step * second) for second in range(SECONDS_APART + 1))
        series.append({"series": selector(metric, labels), "values": values})

    def samples(resource: str) -> list[dict[str, Any]]:
        return [
            {
                "labels": selector("", (("project", of.project), ("service", of.service))),
                "value": round(getattr(load, resource), DECIMALS),
            }
            for of, load in expected.items()
        ]

    return {
        "rule_files": ["/etc/prometheus/recording.rules.yml"],
        "evaluation_interval": "1s",
        "fuzzy_compare": True,
        "tests": [
            {
                "interval": "1s",
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": f"round(service:{resource}_utilization:ratio, 1e-{DECIMALS})",
                        "eval_time": f"{SECONDS_APART}s",
                        "exp_samples": samples(resource),
                    }
                    for resource in ("cpu", "memory")
                ],
            }
        ],
    }


def quote(value: str) -> str:
    """Quote a label's value as PromQL does."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


@pytest.fixture
def scrapes() -> tuple[Scrape, Scrape]:
    return read_scrape(TESTDATA / "cadvisor-t0.txt"), read_scrape(TESTDATA / "cadvisor-t10.txt")


def test_the_records_are_right_on_real_scrapes_of_cadvisor(
    scrapes: tuple[Scrape, Scrape], tmp_path: Path
) -> None:
    expected = expected_load(*scrapes)
    assert Service("shop", "flask-app") in expected
    assert Service("shop", "nginx") in expected
    (tmp_path / "real.test.yml").write_text(yaml.safe_dump(promtool_test(*scrapes, expected)))

    done = promtool("test", "rules", "/real/real.test.yml", mounts=(f"{tmp_path}:/real:ro",))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_on_the_real_scrapes_is_noticed(
    scrapes: tuple[Scrape, Scrape], tmp_path: Path
) -> None:
    """The test above can fail: a hundredth of a percent off is not accepted."""
    expected = {of: Load(load.cpu * 1.0001, load.memory) for of, load in expected_load(*scrapes).items()}
    (tmp_path / "wrong.test.yml").write_text(yaml.safe_dump(promtool_test(*scrapes, expected)))

    done = promtool("test", "rules", "/real/wrong.test.yml", mounts=(f"{tmp_path}:/real:ro",))

    assert done.returncode != 0
    assert "service:cpu_utilization:ratio" in done.stdout + done.stderr
