"""docs/api.md, from the document that the scaler serves."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.markdown import anchor, table

_METHODS: Final = ("get", "post", "put", "patch", "delete")
# What a fence calls a media type where it is not its last word.
_LANGUAGES: Final = {"text/plain": "text", "image/svg+xml": "xml"}
_INTRODUCTION: Final = """# The scaler's API

<!-- Made from scaler/web/schema.py and scaler/web/openapi.py by `make pages`; a test compares.
Change it there. -->

{description}

The scaler listens on `http://127.0.0.1:8000` (`SCALER_PORT` in `.env`), on loopback only, and serves this as
OpenAPI {version} at `/openapi.json`. On a terminal, [`alertscale`](cli.md) makes these calls for you.

The token is made at the first start; send it as a bearer token with what changes something:

```sh
TOKEN=$(docker compose exec -T scaler cat /run/alertscale/token)
curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
     -d '{{"replicas": 3}}' http://localhost:8000/api/v1/services/flask-app/scale
```
"""

Json = Mapping[str, Any]


def page(described: Json) -> str:
    """Return the page as Markdown.

    Args:
        described: OpenAPI 3.1.
    """
    return "\n".join(_page(described)).rstrip("\n") + "\n"


def _page(described: Json) -> Iterator[str]:
    yield _INTRODUCTION.format(description=described["info"]["description"], version=described["openapi"])
    calls = list(_calls(described))
    yield table(
        ("call", "what", "token"),
        [(_link(heading, heading), call["summary"], _needs(call)) for heading, call in calls],
    )
    for tag in described["tags"]:
        yield f"## {tag['name'].capitalize()}\n\n{tag['description']}\n"
        for heading, call in calls:
            if tag["name"] in call["tags"]:
                yield from _call(heading, call)
    yield "## Failures\n\nThe same wherever a call can fail so. `error` is a sentence for a person.\n"
    for name, answer in described["components"]["responses"].items():
        yield f"### {name}\n\n{answer['description']}\n"
        yield from _examples(answer)
    yield "## Values\n"
    for name, schema in described["components"]["schemas"].items():
        yield f"### {name}\n"
        yield from _schema(schema)


def _calls(described: Json) -> Iterator[tuple[str, Json]]:
    for path, item in described["paths"].items():
        for method in _METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def _link(text: str, heading: str, *, code: bool = True) -> str:
    return f"[{f'`{text}`' if code else text}](#{anchor(heading)})"


def _needs(call: Json) -> str:
    return "yes" if "security" in call else ""


def _call(heading: str, call: Json) -> Iterator[str]:
    end = "" if call["summary"].endswith("?") else "."
    text = f"{call['summary']}{end} {call.get('description', '')}".rstrip()
    yield f"### {heading}\n\n{text}\n"
    if "security" in call:
        yield "Needs the token.\n"
    if "parameters" in call:
        yield table(
            ("parameter", "in", "type", "meaning", "example"),
            [
                (f"`{p['name']}`", p["in"], kind(p["schema"]), p["description"], _sample(p))
                for p in call["parameters"]
            ],
        )
    if "requestBody" in call:
        yield "Body:\n"
        for media in call["requestBody"]["content"].values():
            yield from _schema(media["schema"])
        yield from _examples(call["requestBody"])
    yield table(
        ("answer", "what", "body"),
        [(status, *_answer(answer)) for status, answer in sorted(call["responses"].items())],
    )
    for status, answer in sorted(call["responses"].items()):
        if "content" in answer:  # a reference has its own place; 304 has no body
            for media in answer["content"].values():
                yield from _schema(media["schema"], only_fields=True)
            yield f"`{status}`, for example:\n"
            yield from _examples(answer)


def _answer(answer: Json) -> tuple[str, str]:
    if "$ref" in answer:
        name = _name(answer)
        return _link(name, name, code=False), _link("Error", "Error", code=False)
    bodies = [f"{kind(media['schema'])} (`{type_}`)" for type_, media in answer.get("content", {}).items()]
    return answer["description"], ", ".join(bodies)


def _sample(parameter: Json) -> str:
    values = [e["value"] for e in parameter.get("examples", {}).values()]
    values += [parameter["example"]] if "example" in parameter else []
    return ", ".join(f"`{value}`" for value in values)


def _examples(holder: Json) -> Iterator[str]:
    for type_, media in holder["content"].items():
        named = [(e.get("summary", ""), e["value"]) for e in media.get("examples", {}).values()]
        named += [("", media["example"])] if "example" in media else []
        for title, value in named:
            if title:
                yield f"{title[0].upper()}{title[1:]}:\n"
            if isinstance(value, str):
                yield f"```{_LANGUAGES.get(type_, type_.rpartition('/')[2])}\n{value.rstrip()}\n```\n"
            else:
                yield f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _schema(schema: Json, *, only_fields: bool = False) -> Iterator[str]:
    if not only_fields:
        if schema.get("description"):
            yield f"{schema['description']}\n"
        if "$ref" in schema or "enum" in schema:
            yield f"{kind(schema)}.\n"
    rows = list(_rows(schema, ""))
    if rows:
        yield table(("field", "type", "meaning"), rows)


def _rows(schema: Json, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each field; those of objects within follow with their path."""
    for name, field in schema.get("properties", {}).items():
        needed = "" if name in schema.get("required", ()) else " (may be absent)"
        yield f"`{prefix}{name}`", kind(field) + needed, field.get("description", "")
        inner = field.get("items", {})
        yield from _rows(inner, f"{prefix}{name}[].")


def kind(schema: Json) -> str:
    """Say in words of what type a value is."""
    if "$ref" in schema:
        return _link(_name(schema), _name(schema), code=False)
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join("null" if word is None else f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    return _bounded(schema)


def _bounded(schema: Json) -> str:
    types = schema.get("type", "any")
    words = " or ".join([types] if isinstance(types, str) else types)
    words = words.replace("string", schema.get("format", "string"))
    if "minimum" in schema and "maximum" in schema:
        words += f" from {schema['minimum']} to {schema['maximum']}"
    return words + (f", default {schema['default']}" if "default" in schema else "")


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
