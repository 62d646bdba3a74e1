"""Rules on the way of an alert through Alertmanager."""

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from alertscale.check import durations
from alertscale.check.findings import Found, nearest
from alertscale.check.promrules import Alert
from alertscale.check.routing import Receiver, Route, has_credentials
from alertscale.check.setup import Setup
from alertscale.check.tree import Node
from alertscale.check.webhooks import PATH, SCALER, Leads, port_of
from scaler.model.labels import parse_duration

_PERHAPS_TO_IT: Final = frozenset({Leads.TO_THE_SCALER, Leads.PAST_IT, Leads.PERHAPS})
DEFAULT_TTL: Final = 15.0
"""Seconds after which the scaler forgets an alert that it is not told of again, if nobody says otherwise."""


def alertmanager_refuses(setup: Setup) -> Iterator[Found]:
    """What Alertmanager refuses the whole file for, so that it delivers nothing or what it did before."""
    yield from setup.routing.refused if setup.routing else ()


def undefined_receiver(setup: Setup) -> Iterator[Found]:
    """A route to nobody, with which Alertmanager refuses the whole file."""
    routing = setup.routing
    if routing is None:
        return
    if not routing.root.receiver:
        yield Found(
            routing.root.place,
            "the first route has no receiver, so Alertmanager refuses the file",
            "name the receiver of all alerts that no other route takes",
        )
    for route in routing.root.all():
        if route.named and route.receiver and route.receiver not in routing.receivers:
            near = nearest(route.receiver, routing.receivers)
            yield Found(
                route.named,
                f"no receiver is called {route.receiver!r}, so Alertmanager refuses the file",
                f"did you mean {near}?" if near else "define it under receivers, or name another one",
            )


def undelivered_alert(setup: Setup) -> Iterator[Found]:
    """An alert that reaches nobody."""
    for alert in setup.alerts:
        receivers = [_receiver(setup, route) for route in _reached(setup, alert)]
        silent = {r.name: why for r in receivers if r and (why := _why_silent(setup, r))}
        if receivers and all(receiver and receiver.name in silent for receiver in receivers):
            yield Found(
                alert.place,
                f"{alert.name} is routed to {', '.join(map(repr, silent))}, which tells nobody: "
                f"{', '.join(dict.fromkeys(silent.values()))}",
                "give the receiver an integration (email_configs, webhook_configs, ...) that reaches "
                "somebody, or route the alert to one that has",
            )


def _why_silent(setup: Setup, receiver: Receiver) -> str:
    """Why a receiver tells nobody; empty if it may."""
    if not receiver.integrations:
        return "it has no integration"
    judged = [setup.judge(webhook) for webhook in receiver.webhooks]
    nowhere = [one.why for one in judged if one.leads is Leads.NOWHERE]
    return nowhere[0] if len(nowhere) == receiver.integrations else ""


def scaler_not_reached(setup: Setup) -> Iterator[Found]:
    """An alert that the scaler needs and does not get."""
    for alert in setup.for_the_scaler if setup.has_the_loop else ():
        routes = _reached(setup, alert)
        if any(_delivers(setup, route) for route in routes) and not _to_the_scaler(setup, routes):
            yield Found(
                alert.place,
                f"{alert.name} is delivered to {', '.join(sorted({repr(r.receiver) for r in routes}))}, "
                f"but to no webhook of the scaler's {PATH}",
                f"route it to a receiver with a webhook such as {_url(setup)}",
            )


def own_scaler_not_told(setup: Setup) -> Iterator[Found]:
    """Webhooks that may lead to a scaler, though surely none leads to that of the project."""
    webhooks = [(one, setup.judge(one).leads) for _, one in _webhooks(setup)]
    perhaps = [one for one, leads in webhooks if leads is Leads.PERHAPS]
    told = any(leads in {Leads.TO_THE_SCALER, Leads.PAST_IT} for _, leads in webhooks)
    own = setup.stack is not None and setup.stack.scaler is not None and bool(setup.for_the_scaler)
    if own and not told and all(map(_is_of_a_domain, perhaps)):
        for webhook in perhaps:
            yield Found(
                webhook.entries["url"].place,
                f"no webhook surely reaches the scaler of this project: {webhook.word('url')} "
                "leads out of it",
                f"write url: {_url(setup)}, unless that address is handed on to the scaler",
            )


def _is_of_a_domain(webhook: Node) -> bool:
    """Whether its host is neither an address, which may be this machine's, nor in a file of its own."""
    host = urlsplit(webhook.word("url") or "").hostname or ""
    return "." in host and not host.replace(".", "").isdecimal()


