"""The numbers of docs/scaling.md are those of the rules, the labels and the check."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scaler.model.labels import ALL, COOLDOWN_UP, READY_LEAST

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text()
RULES = ROOT / "prometheus" / "alert.rules.yml"
HIGH_AND_LOW = {"cpu": ("HighCPU", "LowCPU"), "memory": ("HighMemory", "LowMemory")}


def table(*heads: str) -> list[list[str]]:
    """The rows of the page's table whose heading begins with these cells, cells without backticks."""
    lines = PAGE.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith(f"| {' | '.join(heads)} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def threshold(alert: str) -> float:
    found = re.search(r"[<>] (\d\.\d+)", alerts()[alert]["expr"])
    assert found
    return float(found[1])


def test_the_rules_are_as_the_page_says() -> None:
    rows = {name: (when, held) for name, _, when, held in table("alert", "asks for")}

    assert rows == {
        name: (f"{resource.replace('cpu', 'CPU')} {sign} {threshold(name):.2f}", alerts()[name]["for"])
        for resource, pair in HIGH_AND_LOW.items()
        for name, sign in zip(pair, "><", strict=True)
    }


def test_the_labels_have_the_defaults_that_the_page_says() -> None:
    defaults = {f"alertscale.{label.name}": label.default for label in ALL}
    # Without its label it follows from the health check, and is this at least.
    defaults["alertscale.ready-timeout"] = READY_LEAST

    for name, default, _ in table("label", "default"):
        assert float(default.removesuffix("s")) == defaults[name], name


@pytest.mark.parametrize(("column", "resource"), [(2, "cpu"), (4, "memory")])
def test_the_table_of_hysteresis_is_computed_from_the_rules(column: int, resource: str) -> None:
    high, low = (threshold(alert) for alert in HIGH_AND_LOW[resource])
    rows = table("n → n + 1")

    assert [row[0] for row in rows] == [f"{n} → {n + 1}" for n in range(1, 6)]
    for n, row in enumerate(rows, start=1):
        after = high * n / (n + 1)
        assert row[1] == f"{n}/{n + 1}"
        assert abs(float(row[column]) - after) <= 0.0051
        assert row[column + 1] == ("yes" if after > low else "no")


def test_the_table_of_steps_is_computed_from_the_rules() -> None:
    high = threshold("HighCPU")

    for row in table("`alertscale.min`", "step 1"):
        n = int(row[0])
        for step, said in enumerate(row[1:], start=1):
            # Rounded down: what is below the number said is below the true one.
            assert -1e-9 <= high * n / (n + step) - float(said) < 0.01


def test_the_seconds_that_the_cooldown_covers_are_those_of_the_files() -> None:
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    recording = (ROOT / "prometheus" / "recording.rules.yml").read_text()
    route = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())["route"]["routes"][0]
    (scrape,) = (j["scrape_interval"] for j in prometheus["scrape_configs"] if j["job_name"] == "exporter")
    intervals = [yaml.safe_load(text)["groups"][0]["interval"] for text in (recording, RULES.read_text())]
    rows = table("what", "seconds")

    assert scrape == "1s"
    assert set(
        re.findall(r"\[(\d+s)\]", re.sub(r"(alertscale_|service:replicas:)\S+\[\d+s\]", "", recording))
    ) == {"4s"}
    assert intervals == ["500ms", "500ms"]
    assert (route["matchers"], route["group_interval"]) == (['scale=~"up|down"'], "5s")
    # Four samples, the first at once: three intervals more.
    assert [int(row[1]) for row in rows] == [1, 4 - 1, 1, 5, COOLDOWN_UP.default]
    assert sum(int(row[1]) for row in rows[:-1]) == COOLDOWN_UP.default


@pytest.mark.parametrize(("low", "says"), [("0.30", "No fault found"), ("0.40", "flapping-thresholds")])
def test_the_check_says_of_the_files_what_the_page_says_that_it_does(
    low: str, says: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    for name in ("prometheus", "alertmanager", "nginx/conf.d"):
        shutil.copytree(ROOT / name, tmp_path / name)
    rules = tmp_path / "prometheus" / "alert.rules.yml"
    changed = RULES.read_text().replace(
        "service:cpu_utilization:ratio < 0.30", f"service:cpu_utilization:ratio < {low}"
    )
    rules.write_text(changed)

    said = subprocess.run(
        [sys.executable, "-m", "alertscale", "check"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip

    assert says in said
    assert f"```text\n{said}```" in PAGE
