"""Which rule in Prometheus an entry of the history goes back to."""

from collections.abc import Mapping, Sequence
from typing import Final

from scaler.model.reasons import EventKind
from scaler.model.records import Event
from scaler.model.services import ServiceKey

_ASKS: Final[Mapping[str, str]] = {
    "alert_up": "up",
    "restore": "up",
    "at_max": "up",
    "up_cooldown": "up",
    "not_helped": "up",
    "not_named": "up",
    "alert_down": "down",
    "at_min": "down",
    "down_cooldown": "down",
    "not_all_low": "down",
}


def rule_links(events: Sequence[Event]) -> Mapping[int, str]:
    """Find the address of each entry's rule.

    An alert carries its own; a decision and a step have that of the last alert before them that asked the
    same of their service.

    Args:
        events: newest first.

    Returns:
        Addresses by the entries' ids; without those that go back to no alert among ``events``.
    """
    last: dict[tuple[ServiceKey, str], str] = {}
    links = {}
    for event in reversed(events):
        if event.kind is EventKind.ALERT:
            url = str(event.detail.get("url", ""))
            labels = event.detail.get("labels")
            scale = str(labels.get("scale", "")) if isinstance(labels, Mapping) else ""
            last[event.service, scale] = url
        else:
            asked = event.reason if event.kind is EventKind.DECISION else str(event.detail.get("why", ""))
            url = last.get((event.service, _ASKS.get(asked, "none")), "")
        if url:
            links[event.id] = url
    return links
