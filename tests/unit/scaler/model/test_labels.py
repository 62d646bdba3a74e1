"""The labels of a service: defaults, what is read, what is refused and how it is said."""

import math
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.errors import LabelError
from scaler.model.labels import (
    ALL,
    Balance,
    Cooldown,
    Limits,
    Probe,
    Requests,
    Scheme,
    is_enabled,
    parse_duration,
    read_limits,
)
from scaler.model.reasons import Pause


def faults(labels: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(LabelError) as caught:
        read_limits(labels)
    return caught.value.faults


def test_defaults_are_those_of_the_design() -> None:
    assert read_limits({"alertscale.enable": "true"}) == Limits(
        minimum=1,
        maximum=10,
        step=1,
        resources=("cpu", "memory"),
        cooldown=Cooldown(up=10.0, down=60.0),
        probe=Probe(path=None, host=None, scheme=Scheme.HTTP, timeout=60.0),
        requests=Requests(port=None, keepalive=1.0, balance=Balance.ROUND_ROBIN, drain=30.0),
        pause=Pause.NONE,
    )


@pytest.mark.parametrize(
    ("label", "text", "attribute", "value"),
    [
        ("min", "3", "minimum", 3),
        ("min", " 3 ", "minimum", 3),
        ("max", "1", "maximum", 1),
        ("max", "1000", "maximum", 1000),
        ("step", "100", "step", 100),
        ("port", "1", "requests.port", 1),
        ("port", "65535", "requests.port", 65535),
        ("ready", "/", "probe.path", "/"),
        ("ready", "/ready?deep=1", "probe.path", "/ready?deep=1"),
        ("ready-host", "shop.example.org", "probe.host", "shop.example.org"),
        ("ready-host", "localhost:8000", "probe.host", "localhost:8000"),
        ("ready-scheme", "https", "probe.scheme", Scheme.HTTPS),
        ("ready-scheme", "forwarded-https", "probe.scheme", Scheme.FORWARDED_HTTPS),
        ("ready-timeout", "2m", "probe.timeout", 120.0),
        ("resources", "cpu", "resources", ("cpu",)),
        ("resources", "cpu, queue-depth,cpu", "resources", ("cpu", "queue-depth")),
        ("cooldown.up", "0s", "cooldown.up", 0.0),
        ("cooldown.down", "1m30s", "cooldown.down", 90.0),
        ("drain", "500ms", "requests.drain", 0.5),
        ("keepalive", "0s", "requests.keepalive", 0.0),
        ("keepalive", "1500ms", "requests.keepalive", 1.5),
        ("balance", "round-robin", "requests.balance", Balance.ROUND_ROBIN),
        ("balance", "least-conn", "requests.balance", Balance.LEAST_CONN),
        ("balance", "ip-hash", "requests.balance", Balance.IP_HASH),
        ("balance", "consistent-hash", "requests.balance", Balance.CONSISTENT_HASH),
        ("pause", "none", "pause", Pause.NONE),
        ("pause", "up", "pause", Pause.UP),
        ("pause", "down", "pause", Pause.DOWN),
        ("pause", "all", "pause", Pause.ALL),
    ],
)
def test_good_value(label: str, text: str, attribute: str, value: object) -> None:
    assert attrgetter(attribute)(read_limits({f"alertscale.{label}": text})) == value


WHOLE = ["", "-1", "1.5", "many", "0x2", "1e1", "٣"]
DURATIONS = [
    "",
    "10",
    "ten",
    "-1s",
    "1.5s",
    "1d",
    "10 s",
    "1h ago",
    "9" * 400 + "h",
    "9" * 5000 + "s",
    "9999999h",
]


@pytest.mark.parametrize(
    ("label", "text"),
    [("enable", t) for t in ["", "yes", "1", "on"]]
    + [("min", t) for t in ["0", "1001", *WHOLE]]
    + [("max", t) for t in ["0", "1001", *WHOLE]]
    + [("step", t) for t in ["0", "101", *WHOLE]]
    + [("port", t) for t in ["0", "65536", *WHOLE]]
    + [("ready", t) for t in ["", "ready", "http://x/ready", "/a b", "/a\r\nHost: x", "/" + "a" * 256]]
    + [("ready-host", t) for t in ["", "a b", "a\r\nX: y", "http://a", "a:", "a/b", "-", "a" * 254]]
    + [("ready-scheme", t) for t in ["", "HTTP", "tls"]]
    + [("ready-timeout", t) for t in DURATIONS]
    + [("resources", t) for t in ["", "cpu,", "CPU", "cpu memory", "a" * 64]]
    + [("cooldown.up", t) for t in DURATIONS]
    + [("cooldown.down", t) for t in DURATIONS]
    + [("drain", t) for t in DURATIONS]
    + [(hook, t) for hook in ("post-start", "pre-stop") for t in ["", "/warm", "[{}]"]]
    + [("keepalive", t) for t in DURATIONS]
    + [("balance", t) for t in ["", "least_conn", "ip_hash", "round_robin", "random", "IP-HASH"]]
    + [("pause", t) for t in ["", "true", "both", "UP"]],
)
def test_bad_value_is_named_with_its_label(label: str, text: str) -> None:
    (fault,) = faults({f"alertscale.{label}": text})

    assert fault.startswith(f"alertscale.{label}: {text!r} is not ")


def test_every_label_has_a_bad_value_above_and_a_meaning() -> None:
    marks: list[pytest.MarkDecorator] = test_bad_value_is_named_with_its_label.pytestmark  # type: ignore[attr-defined]
    tried = {label for mark in marks for label, _ in mark.args[1]}

    assert {label.name for label in ALL} == tried
    assert all(label.meaning for label in ALL)


@pytest.mark.parametrize(
    ("labels", "healthy", "seconds"),
    [
        ({}, 0.0, 60.0),
        ({}, 12.0, 60.0),
        ({}, 150.0, 150.0),
        ({"alertscale.ready": "/ready"}, 150.0, 60.0),
        ({"alertscale.ready-timeout": "10s"}, 150.0, 10.0),
    ],
    ids=["no check", "a quick one", "a slow one", "which does not decide", "the label"],
)
def test_a_new_replica_has_as_long_as_its_health_check_may_take(
    labels: dict[str, str], healthy: float, seconds: float
) -> None:
    assert read_limits(labels, healthy=healthy).probe.timeout == seconds


def test_all_faults_are_listed_at_once() -> None:
    labels = {
        "alertscale.min": "none",
        "alertscale.drain": "soon",
        "alertscale.mx": "3",
        "alertscale.max": "4",
    }

    assert [fault.split(":")[0] for fault in faults(labels)] == [
        "alertscale.min",
        "alertscale.drain",
        "alertscale.mx",
    ]


def test_the_bounds_must_not_cross() -> None:
    (fault,) = faults({"alertscale.min": "4", "alertscale.max": "3"})

    assert fault == "alertscale.min: '4' is more than alertscale.max: '3'"


def test_a_min_above_the_default_max_is_a_fault_too() -> None:
    (fault,) = faults({"alertscale.min": "11"})

    assert "alertscale.max: '10'" in fault


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("alertscale.maximum", "alertscale.max"), ("alertscale.cooldown-up", "alertscale.cooldown.up")],
)
def test_a_misspelt_label_is_told_the_right_one(misspelt: str, meant: str) -> None:
    (fault,) = faults({misspelt: "3"})

    assert fault == f"{misspelt}: '3' is a label that alertscale does not know; did you mean {meant}?"


