"""docs/api.md is what the OpenAPI document says, and all of it."""

import json
import re
from typing import Any

import pytest

from scaler.web.openapi import document
from tools.api_page import kind, page
from tools.markdown import anchor

DOCUMENT: dict[str, Any] = document()
TEXT = page(DOCUMENT)


def test_every_call_value_and_failure_has_a_heading() -> None:
    headings = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
    calls = [f"{m.upper()} {path}" for path, item in DOCUMENT["paths"].items() for m in item]
    parts = DOCUMENT["components"]
    assert sorted(headings) == sorted([*calls, *parts["schemas"], *parts["responses"]])


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    targets = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert targets
    assert targets <= anchors


def test_every_example_in_json_can_be_read() -> None:
    examples = re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(examples) > 15
    for example in examples:
        json.loads(example)


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"], "format": "date-time"}, "date-time or null"),
        ({"type": "integer", "minimum": 1, "maximum": 9, "default": 3}, "integer from 1 to 9, default 3"),
        ({"enum": ["up", None]}, "`up`, null"),
        ({"const": "4"}, "`4`"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Event"}}, "list of [Event](#event)"),
        ({"anyOf": [{"$ref": "#/components/schemas/Limits"}, {"type": "null"}]}, "[Limits](#limits) or null"),
    ],
)
def test_types_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind(schema) == words
