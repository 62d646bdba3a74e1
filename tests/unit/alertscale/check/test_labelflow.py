from __future__ import annotations

import pytest

from alertscale.check.expressions import parse
from alertscale.check.labelflow import ABSENT, Values, values

ANY: Values = None


class Records:
    """The record ``known`` is of the service web; nothing is known of others."""

    def values(self, record: str, label: str) -> Values:
        return frozenset({"web"}) if (record, label) == ("known", "service") else None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cpu", ANY),
        ('cpu{service="api"}', frozenset({"api"})),
        ('cpu{service=~"api|web"}', ANY),
        ("known", frozenset({"web"})),
        ("known > 3", frozenset({"web"})),
        ("3 < known", frozenset({"web"})),
        ("sum(known)", ABSENT),
        ("sum by (service) (known)", frozenset({"web"})),
        ("sum by (project) (known)", ABSENT),
        ("sum without (service) (known)", ABSENT),
        ("sum without (name) (known)", frozenset({"web"})),
        ("topk(2, known)", frozenset({"web"})),
        ('count_values("service", cpu)', ANY),
        ("vector(1)", ABSENT),
        ("1", ABSENT),
        ('absent(up{service="api"})', frozenset({"api"})),
        ("absent(known)", ABSENT),
        ('label_replace(vector(1), "service", "x", "", "")', ANY),
        ('label_replace(known, "other", "x", "", "")', frozenset({"web"})),
        ("histogram_quantile(0.9, sum by (le) (rate(known[1m])))", ABSENT),
        ("clamp(known, 0, 1)", frozenset({"web"})),
        ("max_over_time(known[5m:1s])", frozenset({"web"})),
        ("-(known)", frozenset({"web"})),
        ("known and cpu", frozenset({"web"})),
        ("known unless cpu", frozenset({"web"})),
        ('known or cpu{service="api"}', frozenset({"web", "api"})),
        ("known or cpu", ANY),
        ("known / cpu", frozenset({"web"})),
        ("known / on (service) cpu", frozenset({"web"})),
        ("known / on (name) cpu", ABSENT),
        ("known / ignoring (service) cpu", ABSENT),
        ("known / on (name) group_left cpu", frozenset({"web"})),
        ("sum(cpu) * on () group_right known", frozenset({"web"})),
        ("known * on (name) group_left (service) cpu", ANY),
        ("known * scalar(cpu)", frozenset({"web"})),
    ],
)
def test_the_values_that_a_label_can_have(text: str, found: Values) -> None:
    assert values(parse(text), "service", Records()) == found
