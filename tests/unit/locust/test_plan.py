"""What a run asks for at each moment."""

from __future__ import annotations

import pytest
from loadtest.plan import Plan, plan
from loadtest.settings import read_settings

TRACE = "seconds,requests_per_second\n0,4\n10,8\n"


def planned(**environ: str) -> Plan:
    found = plan(read_settings(environ, read=lambda _: TRACE))
    assert found is not None
    return found


def test_without_a_profile_the_web_ui_decides() -> None:
    assert plan(read_settings({}, read=lambda _: TRACE)) is None


def test_the_closed_model_asks_for_users_until_the_run_is_over() -> None:
    found = planned(LOCUST_PROFILE="step", LOCUST_USERS="8", LOCUST_RUN_TIME="40")
    assert not found.arrivals
    assert [found.users(second) for second in (0, 10, 20, 30, 39.9, 40, 50)] == [2, 4, 6, 8, 8, None, None]


def test_a_ramp_begins_with_one_user() -> None:
    assert planned(LOCUST_PROFILE="ramp").users(0) == 1


def test_the_open_model_has_one_user_that_makes_all_arrivals() -> None:
    found = planned(LOCUST_PROFILE="step", LOCUST_ARRIVAL_RATE="40", LOCUST_RUN_TIME="40")
    assert found.arrivals
    assert [found.users(second) for second in (0, 39, 40)] == [1, 1, None]
    assert [found.load(second) for second in (0, 10, 39)] == [10, 20, 40]


def test_a_trace_is_of_the_open_model_with_its_own_rate_and_length() -> None:
    found = planned(LOCUST_PROFILE="trace", LOCUST_RUN_TIME="1h")
    assert found.arrivals
    assert found.seconds == 10
    assert found.load(5) == pytest.approx(6)
