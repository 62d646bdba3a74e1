"""Environment variables: defaults, what is read, and all faults at once."""

from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.errors import SettingsError
from scaler.settings import (
    VARIABLES,
    Files,
    Keep,
    Listen,
    Log,
    PrometheusAccess,
    Scope,
    Settings,
    read_settings,
)


def faults(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return caught.value.faults


def test_defaults() -> None:
    assert read_settings({"PATH": "/bin"}) == Settings(
        listen=Listen(host="0.0.0.0", port=8000),
        files=Files(
            data=Path("/var/lib/alertscale/data"),
            upstreams=Path("/var/lib/alertscale/upstreams"),
            token=Path("/run/alertscale/token"),
            stack=Path("/etc/alertscale"),
        ),
        scope=Scope(target="compose", project="", projects=frozenset()),
        prometheus=PrometheusAccess(url="", password_file=Path("/run/monitoring/password")),
        signal_ttl=15.0,
        tick=1.0,
        keep=Keep(events=10_000, log_lines=20),
        log=Log(level="info", format="json"),
    )


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("LISTEN", "127.0.0.1:1", "listen.port", 1),
        ("LISTEN", "127.0.0.1:1", "listen.host", "127.0.0.1"),
        ("DATA", "/d", "files.data", Path("/d")),
        ("UPSTREAMS", "/u", "files.upstreams", Path("/u")),
        ("TOKEN_FILE", "/t", "files.token", Path("/t")),
        ("PROJECT", "shop-2", "scope.project", "shop-2"),
        ("PROJECTS", "shop, blog", "scope.projects", frozenset({"shop", "blog"})),
        ("PROMETHEUS", "http://prometheus:9090/", "prometheus.url", "http://prometheus:9090/"),
        ("PROMETHEUS", "http://me@prometheus:9090", "prometheus.url", "http://me@prometheus:9090"),
        ("PROMETHEUS_PASSWORD_FILE", "/p", "prometheus.password_file", Path("/p")),
        ("STACK", "/s", "files.stack", Path("/s")),
        ("SIGNAL_TTL", "1m", "signal_ttl", 60.0),
        ("TICK", "100ms", "tick", 0.1),
        ("KEEP_EVENTS", "100", "keep.events", 100),
        ("KEEP_LOG_LINES", "0", "keep.log_lines", 0),
        ("LOG_LEVEL", "debug", "log.level", "debug"),
        ("LOG_FORMAT", "console", "log.format", "console"),
    ],
)
def test_good_value(name: str, text: str, attribute: str, value: object) -> None:
    assert attrgetter(attribute)(read_settings({f"ALERTSCALE_{name}": text})) == value


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_counts_as_not_given(name: str) -> None:
    """Compose passes ``${NAME:-}`` on as an empty value."""
    assert read_settings({f"ALERTSCALE_{name}": ""}) == read_settings({})


BAD = {
    "LISTEN": ["8000", ":8000", "0.0.0.0:", "0.0.0.0:0", "0.0.0.0:65536", "0.0.0.0:http"],
    "DATA": ["data", "./data"],
    "UPSTREAMS": ["upstreams"],
    "TOKEN_FILE": ["token"],
    "TARGET": ["kubernetes", "Swarm"],
    "PROJECT": ["Shop", "my shop", "-shop"],
    "PROJECTS": ["shop,My Blog"],
    "PROMETHEUS": [
        "prometheus:9090",
        "https://prometheus",
        "http://",
        "http://a b",
        "http://a:b",
        "http://a:65536",
        "http://me:secret@prometheus:9090",
        "http://@prometheus:9090",
    ],
    "PROMETHEUS_PASSWORD_FILE": ["password"],
    "STACK": ["stack"],
    "SIGNAL_TTL": ["15", "0s", "2h", "9" * 400 + "h"],
    "TICK": ["0s", "50ms", "2m", "often"],
    "KEEP_EVENTS": ["99", "all", "-1", "12345678"],
    "KEEP_LOG_LINES": ["101", "all", "-1", "٣"],
    "LOG_LEVEL": ["loud", "INFO"],
    "LOG_FORMAT": ["xml"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_bad_value_is_named_with_what_is_allowed(name: str, text: str) -> None:
    (fault,) = faults({f"ALERTSCALE_{name}": text})

    said, _, allowed = fault.partition(" is not ")
    assert said == f"ALERTSCALE_{name}: {text!r}"
    assert allowed


def test_every_variable_has_a_bad_value_above() -> None:
    assert set(BAD) == set(VARIABLES)


def test_all_faults_are_listed_at_once() -> None:
    environment = {"ALERTSCALE_TICK": "x", "ALERTSCALE_DATA": "x", "ALERTSCALE_FOO_BAR_BAZ": "x"}

    assert [fault.split()[0].rstrip(":") for fault in faults(environment)] == [
        "ALERTSCALE_DATA",
        "ALERTSCALE_TICK",
        "ALERTSCALE_FOO_BAR_BAZ",
    ]


def test_a_misspelt_variable_is_told_the_right_one() -> None:
    assert faults({"ALERTSCALE_LOGLEVEL": "info"}) == (
        "ALERTSCALE_LOGLEVEL is not known; did you mean ALERTSCALE_LOG_LEVEL?",
    )


def test_a_variable_like_no_other_is_told_all_of_them() -> None:
    (fault,) = faults({"ALERTSCALE_QQQQQQQQ": "x"})

    assert all(f"ALERTSCALE_{name}" in fault for name in VARIABLES)


def test_the_variables_of_the_command_line_are_none_of_ours() -> None:
    environment = {"ALERTSCALE_URL": "http://elsewhere:8000", "ALERTSCALE_TOKEN": "x"}

    assert read_settings(environment) == read_settings({})


@given(st.dictionaries(st.sampled_from([f"ALERTSCALE_{name}" for name in VARIABLES]), st.text()))
def test_any_environment_is_read_or_refused_with_its_names(environment: dict[str, str]) -> None:
    try:
        read_settings(environment)
    except SettingsError as error:
        assert all(fault.startswith("ALERTSCALE_") for fault in error.faults)  # noqa: PT017 - either is fine
