"""Which webhooks of Alertmanager lead to the scaler, and which miss it. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import SplitResult, urlsplit

from alertscale.check.compose import Service, Stack
from alertscale.check.reach import Whom, reach
from alertscale.check.tree import Node

PATH: Final = "/alerts"
"""Where the scaler takes alerts."""
SCALER: Final = "scaler"
"""The service of the scaler, as alertscale's Compose file calls it."""
_PORT: Final = 8000
_LISTEN: Final = "ALERTSCALE_LISTEN"


class Leads(Enum):
    """Where a webhook leads to."""

    TO_THE_SCALER = "to the scaler"
    PAST_IT = "past it"
    """Meant for the scaler, which does not hear it."""
    PERHAPS = "perhaps"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"
    """To nobody, whoever is meant."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What can be said of a webhook.

    Attributes:
        leads: where to.
        why: what is wrong with one that leads past the scaler, or nowhere.
    """

    leads: Leads
    why: str = ""


def judge(webhook: Node, *, stack: Stack | None, source: Service | None) -> Judged:
    """Tell where a webhook leads to.

    Args:
        webhook: an entry of ``webhook_configs``.
        stack: all services; None if there is no Compose file.
        source: who runs Alertmanager; None if no service of the Compose files does.
    """
    url = webhook.word("url")
    if url is None:
        # url_file: what it says is not known here.
        return Judged(leads=Leads.PERHAPS if webhook.get("url_file") else Leads.ELSEWHERE)
    try:
        parts = urlsplit(url)
        host, given = parts.hostname or "", parts.port
    except ValueError:
        return Judged(leads=Leads.ELSEWHERE)
    reached = reach(stack, source, host)
    scaler = stack.scaler if stack else None
    port = port_of(scaler)
    if reached.whom is Whom.SERVICES:
        ours = scaler in reached.services
        return _of_the_scaler(parts, given, port) if ours else Judged(leads=Leads.ELSEWHERE)
    if reached.whom is Whom.UNKNOWN:
        if host == SCALER:
            return _of_the_scaler(parts, given, port)
        return Judged(leads=Leads.PERHAPS if parts.path == PATH else Leads.ELSEWHERE)
    itself = f"{host} is Alertmanager's own container"
    why = itself if reached.whom is Whom.ITSELF else f"Alertmanager reaches no service that is called {host}"
    # Others have such paths, too: without a scaler here, its port must stand beside it.
    meant = parts.path.rstrip("/") == PATH and (scaler is not None or given == port)
    return Judged(leads=Leads.PAST_IT if meant or host == SCALER else Leads.NOWHERE, why=why)


def port_of(scaler: Service | None) -> int | None:
    """Where the scaler listens; None if a variable says so that is not known."""
    told = scaler.environment.get(_LISTEN) if scaler else None
    if told is None:
        return _PORT
    port = (told.value or "").rpartition(":")[2]
    return int(port) if port.isdecimal() else None


def _of_the_scaler(parts: SplitResult, given: int | None, port: int | None) -> Judged:
    reason = ""
    if parts.scheme != "http":
        reason = f"the scaler speaks http, not {parts.scheme}"
    elif port is not None and (given or 80) != port:
        reason = f"the scaler listens on port {port}, not {given or 80}"
    elif parts.path != PATH:
        reason = f"the scaler takes alerts at {PATH}, not at {parts.path or '/'}"
    return Judged(leads=Leads.PAST_IT if reason else Leads.TO_THE_SCALER, why=reason)
