"""Whatever is sent: never a 5xx, never a traceback, never a change that was not asked for in full."""

import json
import string
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.recording import TOKEN, Recording, recording_app

BOUNDED = settings(
    max_examples=settings().max_examples * 3 // 2, suppress_health_check=[HealthCheck.too_slow]
)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
RECORDING = Recording()
CLIENT: FlaskClient = recording_app(RECORDING).test_client()

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(["", "up", "down", "web", "shop", "faulty", "cpu", "../../etc/passwd", "a\nb", "\0"])
STRINGS = st.dictionaries(
    st.sampled_from(["alertname", "scale", "service", "project", "resource"]) | st.text(),
    WORDS | st.text(),
    max_size=6,
)
ALERTS = st.lists(
    st.fixed_dictionaries(
        {"status": st.sampled_from(["firing", "resolved"]), "labels": STRINGS},
        optional={"annotations": STRINGS, "startsAt": st.text(), "generatorURL": st.text(), "extra": JSON},
    ),
    max_size=5,
)
NAMES = st.sampled_from(["web", "shop/web", "faulty", "..", "../web", "%2e%2e", "web\n", "\0"]) | st.text(
    min_size=1
)
HEADER_NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20) | st.sampled_from(
    ["Content-Type", "Content-Length", "Host", "Authorization", "Transfer-Encoding", "X-Forwarded-Host"]
)
# What can stand in a header: no line breaks, which the client library refuses to send.
HEADER_VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
POSTS = st.sampled_from(
    ["/alerts", "/api/v1/services/web/scale", "/api/v1/services/web/retire", "/api/v1/services/web/pause"]
)


def send(path: str, **more: Any) -> tuple[TestResponse, list[tuple[object, ...]]]:  # noqa: ANN401 - as the client takes them
    """Send; return the answer and what the autoscaler was told to change."""
    RECORDING.changes.clear()
    # As WSGI hands a path over: past what the client makes of line breaks, dots and double slashes.
    answer = CLIENT.open("/", environ_overrides={"PATH_INFO": path.encode().decode("latin-1")}, **more)
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.status_code >= 400:
        assert answer.request.method == "HEAD" or set(answer.get_json()) == {"error", "reason"}
        assert RECORDING.changes == []
    return answer, list(RECORDING.changes)


@BOUNDED
@given(path=POSTS, body=st.binary() | JSON.map(lambda v: json.dumps(v).encode()), kind=HEADER_VALUES)
def test_without_the_token_nothing_is_read_and_nothing_changed(path: str, body: bytes, kind: str) -> None:
    answer, changes = send(path, method="POST", data=body, headers={"Content-Type": kind})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert changes == []


@BOUNDED
@given(given_token=HEADER_VALUES, scheme=st.sampled_from(["Bearer ", "bearer ", "Basic ", "", "Bearer"]))
def test_no_other_token_is_taken(given_token: str, scheme: str) -> None:
    headers = {"Authorization": scheme + given_token}
    answer, _ = send("/alerts", method="POST", json={}, headers=headers)
    right = scheme.lower() == "bearer " and given_token.strip() == TOKEN
    assert answer.status_code == (400 if right else 401)


@BOUNDED
@given(path=POSTS, body=st.binary())
def test_any_bytes(path: str, body: bytes) -> None:
    answer, changes = send(
        path, method="POST", data=body, headers=AUTHORIZED, content_type="application/json"
    )
    assert answer.status_code == 400
    assert changes == []


@BOUNDED
@given(path=POSTS, body=JSON)
def test_any_json(path: str, body: object) -> None:
    text = json.dumps(body)
    answer, changes = send(
        path, method="POST", data=text, headers=AUTHORIZED, content_type="application/json"
    )
    assert answer.status_code == 400
    assert changes == []


