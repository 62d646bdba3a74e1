"""What must hold of alertmanager/ for anyone who edits it: read from the files, nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
RECEIVERS = {receiver["name"]: receiver for receiver in CONFIG["receivers"]}
SUBROUTES: list[dict[str, Any]] = CONFIG["route"]["routes"]
TOKEN = "/run/alertscale/token"

FORGOTTEN_AFTER = 15
"""Seconds after which the scaler forgets an alert that was not repeated (DESIGN.md, section 5)."""


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_every_route_leads_to_a_receiver_that_delivers() -> None:
    for route in [CONFIG["route"], *SUBROUTES]:
        assert RECEIVERS[route["receiver"]]["webhook_configs"]


def test_the_default_route_takes_everything() -> None:
    assert not {"matchers", "match", "match_re"} & set(CONFIG["route"])


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_webhook_goes_to_the_scaler_with_the_token_and_tells_of_the_end(name: str) -> None:
    for webhook in RECEIVERS[name]["webhook_configs"]:
        assert webhook["url"] == "http://scaler:8000/alerts"
        assert webhook["send_resolved"] is True
        assert webhook["max_alerts"] == 0
        assert webhook["http_config"]["authorization"] == {"credentials_file": TOKEN}
        assert seconds(webhook["timeout"]) <= 5
        assert "payload" not in webhook, "the scaler reads Alertmanager's own JSON"


def test_the_token_reaches_both_ends_through_a_volume_and_is_not_in_the_repository() -> None:
    directory = TOKEN.rpartition("/")[0]

    for service in ("alertmanager", "scaler"):
        assert any(f"token:{directory}" in v for v in COMPOSE["services"][service]["volumes"])
    assert "token" in COMPOSE["volumes"]


@pytest.mark.parametrize("route", SUBROUTES, ids=lambda route: route["matchers"][0])
def test_what_the_scaler_holds_as_a_level_comes_at_once_and_well_before_it_is_forgotten(
    route: dict[str, Any],
) -> None:
    # A group is repeated on a tick of its interval if its last notification is strictly older than
    # `repeat_interval`: only a smaller one repeats on every tick.
    assert seconds(route["group_wait"]) == 0
    assert seconds(route["repeat_interval"]) < seconds(route["group_interval"])
    assert seconds(route["group_interval"]) * 2 < FORGOTTEN_AFTER


def test_one_service_does_not_wait_for_the_group_of_another() -> None:
    for route in (CONFIG["route"], SUBROUTES[0]):
        assert route["group_by"] == ["alertname", "project", "service"]


def test_nothing_inhibits_an_alert_that_scales() -> None:
    assert "inhibit_rules" not in CONFIG
    assert not any(key in route for route in SUBROUTES for key in ("mute_time_intervals", "continue"))


def test_the_templates_are_where_alertmanager_looks_for_them() -> None:
    mounted = Path("/etc/alertmanager")
    found = [
        path
        for pattern in CONFIG["templates"]
        for path in (ROOT / "alertmanager").glob(str(Path(pattern).relative_to(mounted)))
    ]

    assert [path.name for path in found] == ["alertscale.tmpl"]
    assert "./alertmanager:/etc/alertmanager:ro" in COMPOSE["services"]["alertmanager"]["volumes"]
