"""Whom a webhook of Alertmanager's reaches, and which are meant for the scaler."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.compose import Stack
from alertscale.check.layers import Layer, Layers
from alertscale.check.reach import Whom, reach
from alertscale.check.stacking import read_stack
from alertscale.check.tree import read
from alertscale.check.webhooks import Leads, judge

WITH = """\
services:
  am: { image: am, networks: [a, b] }
  hook: { image: s, labels: { alertscale.component: scaler }, networks: { a: { aliases: [other] } } }
  bot: { image: bot, networks: [b], container_name: the-bot }
  apart: { image: bot, networks: [c] }
"""
BESIDE = """\
services:
  am: { image: am, networks: [out], extra_hosts: [box:1.2.3.4] }
  bot: { image: bot, networks: [out] }
networks: { out: { external: true } }
"""
ALONE = "services: { am: { image: am, links: ['x:linked'] } }"


def stack(text: str) -> Stack:
    layers = tuple(
        Layer(document=document, directory=Path(), variables={})
        for document in read(text, file=Path("compose.yml"))
    )
    found = read_stack(Layers(layers=layers), findings=[])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "host", "whom", "services"),
    [
        (WITH, "hook", Whom.SERVICES, ["hook"]),
        (WITH, "other", Whom.SERVICES, ["hook"]),
        (WITH, "the-bot", Whom.SERVICES, ["bot"]),
        (WITH, "apart", Whom.NOBODY, []),
        (WITH, "gone", Whom.NOBODY, []),
        (WITH, "localhost", Whom.ITSELF, []),
        (WITH, "127.0.0.1", Whom.ITSELF, []),
        (WITH, "::1", Whom.ITSELF, []),
        (WITH, "bot.example.org", Whom.UNKNOWN, []),
        (WITH, "10.0.0.7", Whom.UNKNOWN, []),
        (BESIDE, "gone", Whom.UNKNOWN, []),
        (BESIDE, "box", Whom.UNKNOWN, []),
        (ALONE, "linked", Whom.UNKNOWN, []),
        (ALONE.replace("image: am", "image: am, network_mode: host"), "localhost", Whom.UNKNOWN, []),
        (ALONE.replace("image: am", "image: am, network_mode: host"), "gone", Whom.UNKNOWN, []),
    ],
)
def test_a_name_leads_to_services_of_a_shared_network_or_to_what_cannot_be_seen(
    text: str, host: str, whom: Whom, services: list[str]
) -> None:
    whole = stack(text)

    found = reach(whole, whole.services["am"], host)

    assert (found.whom, [service.name for service in found.services]) == (whom, services)


def test_without_a_compose_file_or_the_one_who_asks_little_is_known() -> None:
    assert reach(None, None, "localhost").whom is Whom.UNKNOWN
    assert reach(stack(WITH), None, "localhost").whom is Whom.UNKNOWN
    assert reach(stack(WITH), None, "apart").whom is Whom.SERVICES


@pytest.mark.parametrize(
    ("text", "url", "leads"),
    [
        (WITH, "http://hook:8000/alerts", Leads.TO_THE_SCALER),
        (WITH, "http://hook:8000/alerts/", Leads.PAST_IT),
        (WITH, "http://hook:80/alerts", Leads.PAST_IT),
        (WITH, "https://hook:8000/alerts", Leads.PAST_IT),
        (WITH, "http://hook:8000/", Leads.PAST_IT),
        (WITH, "http://bot:8000/alerts", Leads.ELSEWHERE),
        (WITH, "http://localhost:1/alerts", Leads.PAST_IT),
        (WITH, "http://localhost:1/other", Leads.NOWHERE),
        (WITH, "http://gone/alerts", Leads.PAST_IT),
        (WITH, "http://gone/", Leads.NOWHERE),
        (WITH, "http://10.0.0.7:8000/alerts", Leads.PERHAPS),
        (WITH, "http://10.0.0.7:8000/other", Leads.ELSEWHERE),
        (WITH, "http://[", Leads.ELSEWHERE),
        (WITH, "http://hook:nine/alerts", Leads.ELSEWHERE),
        (BESIDE, "http://scaler:8000/alerts", Leads.TO_THE_SCALER),
        (BESIDE, "http://scaler:8000/alert", Leads.PAST_IT),
        (BESIDE, "http://bot:8000/alerts", Leads.ELSEWHERE),
        (ALONE, "http://scaler:8000/alerts", Leads.PAST_IT),
        (ALONE, "http://localhost:8000/alerts", Leads.PAST_IT),
        (ALONE, "http://localhost:5001/alerts", Leads.NOWHERE),
    ],
)
def test_where_a_webhook_leads(text: str, url: str, leads: Leads) -> None:
    whole = stack(text)
    (webhook,) = read(f"url: '{url}'", file=Path("alertmanager.yml"))

    judged = judge(webhook, stack=whole, source=whole.services["am"])

    assert judged.leads is leads
    assert bool(judged.why) == (leads in {Leads.PAST_IT, Leads.NOWHERE})


def test_a_url_in_a_file_may_lead_anywhere_and_none_nowhere() -> None:
    (file, none) = read("url_file: /run/x\n---\nmax_alerts: 1\n", file=Path("alertmanager.yml"))

    assert judge(file, stack=None, source=None).leads is Leads.PERHAPS
    assert judge(none, stack=None, source=None).leads is Leads.ELSEWHERE