def test_a_label_like_no_other_gets_no_suggestion() -> None:
    (fault,) = faults({"alertscale.zzzzqqqq": "3"})

    assert fault.endswith("does not know")


def test_labels_of_others_and_the_component_are_left_alone() -> None:
    labels = {"com.example.min": "x", "alertscale.component": "nginx", "alertscaler.min": "x"}

    assert read_limits(labels) == Limits()


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        (None, False),
        ("false", False),
        (" False ", False),
        ("true", True),
        ("TRUE", True),
        ("yes", True),
        ("", True),
    ],
)
def test_what_tries_to_be_enabled_is_enabled_so_that_its_fault_is_seen(
    text: str | None, enabled: bool
) -> None:
    assert is_enabled({} if text is None else {"alertscale.enable": text}) is enabled


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("250ms", 0.25), ("10s", 10), ("1m", 60), ("1h", 3600), ("1h1m1s1ms", 3661.001)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@given(st.text() | st.from_regex(r"(\d+(ms|s|m|h))+", fullmatch=True))
def test_a_duration_is_finite_or_refused(text: str) -> None:
    """Whatever is read is a time that a thread can be told to wait."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds < math.inf
    assert seconds <= 30 * 24 * 3600


@given(st.dictionaries(st.sampled_from([f"alertscale.{label.name}" for label in ALL]), st.text()))
def test_any_labels_are_read_or_refused_with_their_names(labels: dict[str, str]) -> None:
    try:
        limits = read_limits(labels)
    except LabelError as error:
        assert all(fault.startswith("alertscale.") for fault in error.faults)  # noqa: PT017 - either is fine
    else:
        assert 1 <= limits.minimum <= limits.maximum
