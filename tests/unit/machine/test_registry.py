"""A failed pull speaks of one image, or of a registry that is away for all of them."""

from __future__ import annotations

import pytest

from machine.registry import registry_is_away


@pytest.mark.parametrize(
    ("said", "away"),
    [
        ('Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host', True),
        ("net/http: request canceled while waiting for connection", True),
        ("the registry gave no answer within 20 s", True),
        ("x509: certificate signed by unknown authority", True),
        ("manifest for nginx:1.30.99 not found: manifest unknown: manifest unknown", False),
        ("pull access denied for nowhere, repository does not exist", False),
        ("toomanyrequests: You have reached your pull rate limit", False),
    ],
)
def test_whether_the_other_images_are_still_tried(said: str, away: bool) -> None:
    assert registry_is_away(said) is away
