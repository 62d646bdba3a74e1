"""What Alertmanager sends: what is read, what is refused and where, and how it is answered."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.errors import RequestError, UnavailableError
from scaler.policy.signals import Alert, KnownServices, judge
from scaler.web.app import MAX_BODY
from scaler.web.webhook import _strings_at_once, notification_schema, parse
from tests.unit.scaler.web.site import ALERT, RIGHT, Site, notification

LABELS = {"alertname": "HighCPU", "scale": "up", "service": "web", "resource": "cpu"}
KNOWN = KnownServices(managed=frozenset({("shop", "web")}))

# As Alertmanager 0.33 sends it, with the fields that newer versions added.
NOTIFICATION: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}/{scale=~"up|down"}:{alertname="HighCPU"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "scaler",
    "notification_reason": "new alerts",
    "routeLabels": {"team": "web"},
    "groupLabels": {"alertname": "HighCPU"},
    "commonLabels": LABELS,
    "commonAnnotations": {},
    "externalURL": "http://localhost:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": LABELS,
            "annotations": {"summary": "CPU of web is high"},
            "startsAt": "2026-01-02T03:04:05.678Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://localhost:10090/graph?g0.expr=1",
            "fingerprint": "c0ffee",
        },
        {"status": "resolved", "labels": {**LABELS, "resource": "memory"}, "silencedBy": []},
    ],
}


def parsed(document: object) -> tuple[Alert, ...]:
    return parse(json.dumps(document).encode())


def refusal(body: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        parse(body)
    assert caught.value.status == 400
    return str(caught.value)


class TestParse:
    def test_each_alert_keeps_its_own_status_whatever_the_group_says(self) -> None:
        first, second = parsed(NOTIFICATION)

        assert first == Alert(
            firing=True,
            labels=LABELS,
            annotations={"summary": "CPU of web is high"},
            starts_at="2026-01-02T03:04:05.678Z",
            generator_url="http://localhost:10090/graph?g0.expr=1",
        )
        assert second == Alert(firing=False, labels={**LABELS, "resource": "memory"})
        assert first.name == "HighCPU"

    def test_no_alerts_are_fine(self) -> None:
        assert parsed({"version": "4", "alerts": []}) == ()

    @pytest.mark.parametrize(
        ("document", "place"),
        [
            ([], "$: "),
            ("alerts", "$: "),
            (None, "$: "),
            ({}, "$: 'version' is a required property"),
            ({"version": "4"}, "$: 'alerts' is a required property"),
            ({"version": "5", "alerts": []}, "$.version: '4' was expected"),
            ({"version": "4", "alerts": {}}, "$.alerts: {} is not of type 'array'"),
            ({"version": "4", "alerts": [1]}, "$.alerts[0]: 1 is not of type 'object'"),
            ({"version": "4", "alerts": [{"labels": {}}]}, "$.alerts[0]: 'status' is a required"),
            ({"version": "4", "alerts": [{"status": "firing"}]}, "$.alerts[0]: 'labels' is a required"),
            ({"version": "4", "alerts": [{"status": "odd", "labels": {}}]}, "$.alerts[0].status: 'odd' is"),
            (
                {"version": "4", "alerts": [{"status": "firing", "labels": {"scale": 1}}]},
                "$.alerts[0].labels.scale: 1 is not of type 'string'",
            ),
            (
                {"version": "4", "alerts": [{"status": "firing", "labels": {}, "annotations": {"a": []}}]},
                "$.alerts[0].annotations.a: [] is not of type 'string'",
            ),
            (
                {"version": "4", "alerts": [{"status": "firing", "labels": {}, "startsAt": 0}]},
                "$.alerts[0].startsAt: 0 is not of type 'string'",
            ),
        ],
    )
    def test_a_schema_fault_names_its_place(self, document: object, place: str) -> None:
        assert refusal(json.dumps(document).encode()).startswith(place)

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"{'version': '4'}", b"\xff\xfe\xfd", b"[" * 100_000, b"1" * 5000, b'"\\ud800'],
        ids=lambda body: repr(body[:10]),
    )
    def test_what_is_not_json_is_refused(self, body: bytes) -> None:
        assert refusal(body).startswith("the body is not JSON: ")

    def test_text_that_is_no_unicode_is_refused(self) -> None:
        """Half a surrogate pair passes json.loads, but no database and no log can hold it."""
        body = b'{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "\\ud800"}}]}'

        assert refusal(body).startswith("the body is not JSON: ")

    @pytest.mark.parametrize("depth", [*range(900, 1000, 3), 5000])
    def test_deep_nesting_is_refused(self, depth: int) -> None:
        refusal(b'{"version": "4", "alerts": ' + b"[" * depth + b"]" * depth + b"}")

    def test_foreign_text_is_repeated_in_part_only(self) -> None:
        assert len(refusal(json.dumps({"version": "x" * 100_000, "alerts": "y" * 100_000}).encode())) < 300

    @given(st.binary())
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        _read_or_refused(body)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_any_json_is_read_or_refused(self, document: object) -> None:
        _read_or_refused(json.dumps(document).encode())

    @given(
        st.fixed_dictionaries(
            {
                "version": st.sampled_from(["4", "3", 4]),
                "alerts": st.lists(
                    st.fixed_dictionaries(
                        {"status": st.sampled_from(["firing", "resolved", ""])},
                        optional={
                            "labels": st.dictionaries(st.text(), st.text() | st.none()),
                            "annotations": st.dictionaries(st.text(), st.text()),
                            "more": st.integers(),
                        },
                    )
                ),
            }
        )
    )
    def test_anything_like_a_notification_is_read_or_refused(self, document: object) -> None:
        _read_or_refused(json.dumps(document).encode())


def _read_or_refused(body: bytes) -> None:
    try:
        alerts = parse(body)
    except RequestError:
        return
    for alert in alerts:
        judge(alert, known=KNOWN)


class TestAlerts:
    def test_202_with_one_result_per_alert(self, site: Site) -> None:
        answer = site.post(
            "/alerts",
            notification(
                dict(ALERT.labels),
                {**ALERT.labels, "service": "db"},
                {"alertname": "Watchdog"},
            ),
        )

        assert answer.status_code == 202
        assert answer.get_json() == {
            "results": [
                {"alertname": "HighCPU", "result": "accepted"},
                {
                    "alertname": "HighCPU",
                    "result": "ignored",
                    "reason": "not_enabled",
                    "detail": "'db' does not carry the label alertscale.enable: \"true\"",
                },
                {"alertname": "Watchdog", "result": "accepted"},
            ]
        }
        assert site.webhooks(202) == 1

    def test_a_charset_is_no_other_type(self, site: Site) -> None:
        answer = site.post("/alerts", notification(), content_type="application/json; charset=utf-8")

        assert answer.status_code == 202

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "the body is not JSON"),
            (b"", "the body is not JSON"),
            (b'{"version": "3", "alerts": []}', "$.version: '4' was expected"),
            (b'{"version": "4", "alerts": [{}]}', "$.alerts[0]: 'status' is a required property"),
        ],
    )
    def test_400_names_the_place(self, site: Site, body: bytes, said: str) -> None:
        answer = site.post("/alerts", raw=body)

        assert answer.status_code == 400
        assert answer.get_json()["error"].startswith(said)
        assert answer.get_json()["reason"] == "bad_request"
        assert site.webhooks(400) == 1

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_415_for_another_type(self, site: Site, kind: str) -> None:
        answer = site.post("/alerts", notification(), content_type=kind)

        assert answer.status_code == 415
        assert answer.get_json() == {
            "error": f"Content-Type: {kind!r} is not application/json",
            "reason": "not_json",
        }

    def test_413_for_a_body_that_is_too_large(self, site: Site) -> None:
        answer = site.post("/alerts", raw=b" " * (MAX_BODY + 1))

        assert answer.status_code == 413
        assert answer.get_json()["reason"] == "too_large"
        assert f"{MAX_BODY} bytes" in answer.get_json()["error"]
        assert site.webhooks(413) == 1

    def test_a_notification_of_two_thousand_alerts_is_not(self, site: Site) -> None:
        body = notification(*[{**ALERT.labels, "pad": "x" * 500}] * 2000)

        assert site.post("/alerts", body).status_code == 202

    def test_503_before_the_engine_was_listed_so_that_it_is_sent_again(self, site: Site) -> None:
        site.scaler.error = UnavailableError("the scaler has not listed the engine's services yet; try again")
        answer = site.post("/alerts", notification())

        assert answer.status_code == 503
        assert answer.get_json()["reason"] == "engine_unavailable"
        assert site.webhooks(503) == 1

    def test_405_for_another_method(self, site: Site) -> None:
        answer = site.get("/alerts")

        assert answer.status_code == 405
        assert answer.is_json

    def test_a_refused_request_never_reaches_the_scaler(self, site: Site) -> None:
        for headers in ({}, RIGHT):
            site.post("/alerts", raw=b"{", headers=headers)
            site.post("/alerts", notification(), headers=headers, content_type="text/plain")
        site.post("/alerts", notification(), headers={})

        assert site.scaler.asked == []


def test_maps_of_strings_are_checked_in_one_go_which_halves_the_time_of_a_webhook() -> None:
    entry = notification_schema()["properties"]["alerts"]["items"]["properties"]
    asked: Any = None  # whoever asks it has left the short way
    for name in ("labels", "annotations"):
        wanted = entry[name]["additionalProperties"]
        assert list(_strings_at_once(asked, wanted, {"a": "b"}, entry[name])) == []
