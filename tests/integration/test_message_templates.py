"""What a person reads, rendered by the amtool of the pinned image."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration import amtool
from tests.integration.amtool import Amtool

pytestmark = pytest.mark.engine

Alert = dict[str, Any]

FIRING: Alert = {
    "status": "firing",
    "labels": {
        "alertname": "AtMaxReplicas",
        "project": "shop",
        "service": "web",
        "severity": "warning",
    },
    "annotations": {
        "summary": "web has all 5 replicas and is still busy",
        "description": "An alert has asked shop/web for one more replica.",
        "replicas": "5 ready, at most 5",
        "runbook": "docs/monitoring.md#atmaxreplicas",
    },
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://localhost:10090/graph?g0.expr=a%7Bb%3D%22c%22%7D+%3E+1&g0.tab=1",
}
RESOLVED: Alert = {**FIRING, "status": "resolved", "endsAt": "2026-01-02T03:05:06Z"}
BARE: Alert = {
    "status": "resolved",
    "labels": {"alertname": "NobodyForesawThis"},
    "annotations": {},
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "2026-01-02T03:05:06Z",
    "generatorURL": "",
}
HOSTILE: Alert = {
    **FIRING,
    "labels": {"alertname": 'A"<i>\n# b', "service": "<s>&'", "project": "p\tq", "severity": "critical"},
    "annotations": {
        "summary": "<script>alert(1)</script> & \"q\" 'a'\nnext {{ .Status }}",
        "description": "<!channel> <http://evil|x>\n</b></div><b> & ` *",
        "replicas": "<1>",
        "runbook": "docs/<b>&",
    },
    "generatorURL": "javascript:alert('1')\"><b>",
}
HTML = ("alertscale.html", "alertscale.telegram")
TEXT = ("alertscale.text", "alertscale.slack.text", "alertscale.webhook.text")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amtool]:
    with amtool.running(tmp_path_factory.mktemp("data")) as started:
        yield started


def message(tool: Amtool, template: str, *alerts: Alert) -> str:
    """Render a message about alerts, with what is common to them as Alertmanager finds it."""
    firing = any(alert["status"] == "firing" for alert in alerts)
    common = {
        key: {k: v for k, v in alerts[0][key].items() if all(a[key].get(k) == v for a in alerts)}
        for key in ("labels", "annotations")
    }
    return tool.render(
        template,
        html=template in HTML,
        status="firing" if firing else "resolved",
        alerts=list(alerts),
        commonLabels=common["labels"],
        commonAnnotations=common["annotations"],
    )


def parsed(text: str) -> ET.Element:
    """A message in HTML, whose tags must all be closed."""
    body = text.replace("<!DOCTYPE html>", "").replace('<meta charset="utf-8">', "").replace("<br>", "")
    return ET.fromstring(f"<message>{body.replace('&middot;', '')}</message>")  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("alerts", "title"),
    [
        ([FIRING], "[FIRING 1] warning: AtMaxReplicas (shop/web)"),
        ([FIRING, FIRING, RESOLVED], "[FIRING 2] warning: AtMaxReplicas (shop/web)"),
        ([RESOLVED], "[RESOLVED] warning: AtMaxReplicas (shop/web)"),
        ([BARE], "[RESOLVED] NobodyForesawThis"),
        ([FIRING, BARE], "[FIRING 1] 2 alerts"),
        ([HOSTILE], "[FIRING 1] critical: A\"<i> # b (p q/<s>&')"),
    ],
    ids=["firing", "several", "resolved", "no labels", "nothing in common", "hostile"],
)
def test_the_title_says_what_and_where_on_one_line(tool: Amtool, alerts: list[Alert], title: str) -> None:
    assert message(tool, "alertscale.title", *alerts) == title


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_a_message_says_what_since_when_how_many_replicas_and_where_to_look(
    tool: Amtool, template: str
) -> None:
    text = message(tool, template, FIRING)

    for part in (
        "web has all 5 replicas and is still busy",
        "An alert has asked shop/web for one more replica.",
        "2026-01-02 03:04:05 UTC",
        "shop/web",
        "5 ready, at most 5",
        "docs/monitoring.md#atmaxreplicas",
        "http://localhost:8000/",
        "http://localhost:10090/graph?g0.expr=a%7Bb%3D%22c%22%7D",
    ):
        assert part in text
    assert "03:05:06" not in text
    assert "Resolved:" not in text


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_a_message_about_the_end_says_until_when_and_nothing_of_replicas_back_then(
    tool: Amtool, template: str
) -> None:
    text = message(tool, template, RESOLVED)

    assert "2026-01-02 03:04:05 UTC" in text
    assert "2026-01-02 03:05:06 UTC" in text
    assert "5 ready" not in text


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_what_an_alert_does_not_have_leaves_no_gap(tool: Amtool, template: str) -> None:
    text = message(tool, template, {**BARE, "status": "firing"})

    assert "NobodyForesawThis" in text
    for absent in ("no value", "Service", "eplicas", "What to do", "Graph", "Until", "()", "\n\n\n"):
        assert absent not in text


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_an_alert_without_a_name_is_told_all_the_same(tool: Amtool, template: str) -> None:
    assert "without a name" in message(tool, template, {**BARE, "labels": {}})


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_what_has_ended_comes_after_what_fires(tool: Amtool, template: str) -> None:
    text = message(tool, template, BARE, FIRING)

    assert text.index("web has all 5 replicas") < text.index("Resolved") < text.index("NobodyForesawThis")


@pytest.mark.parametrize("template", [*TEXT, *HTML])
def test_of_many_alerts_the_first_are_told_and_how_many_there_are(tool: Amtool, template: str) -> None:
    long = {**FIRING, "annotations": {**FIRING["annotations"], "description": "why " * 500}}

    text = message(tool, template, *[long] * 40)

    assert "40 in all" in text
    assert 2 < text.count("web has all 5 replicas") <= 10
    if template == "alertscale.telegram":
        # Telegram's bound, past which Alertmanager cuts in the middle of a tag.
        assert len(text) <= 4096


@pytest.mark.parametrize("template", HTML)
def test_html_has_no_tag_and_no_script_of_an_alert(tool: Amtool, template: str) -> None:
    tree = parsed(message(tool, template, HOSTILE, {**HOSTILE, "status": "resolved"}))

    ours = {"message", "html", "head", "title", "body", "h1", "h2", "div", "p", "strong", "table", "tr", "td"}
    assert {element.tag for element in tree.iter()} <= ours | {"a", "b"}
    text = "".join(tree.itertext())
    assert "<script>alert(1)</script> & \"q\" 'a' next {{ .Status }}" in text
    assert "</b></div><b> & ` *" in text
    links = [element.attrib["href"] for element in tree.iter("a")]
    assert links
    assert not [link for link in links if not link.startswith(("http://localhost:", "#"))]


def test_slack_takes_no_mention_and_no_link_from_an_alert(tool: Amtool) -> None:
    text = message(tool, "alertscale.slack.text", HOSTILE)

    assert "&lt;!channel&gt; &lt;http://evil|x&gt;" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \"q\" 'a' next {{ .Status }}" in text
    # What is left are our own links: the status page, silencing, the graph.
    assert text.count("<") == text.count(">") == 3
    assert message(tool, "alertscale.slack.title", HOSTILE) == (
        "[FIRING 1] critical: A\"&lt;i&gt; # b (p q/&lt;s&gt;&amp;')"
    )


@pytest.mark.parametrize(
    ("alerts", "color"),
    [
        ([FIRING], "warning"),
        ([HOSTILE], "danger"),
        ([RESOLVED], "good"),
        ([{**BARE, "status": "firing"}], "warning"),
    ],
    ids=["warning", "critical", "resolved", "no severity"],
)
def test_slack_shows_how_bad_it_is(tool: Amtool, alerts: list[Alert], color: str) -> None:
    assert message(tool, "alertscale.slack.color", *alerts) == color


def test_a_whole_address_of_a_runbook_is_left_as_it_is(tool: Amtool) -> None:
    own = {**FIRING, "annotations": {"runbook": "https://example.org/what to do"}}

    assert "What to do: https://example.org/what to do\n" in message(tool, "alertscale.text", own)


@pytest.mark.parametrize("template", ["alertscale.webhook.title", "alertscale.webhook.text"])
def test_what_goes_into_json_begins_as_no_yaml_does(tool: Amtool, template: str) -> None:
    """Alertmanager reads it as YAML, and renders what it finds."""
    assert message(tool, template, HOSTILE).startswith("\t[FIRING 1] ")
