"""Whatever stands in the files, a check ends with findings and never with an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alertscale.check import Finding, Rule, check
from tests.unit.alertscale.check.good import GOOD, SITE

TEXTS = {**GOOD, ".env": "A=1\n"}
NAMES = sorted(TEXTS)
YAML = sorted(GOOD.keys() - {SITE})
QUICKLY = settings(max_examples=settings().max_examples * 3 // 5)

KEYS = st.sampled_from(
    [
        *("volumes", "configs", "command", "entrypoint", "build", "path", "source", "target", "content"),
        *("services", "web", "labels", "deploy", "ports", "networks", "environment", "name", "include"),
        *("alertscale.enable", "alertscale.max", "alertscale.mx", "ipv4_address", "published", "aliases"),
        *("groups", "rules", "alert", "record", "expr", "for", "keep_firing_for", "interval", "scale"),
        *("service", "resource", "global", "rule_files", "scrape_configs", "scrape_interval", "targets"),
        *("static_configs", "job_name", "external_labels", "route", "routes", "receiver", "receivers"),
        *("matchers", "match", "match_re", "continue", "group_interval", "webhook_configs", "url", "<<"),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "web",
            "true",
            "up",
            "down",
            "cpu",
            "Watchdog",
            "5s",
            "0s",
            "-1",
            "${X:-",
            "*.yml",
            "[",
            "..",
            "a\0b",
            "./prometheus:/etc/prometheus",
            "--config.file=/etc/prometheus/../x",
            "vector(1)",
        ),
        *(
            "sum(rate(web[1s])) > 1",
            'web{a="b"} < 2',
            "a=~(",
            "http://[",
            "http://scaler:8000/alerts",
            "1e999",
        ),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=25,
)


def findings(texts: dict[str, bytes]) -> tuple[Finding, ...]:
    with tempfile.TemporaryDirectory() as directory:
        for name in NAMES:
            path = Path(directory) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(texts.get(name, TEXTS[name].encode()))
        return check(Path(directory)).findings


def assert_whole(found: tuple[Finding, ...]) -> None:
    assert all(f.text and f.way_out and f.line >= 1 and f.rule in set(Rule) for f in found)
    assert len(set(found)) == len(found)


@QUICKLY
@given(st.sampled_from(NAMES), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_any_file(name: str, content: bytes) -> None:
    assert_whole(findings({name: content}))


@QUICKLY
@given(st.sampled_from(YAML), st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
def test_any_yaml_as_any_file(name: str, content: Any) -> None:  # noqa: ANN401 - whatever YAML holds
    assert_whole(findings({name: yaml.safe_dump(content).encode()}))


@st.composite
def scarred(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file with one of its values replaced."""
    name = draw(st.sampled_from(YAML))
    document = yaml.safe_load(GOOD[name])
    at = document
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        if not (isinstance(at[key], dict | list) and at[key]) or draw(st.integers(0, 4)) == 0:
            at[key] = draw(VALUES)
            return name, yaml.safe_dump(document).encode()
        at = at[key]


@QUICKLY
@given(scarred())
def test_any_value_in_the_place_of_a_good_one(broken: tuple[str, bytes]) -> None:
    name, content = broken

    assert_whole(findings({name: content}))
