"""The document at /openapi.json and the app say the same."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validators
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from scaler.model import reasons
from scaler.prometheus.chart import RANGES
from scaler.web import openapi
from scaler.web.api import MAX_EVENTS
from scaler.web.webhook import validator
from tests.recording import TOKEN, Recording, recording_app

METHODS = {"get", "put", "post", "delete", "patch", "options", "trace"}
DOCUMENT = "urn:openapi"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    answer = recording_app(Recording()).test_client().get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return dict(answer.get_json())


def within(node: object, *path: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object of the document with the keys that lead to it."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from within(value, *path, key)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from within(value, *path, str(number))


def checker(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(
        DOCUMENT, Resource.from_contents(document, default_specification=DRAFT202012)
    )
    # A reference within the document is one within DOCUMENT.
    text = json.dumps(schema).replace('"#/components', f'"{DOCUMENT}#/components')
    return Draft202012Validator(json.loads(text), registry=registry)


def routes() -> set[tuple[str, str]]:
    app = recording_app(Recording())
    return {
        (method.lower(), re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }


def test_every_route_is_documented_and_every_documented_call_is_a_route(document: dict[str, Any]) -> None:
    documented = {(m, path) for path, item in document["paths"].items() for m in item if m in METHODS}
    assert documented == routes()


def test_what_changes_something_and_only_that_asks_for_the_token(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert ("security" in operation) == (method == "post"), (method, path)
            assert ("401" in operation["responses"]) == (method == "post"), (method, path)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for path, node in within(document):
        if "$ref" in node:
            found: Any = document
            for key in node["$ref"].removeprefix("#/").split("/"):
                assert key in found, (path, node["$ref"])
                found = found[key]


def test_every_call_and_every_answer_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for path, node in within(document):
        if "content" not in node:
            continue
        for kind, media in node["content"].items():
            examples = [e["value"] for e in media.get("examples", {}).values()] + [
                media[key] for key in ("example",) if key in media
            ]
            assert examples, (path, kind)
            for example in examples:
                checker(document, media["schema"]).validate(example)
                seen += 1
    assert seen > 20


def test_every_parameter_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for path, node in within(document):
        for parameter in node.get("parameters", ()):
            examples = [e["value"] for e in parameter.get("examples", {}).values()] + [
                parameter[key] for key in ("example",) if key in parameter
            ]
            assert examples, (path, parameter["name"])
            for example in examples:
                checker(document, parameter["schema"]).validate(example)
                seen += 1
    assert seen >= 4


def test_the_examples_of_schemas_are_of_them(document: dict[str, Any]) -> None:
    seen = 0
    for path, node in within(document):
        if "properties" in path and isinstance(node.get("examples"), list):
            for example in node["examples"]:
                checker(document, node).validate(example)
                seen += 1
    assert seen > 5


def test_every_field_says_what_it_means(document: dict[str, Any]) -> None:
    for path, node in within(document):
        for name, field in node.get("properties", {}).items() if "type" in node else ():
            assert field.get("description"), (*path, name)


def test_every_object_that_answers_has_no_field_beside_those_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if schema["type"] == "object" and name != "Notification":  # Alertmanager may send more
            assert schema["additionalProperties"] is False, name


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for path, node in within(document):
        if path and path[-1] == "schema":
            validators.validator_for(node, default=Draft202012Validator).check_schema(node)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (reasons.ErrorReason, ("Error", "reason")),
        (reasons.DecisionReason, ("Decision", "reason")),
        (reasons.EventKind, ("Event", "kind")),
        (reasons.ReplicaState, ("Replica", "state")),
        (reasons.Direction, ("FiringAlert", "scale")),
        (reasons.Light, ("Station", "light")),
        (RANGES, ("History", "range")),
    ],
)
def test_the_closed_lists_are_the_codes(
    document: dict[str, Any], words: Iterable[str], place: tuple[str, str]
) -> None:
    schema, name = place
    listed = document["components"]["schemas"][schema]["properties"][name]["enum"]
    assert set(listed) == {str(word) for word in words}


def test_each_error_reason_with_a_status_is_named_at_an_answer_of_that_status(
    document: dict[str, Any],
) -> None:
    shared = document["components"]["responses"]
    by_status: dict[int, str] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                name = answer.get("$ref", "").rpartition("/")[2]
                by_status[int(status)] = by_status.get(int(status), "") + (
                    shared[name]["description"] if name else ""
                )
    for reason, status in reasons.HTTP_STATUS.items():
        assert f"`{reason}`" in by_status[status]


def test_the_webhooks_schema_is_the_one_that_bodies_are_held_against(document: dict[str, Any]) -> None:
    own = {k: v for k, v in validator().schema.items() if k not in {"$schema", "$comment", "title"}}  # type: ignore[union-attr]
    assert document["components"]["schemas"]["Notification"] == own


def test_the_bounds_of_a_query_are_the_apps(document: dict[str, Any]) -> None:
    parameters = {p["name"]: p["schema"] for p in document["paths"]["/api/v1/events"]["get"]["parameters"]}
    assert parameters["limit"]["maximum"] == MAX_EVENTS
    client = recording_app(Recording()).test_client()
    for name, schema in parameters.items():
        for value, status in (
            (schema["minimum"], 200),
            (schema["maximum"], 200),
            (schema["minimum"] - 1, 400),
            (schema["maximum"] + 1, 400),
        ):
            assert client.get(f"/api/v1/events?{name}={value}").status_code == status, (name, value)


def test_the_answers_of_a_running_app_are_of_their_schemas(document: dict[str, Any]) -> None:
    client = recording_app(Recording()).test_client()
    token = {"Authorization": f"Bearer {TOKEN}"}
    for method, path, at, body in (
        ("get", "/api/v1/services", "/api/v1/services", None),
        ("get", "/api/v1/events", "/api/v1/events", None),
        ("get", "/api/v1/history?service=shop/web", "/api/v1/history", None),
        ("get", "/api/v1/history?service=shop/nobody", "/api/v1/history", None),
        ("get", "/api/v1/history?service=shop/web&range=2h", "/api/v1/history", None),
        ("get", "/api/v1/pipeline", "/api/v1/pipeline", None),
        ("get", "/healthz", "/healthz", None),
        ("get", "/readyz", "/readyz", None),
        ("post", "/alerts", "/alerts", {"version": "4", "alerts": [{"status": "firing", "labels": {}}]}),
        ("post", "/api/v1/services/shop/web/scale", "/api/v1/services/{name}/scale", {"replicas": 2}),
        ("post", "/api/v1/services/web/scale", "/api/v1/services/{name}/scale", {"replicas": 9}),
        ("post", "/api/v1/services/web/scale", "/api/v1/services/{name}/scale", {"replicas": "x"}),
        ("post", "/api/v1/services/faulty/scale", "/api/v1/services/{name}/scale", {"replicas": 2}),
        (
            "post",
            "/api/v1/services/web/retire",
            "/api/v1/services/{name}/retire",
            {"replicas": ["shop-web-1"]},
        ),
        ("post", "/api/v1/services/web/retire", "/api/v1/services/{name}/retire", {"replicas": ["nobody"]}),
        ("post", "/api/v1/services/web/retire", "/api/v1/services/{name}/retire", {"replicas": []}),
        ("post", "/api/v1/services/nobody/pause", "/api/v1/services/{name}/pause", {"pause": "up"}),
        ("post", "/api/v1/services/web/pause", "/api/v1/services/{name}/pause", {"pause": "up"}),
    ):
        answer = client.open(path, method=method, json=body, headers=token)
        described = document["paths"][at][method]["responses"][str(answer.status_code)]
        if "$ref" in described:
            described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        checker(document, described["content"]["application/json"]["schema"]).validate(answer.get_json())


def test_what_is_served_is_what_the_page_of_the_documentation_is_made_from(document: dict[str, Any]) -> None:
    assert document == openapi.document()
