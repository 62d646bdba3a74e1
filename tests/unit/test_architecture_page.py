"""The times and the rooms that docs/architecture.md tells of are those of the configuration and the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from scaler.model.labels import READY_LEAST
from scaler.settings import read_settings
from scaler.traffic.readiness import ASK_NEW_EVERY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def load(path: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load((ROOT / path).read_text())


def waits(station: str) -> str:
    """What the page says that a station waits for."""
    found = re.search(rf"^\| {re.escape(station)} \| ([^|]*) \|", PAGE, re.MULTILINE)
    assert found, station
    return found[1]


def test_each_station_of_an_alert_waits_as_long_as_the_page_says() -> None:
    (scrape,) = (
        job["scrape_interval"]
        for job in load("prometheus/prometheus.yml")["scrape_configs"]
        if job["job_name"] == "exporter"
    )
    record, alert = (load(f"prometheus/{name}.rules.yml")["groups"][0] for name in ("recording", "alert"))
    first = alert["rules"][0]
    route = load("alertmanager/alertmanager.yml")["route"]["routes"][0]

    assert f"up to {scrape}:" in waits("scrape")
    assert f"up to {record['interval']}:" in waits("record")
    assert f"up to {alert['interval']}:" in waits("alert")
    assert f"`for: {first['for']}`" in waits("alert")
    assert f"`group_wait: {route['group_wait']}`" in waits("→ webhook accepted")
    assert f"every {ASK_NEW_EVERY:g} s" in waits("→ ready")
    assert f"({READY_LEAST:g}s)" in waits("→ ready")


def test_an_alert_is_repeated_and_forgotten_as_the_page_says() -> None:
    route = load("alertmanager/alertmanager.yml")["route"]["routes"][0]
    command = load("docker-compose.yml")["services"]["prometheus"]["command"]
    (resend,) = (word.partition("=")[2] for word in command if word.startswith("--rules.alert.resend-delay"))

    assert f"`group_interval: {route['group_interval']}`" in PAGE
    assert f"`repeat_interval: {route['repeat_interval']}`" in PAGE
    assert f"every {resend.removesuffix('s')} s (`--rules.alert.resend-delay`)" in " ".join(PAGE.split())
    assert f"outlives a dead Prometheus by {4 * int(resend.removesuffix('s'))} s" in " ".join(PAGE.split())


def test_the_scaler_decides_and_forgets_as_often_as_the_page_says() -> None:
    settings = read_settings({})

    assert f"each `ALERTSCALE_TICK` ({settings.tick:g}s)" in PAGE
    assert re.search(rf"for {settings.signal_ttl:g} s\s+\(`ALERTSCALE_SIGNAL_TTL`\)", PAGE)


def test_the_rooms_are_those_that_imports_are_held_to_from_the_top_down() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    held = [{module.removeprefix("scaler.") for module in layer.split(" | ")} for layer in layers]
    table = PAGE[PAGE.index("| room | what is in it |") :].split("\n\n")[0]
    told = [set(re.findall(r"`(\w+)/?`", row.split("|")[1])) for row in table.splitlines()[2:]]

    assert told == [held[0] | held[1], *held[2:]]
    there = {path.name for path in (ROOT / "scaler").iterdir() if (path / "__init__.py").is_file()}
    assert there <= set.union(*told)