@BOUNDED
@given(alerts=ALERTS, more=st.dictionaries(st.text(), JSON, max_size=2))
def test_any_notification_gets_one_result_an_alert(
    alerts: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    body = more | {"version": "4", "alerts": alerts}
    answer, changes = send("/alerts", method="POST", json=body, headers=AUTHORIZED)
    if answer.status_code == 202:
        results = answer.get_json()["results"]
        assert [r["alertname"] for r in results] == [a["labels"].get("alertname", "") for a in alerts]
        assert len(changes) == len(alerts)
    else:
        assert answer.status_code == 400


@BOUNDED
@given(name=NAMES, body=st.fixed_dictionaries({"replicas": st.integers() | JSON}))
def test_any_name_and_count(name: str, body: dict[str, Any]) -> None:
    answer, changes = send(f"/api/v1/services/{name}/scale", method="POST", json=body, headers=AUTHORIZED)
    assert answer.status_code in {202, 400, 404, 405, 409}
    whole = isinstance(body["replicas"], int) and not isinstance(body["replicas"], bool)
    asked = name in {"web", "shop/web"} and whole and 1 <= body["replicas"] <= 3
    assert changes == ([("scale", name, body["replicas"])] if asked else [])


@BOUNDED
@given(name=NAMES, body=st.fixed_dictionaries({"replicas": st.lists(st.just("shop-web-1")) | JSON}))
def test_any_name_and_replicas_to_take_away(name: str, body: dict[str, Any]) -> None:
    answer, changes = send(f"/api/v1/services/{name}/retire", method="POST", json=body, headers=AUTHORIZED)
    assert answer.status_code in {202, 400, 404, 405, 409}
    named = body["replicas"]
    good = isinstance(named, list) and bool(named) and all(one == "shop-web-1" for one in named)
    asked = name in {"web", "shop/web"} and good
    assert changes == ([("retire", name, tuple(named))] if asked else [])


@BOUNDED
@given(name=NAMES, body=st.fixed_dictionaries({"pause": st.sampled_from(["none", "up", "UP"]) | JSON}))
def test_any_name_and_pause(name: str, body: dict[str, Any]) -> None:
    answer, changes = send(f"/api/v1/services/{name}/pause", method="POST", json=body, headers=AUTHORIZED)
    assert answer.status_code in {200, 400, 404, 405, 409}
    asked = name in {"web", "shop/web"} and body["pause"] in ("none", "up", "down", "all")
    assert changes == ([("pause", name, body["pause"])] if asked else [])


@BOUNDED
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"]),
    path=st.text().map(lambda t: "/" + t)
    | st.sampled_from(
        [
            "/",
            "//alerts",
            "/alerts/",
            "/static/x",
            "/../../etc/passwd",
            "/api/v1/services//scale",
            "/openapi.json",
        ]
    ),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=4),
)
def test_any_method_path_and_headers(method: str, path: str, headers: dict[str, str]) -> None:
    answer, changes = send(path, method=method, headers=headers)
    # 400: a Host header that no host can have.
    assert answer.status_code in {200, 400, 401, 404, 405}
    assert changes == []
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (answer.status_code == 405) == ("Allow" in answer.headers)


NUMBERS = st.text() | st.integers().map(str) | st.integers(0, 30).map(lambda n: "0" * n + "1" * n)


@BOUNDED
@given(limit=NUMBERS, before=NUMBERS)
def test_any_query(limit: str, before: str) -> None:
    answer, _ = send("/api/v1/events", query_string={"limit": limit, "before": before})
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    "path",
    ["/alerts", "/api/v1/services/web/scale", "/api/v1/services/web/retire", "/api/v1/services/web/pause"],
)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"replicas":' * 100_000,
        b'{"version":"4","alerts":[],"replicas":' + b"[" * 900 + b"]" * 900 + b',"pause":[[]]}',
        b'{"version":"4","alerts":[' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        b'{"replicas": ' + b"9" * 5_000 + b"}",
        b'{"pause": "\\ud800", "version": "\\ud800"}',
        b"\xff\xfe",
    ],
)
def test_depth_length_and_broken_text_are_refused_like_anything_else(path: str, body: bytes) -> None:
    answer, _ = send(path, method="POST", data=body, headers=AUTHORIZED, content_type="application/json")
    assert answer.status_code in {202, 400}


@pytest.mark.parametrize(
    "query", ["before=" + "0" * 20 + "9" * 5_000, "before=" + "9" * 17, "limit=%FF", "limit="]
)
def test_a_number_that_no_number_type_holds_is_refused(query: str) -> None:
    assert send("/api/v1/events", query_string=query)[0].status_code == 400