def webhook_misses_scaler(setup: Setup) -> Iterator[Found]:
    """A webhook that is meant for the scaler, and that it does not hear."""
    for receiver, webhook in _webhooks(setup):
        judged = setup.judge(webhook)
        if judged.leads is Leads.PAST_IT:
            yield Found(
                (webhook.get("url") or webhook).place,
                f"the webhook of the receiver {receiver.name!r} to {webhook.word('url')} does not reach the "
                f"scaler: {judged.why}",
                f"write url: {_url(setup)}",
            )


def webhook_without_token(setup: Setup) -> Iterator[Found]:
    """A webhook to the scaler that it answers with 401."""
    for receiver, webhook in _webhooks(setup):
        http = webhook.get("http_config")
        authorized = setup.routing.authorized if http is None and setup.routing else False
        ours = setup.judge(webhook).leads is Leads.TO_THE_SCALER
        if ours and not authorized and not (http and has_credentials(http)):
            yield Found(
                webhook.place,
                f"the webhook of the receiver {receiver.name!r} to {webhook.word('url')} "
                "sends no token, so the scaler refuses what it says",
                "add http_config with authorization: credentials_file: /run/alertscale/token",
            )


def repeat_not_below_group(setup: Setup) -> Iterator[Found]:
    """A route that misses every other occasion to repeat."""

    def slow(route: Route) -> bool:
        return route.repeat_interval.seconds >= route.group_interval.seconds

    for route, name in _only_routes(setup, slow):
        yield Found(
            route.repeat_interval.place,
            f"repeat_interval: {route.repeat_interval} is not shorter than group_interval: "
            f"{route.group_interval} on the route of {name}, so it is repeated only every "
            f"{durations.show(route.repetition)}",
            f"make repeat_interval shorter than {route.group_interval}: a group is repeated on a tick of "
            "group_interval if the last time is longer ago than repeat_interval",
        )


def ttl_below_repetition(setup: Setup) -> Iterator[Found]:
    """Alerts that the scaler forgets before it is told of them again."""
    ttl = _ttl(setup)
    for route, name in _only_routes(setup, lambda r: r.repetition >= ttl) if ttl is not None else ():
        yield Found(
            route.group_interval.place,
            f"the scaler forgets an alert after {durations.show(ttl or 0)} of silence, but {name} is "
            f"repeated only every {durations.show(route.repetition)}",
            "set group_interval: 5s and repeat_interval: 4s on the route to the scaler, or raise "
            "ALERTSCALE_SIGNAL_TTL",
        )


def _ttl(setup: Setup) -> float | None:
    text = setup.stack.signal_ttl if setup.stack else None
    try:
        return DEFAULT_TTL if text is None or text.value == "" else parse_duration(text.value or "")
    except ValueError:
        # Not known here; the scaler reports it when it starts.
        return None


def _reached(setup: Setup, alert: Alert) -> tuple[Route, ...]:
    rules, routing = setup.rules, setup.routing
    if rules is None or routing is None:
        return ()
    return routing.reached(lambda label: rules.values(alert, label))


def _receiver(setup: Setup, route: Route) -> Receiver | None:
    return setup.routing.receiver(route) if setup.routing else None


def _delivers(setup: Setup, route: Route) -> bool:
    receiver = _receiver(setup, route)
    return receiver is not None and receiver.integrations > 0


def _webhooks(setup: Setup) -> Iterator[tuple[Receiver, Node]]:
    for receiver in setup.routing.receivers.values() if setup.routing else ():
        yield from ((receiver, webhook) for webhook in receiver.webhooks)


def _to_the_scaler(setup: Setup, routes: tuple[Route, ...]) -> list[Route]:
    """The routes that may lead there, those included that are told to miss it."""
    receivers = [(route, _receiver(setup, route)) for route in routes]
    return [
        route
        for route, to in receivers
        if to and any(setup.judge(w).leads in _PERHAPS_TO_IT for w in to.webhooks)
    ]


def _url(setup: Setup) -> str:
    scaler = setup.stack.scaler if setup.stack else None
    name = scaler.name if scaler else SCALER
    return f"http://{name}:{port_of(scaler) or '<its port>'}{PATH}"


def _only_routes(setup: Setup, is_bad: Callable[[Route], bool]) -> Iterator[tuple[Route, str]]:
    """Bad routes, each once with an alert, on which the scaler depends: no other brings it the alert."""
    told: set[Route] = set()
    for alert in setup.for_the_scaler if setup.has_the_loop else ():
        routes = _to_the_scaler(setup, _reached(setup, alert))
        if all(is_bad(route) for route in routes):
            yield from ((route, alert.name) for route in routes if route not in told)
            told.update(routes)
