"""Locust's command line, by hand and by itself."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtest.command import arguments, environment
from loadtest.settings import Settings, read_settings

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=UTC)


def settings(**environ: str) -> Settings:
    return read_settings(environ, read=lambda _: "")


def words(**environ: str) -> list[str]:
    return arguments(settings(**environ), locustfile="/x.py", now=NOW)


def test_by_hand_the_page_has_host_users_and_spawn_rate_filled_in() -> None:
    given = " ".join(words())
    assert "--host http://nginx:80/ --users 20 --spawn-rate 2" in given
    assert "--headless" not in given


def test_by_itself_it_reports_into_a_folder_of_the_time_and_the_profile() -> None:
    given = words(LOCUST_AUTOSTART="1", LOCUST_PROFILE="spike")
    assert "--headless" in given
    assert given[given.index("--html") + 1] == "/reports/2026-11-23T090507Z-spike/report.html"
    assert given[given.index("--csv") + 1] == "/reports/2026-11-23T090507Z-spike/load"


def test_the_folder_can_be_named() -> None:
    assert "/reports/mine/report.html" in words(LOCUST_AUTOSTART="1", LOCUST_REPORT="mine")


def test_locust_sees_no_empty_variable_of_its_own_and_the_profile_that_counts() -> None:
    environ = {"LOCUST_AUTOSTART": "1", "LOCUST_RUN_TIME": "", "LOCUST_USERS": "5", "PATH": ""}
    assert environment(environ, settings(**environ)) == {
        "LOCUST_USERS": "5",
        "LOCUST_PROFILE": "steady",
        "PATH": "",
    }
