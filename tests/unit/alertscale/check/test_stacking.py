from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alertscale.check.compose import Service, Stack
from alertscale.check.findings import Finding
from alertscale.check.layers import Layer, Layers
from alertscale.check.stacking import read_stack
from alertscale.check.tree import read
from scaler.model.labels import COOLDOWN_UP, MAX, MIN


def stack(
    *texts: str, findings: list[Finding] | None = None, variables: Mapping[str, str] | None = None
) -> Stack:
    layers = tuple(
        Layer(document=document, directory=Path(), variables=variables or {})
        for number, text in enumerate(texts)
        for document in read(text, file=Path(f"{number}.yml"))
    )
    result = read_stack(Layers(layers=layers), findings=[] if findings is None else findings)
    assert result is not None
    return result


def web(*bodies: str, **variables: str) -> Service:
    texts = (f"services:\n  web: {body}" for body in bodies)
    return stack(*texts, variables=variables).services["web"]


@pytest.mark.parametrize(
    "body",
    [
        '{ labels: { alertscale.max: "3" } }',
        "{ labels: [alertscale.max=3] }",
        "{ deploy: { labels: { alertscale.max: 3 } } }",
        "{ labels: { alertscale.max: '${MOST:-3}' } }",
    ],
)
def test_labels_are_read_wherever_compose_takes_them(body: str) -> None:
    assert web(body).value(MAX) == 3


def test_a_label_that_is_not_there_has_its_default() -> None:
    assert web("{}").value(COOLDOWN_UP) == COOLDOWN_UP.default


def test_a_label_of_an_unknown_variable_is_not_known() -> None:
    assert web("{ labels: { alertscale.max: $MOST } }").value(MAX) is None
    assert web("{ labels: { alertscale.max: $MOST } }", MOST="4").value(MAX) == 4


@pytest.mark.parametrize(
    ("labels", "enabled"),
    [
        ("{}", False),
        ('{ alertscale.enable: "true" }', True),
        ("{ alertscale.enable: $UNKNOWN }", None),
        ("{ alertscale.enable: perhaps }", None),
    ],
)
def test_a_service_is_enabled_by_its_label(labels: str, enabled: bool | None) -> None:
    assert web(f"{{ labels: {labels} }}").enabled is enabled


def test_a_service_that_extends_another_may_be_enabled_there() -> None:
    assert web("{ extends: { file: base.yml, service: web } }").enabled is None


def test_a_later_file_is_laid_over_an_earlier_one() -> None:
    service = web(
        '{ labels: { alertscale.min: "2", alertscale.max: "3" }, ports: ["80:80"], container_name: a }',
        '{ labels: { alertscale.max: "9" }, ports: ["81:81"] }',
    )

    assert (service.value(MIN), service.value(MAX)) == (2, 9)
    assert [port.value for port in service.host_ports] == ["80", "81"]
    assert service.container_name is not None
    assert service.labels["alertscale.max"].place.file == Path("1.yml")


def test_a_later_file_can_take_away_and_replace() -> None:
    service = web(
        '{ labels: { alertscale.min: "2" }, ports: ["80:80"], container_name: a }',
        '{ labels: !override { alertscale.max: "9" }, ports: !reset [], container_name: !reset null }',
    )

    assert (service.value(MIN), service.value(MAX)) == (1, 9)
    assert service.host_ports == ()
    assert service.container_name is None


def test_an_anchor_brings_labels_with_the_line_where_they_are_written() -> None:
    text = 'x-l: &l\n  alertscale.max: "7"\nservices:\n  web:\n    labels:\n      <<: *l\n'
    service = stack(text).services["web"]

    assert service.value(MAX) == 7
    assert service.labels["alertscale.max"].place.line == 2


