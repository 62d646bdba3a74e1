"""What must hold of alertmanager/ for anyone who edits it: read from the files, nothing is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ALERTMANAGER = ROOT / "alertmanager"
CONFIG: dict[str, Any] = yaml.safe_load((ALERTMANAGER / "alertmanager.yml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
RECEIVERS = {receiver["name"]: receiver for receiver in CONFIG["receivers"]}
SUBROUTES: list[dict[str, Any]] = CONFIG["route"]["routes"]
AS_LEVELS = [route for route in SUBROUTES if route["receiver"] == "scaler" and "matchers" in route]
RECORDED = [route for route in SUBROUTES if route["receiver"] == "scaler" and "matchers" not in route]
FOR_PEOPLE = [route for route in SUBROUTES if route["receiver"] == "operator"]
FRAGMENTS = sorted((ALERTMANAGER / "receivers").glob("*.yml"))
SECRET_OPTIONS = {"auth_password", "auth_secret", "api_url", "bot_token", "chat_id", "url", "credentials"}
TOKEN = "/run/alertscale/token"

FORGOTTEN_AFTER = 15
"""Seconds after which the scaler forgets an alert that was not repeated (docs/architecture.md)."""


def seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def timing(route: dict[str, Any], key: str) -> int:
    return seconds(route.get(key, CONFIG["route"][key]))


def test_every_route_leads_to_a_receiver_that_is_there() -> None:
    assert {route["receiver"] for route in [CONFIG["route"], *SUBROUTES]} == set(RECEIVERS)


def test_the_last_route_takes_everything_and_so_does_the_one_to_the_status_page() -> None:
    conditions = {"matchers", "match", "match_re"}
    to_all = [route for route in SUBROUTES if not conditions & set(route)]

    assert not conditions & set(CONFIG["route"])
    assert [(route["receiver"], route.get("continue", False)) for route in to_all] == [
        ("scaler", True),
        ("operator", False),
    ]
    assert to_all[-1] is SUBROUTES[-1]


def test_the_webhook_goes_to_the_scaler_with_the_token_and_tells_of_the_end() -> None:
    (webhook,) = RECEIVERS["scaler"]["webhook_configs"]
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


@pytest.mark.parametrize("route", AS_LEVELS, ids=lambda route: route["matchers"][0])
def test_what_the_scaler_holds_as_a_level_comes_at_once_and_well_before_it_is_forgotten(
    route: dict[str, Any],
) -> None:
    # A group is repeated on a tick of its interval if its last notification is strictly older than
    # `repeat_interval`: only a smaller one repeats on every tick.
    assert seconds(route["group_wait"]) == 0
    assert seconds(route["repeat_interval"]) < seconds(route["group_interval"])
    assert seconds(route["group_interval"]) * 2 < FORGOTTEN_AFTER


def test_one_service_does_not_wait_for_the_group_of_another() -> None:
    for route in (CONFIG["route"], *AS_LEVELS[:1], *RECORDED, *FOR_PEOPLE):
        assert {"project", "service"} <= set(route.get("group_by", CONFIG["route"]["group_by"]))


def test_people_are_told_calmly_and_of_a_critical_alert_soon() -> None:
    critical, rest = FOR_PEOPLE
    assert critical["matchers"] == ['severity="critical"']
    assert timing(critical, "group_wait") <= 30
    assert "alertname" in critical["group_by"], "another fault does not wait for the interval of the first"
    assert timing(critical, "group_interval") >= 300
    assert timing(critical, "repeat_interval") >= 4 * 3600
    for key in ("group_wait", "group_interval", "repeat_interval"):
        assert timing(rest, key) > timing(critical, key)


def test_the_status_page_does_not_wait_as_people_do() -> None:
    for route in RECORDED:
        for key in ("group_wait", "group_interval"):
            assert timing(route, key) < min(timing(other, key) for other in FOR_PEOPLE)


def test_nothing_inhibits_an_alert_that_scales_and_nothing_a_critical_one() -> None:
    assert "inhibit_rules" not in CONFIG
    assert not any(
        key in route for route in SUBROUTES for key in ("mute_time_intervals", "active_time_intervals")
    )


def test_only_what_the_scaler_acts_on_is_kept_from_people() -> None:
    ends_there = [
        route["matchers"] for route in SUBROUTES if route["receiver"] == "scaler" and "continue" not in route
    ]
    assert ends_there == [['scale=~"up|down"'], ['alertname="Watchdog"']]


def test_the_marker_that_receivers_are_put_in_at_stands_under_the_operator_alone() -> None:
    text = (ALERTMANAGER / "alertmanager.yml").read_text()
    script = (ALERTMANAGER / "run.sh").read_text()
    marker = re.findall(r"^marker='(.+)'$", script, re.MULTILINE)

    assert text.endswith(f"  - name: operator\n    {marker[0]}\n")
    assert RECEIVERS["operator"] == {"name": "operator"}


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: file.stem)
def test_a_receiver_reads_each_secret_from_a_file_and_tells_of_the_end(file: Path) -> None:
    ((kind, entries),) = yaml.safe_load(file.read_text()).items()
    (entry,) = entries
    named = {key: value for key, value in entry.items() if key.endswith("_file")}

    assert kind.endswith("_configs")
    assert named
    assert all(value.startswith("/run/secrets/") for value in named.values())
    assert not SECRET_OPTIONS & set(entry)
    assert entry["send_resolved"] is True


def test_each_secret_is_explained_where_it_is_put_and_kept_out_of_git() -> None:
    readme = (ROOT / "secrets" / "README.md").read_text()
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    for file in FRAGMENTS:
        for secret in re.findall(r"/run/secrets/([\w-]+)", file.read_text()):
            assert f"`{secret}`" in readme
    assert ignored[ignored.index("secrets/*") + 1] == "!secrets/README.md"
    assert "./secrets:/run/secrets:ro" in COMPOSE["services"]["alertmanager"]["volumes"]


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: file.stem)
def test_each_variable_of_a_receiver_reaches_the_container(file: Path) -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", file.read_text()))

    assert used <= set(COMPOSE["services"]["alertmanager"]["environment"])


def test_the_templates_are_where_alertmanager_looks_for_them() -> None:
    found = [path for pattern in CONFIG["templates"] for path in ALERTMANAGER.glob(pattern)]

    assert "alertscale.tmpl" in [path.name for path in found]
    assert "./alertmanager:/etc/alertmanager:ro" in COMPOSE["services"]["alertmanager"]["volumes"]