@pytest.mark.parametrize(
    ("port", "host"),
    [
        ('"80"', []),
        ('"8080:80"', ["8080"]),
        ('"8080-8090:80"', ["8080-8090"]),
        ('"8080-8081:80-81"', ["8080 to 8081"]),
        ('"127.0.0.1:8080-8081:8080-8081/udp"', ["8080 to 8081"]),
        ('"8080-8080:80-80"', ["8080"]),
        ('"8080-8080:80"', ["8080"]),
        ('"127.0.0.1:8080:80/tcp"', ["8080"]),
        ('"127.0.0.1::80"', [""]),
        ('"[::1]:8080:80"', ["8080"]),
        ("22:22", ["22"]),
        ("{ target: 80 }", []),
        ('{ target: 80, published: "8080" }', ["8080"]),
        ('{ target: 80, published: "8080-8090" }', ["8080-8090"]),
        ('"${PORT}:80"', [None]),
    ],
)
def test_the_hosts_side_of_a_port(port: str, host: list[str | None]) -> None:
    assert [p.value for p in web(f"{{ ports: [{port}] }}").host_ports] == host


def test_the_scaler_is_known_by_its_label_and_reached_by_its_names() -> None:
    text = (
        "services:\n  s:\n    labels: [alertscale.component=scaler]\n    hostname: h\n"
        "    environment: [ALERTSCALE_SIGNAL_TTL=30s]\n    networks: { n: { aliases: [a] } }\n"
    )
    read = stack(text)

    assert read.scaler is not None
    assert read.scaler.names == {"s", "h", "a"}
    assert read.signal_ttl is not None
    assert read.signal_ttl.value == "30s"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "the document is a list"),
        ("services: 3", "services is a text"),
        ("services:", "services is nothing"),
        ("services: { web: 3 }", "the service web is a text"),
        ("services: { web: }", "the service web is nothing"),
        ("services: { web: { labels: x } }", "labels: 'x' is not a mapping"),
        ("services: { web: { labels: } }", "labels has nothing behind it, which Compose refuses"),
        ("services: { web: { labels: [{ alertscale.enable: 'true' }] } }", "write - alertscale.enable=true"),
        ("services: { web: { labels: [5] } }", "an entry of labels is a number, which Compose refuses"),
        ("services: { web: { labels: [true] } }", "an entry of labels is a truth"),
        ("services: { web: { labels: [null] } }", "an entry of labels is nothing"),
        ("services: { web: { labels: [[a]] } }", "an entry of labels is a list"),
        ("services: { web: { labels: { a: [b] } } }", "labels: a is a list, which Compose refuses"),
        ("services: { web: { deploy: { labels: [{ a: b }] } } }", "an entry of labels is a mapping"),
        ("services: { web: { environment: [{ a: b }] } }", "an entry of environment is a mapping"),
    ],
)
def test_what_compose_refuses_is_a_finding(text: str, says: str) -> None:
    findings: list[Finding] = []
    stack(text, findings=findings)

    (found,) = findings
    assert found.rule == "unexpected-form"
    assert says in f"{found.text}; {found.way_out}"


def test_a_colon_in_a_list_of_labels_makes_another_label() -> None:
    assert web("{ labels: ['alertscale.enable: true', yes, 1:30] }").labels.keys() == {
        "alertscale.enable: true",
        "yes",
        "1:30",
    }


@pytest.mark.parametrize(
    ("body", "limited"),
    [
        ("{}", set()),
        ("{ cpus: 1, mem_limit: 1g }", {"cpu", "memory"}),
        ("{ cpu_quota: 50000 }", {"cpu"}),
        ("{ deploy: { resources: { limits: { cpus: '0.5' } } } }", {"cpu"}),
        ("{ deploy: { resources: { reservations: { memory: 1g } } } }", set()),
        ("{ cpus: 0, mem_limit: $UNKNOWN }", {"memory"}),
    ],
)
def test_limits_are_read_wherever_compose_takes_them(body: str, limited: set[str]) -> None:
    assert web(body).limited == limited
