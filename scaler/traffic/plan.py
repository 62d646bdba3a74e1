"""Who belongs into which upstream. Values in, values out.

An address is in an upstream only while a live replica of that very service has it, and a name belongs to one
service alone; what a service lacks is its own trouble.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scaler.model.labels import PORT, PREFIX
from scaler.model.services import Instance, Replica, Service, ServiceKey
from scaler.model.view import NOT_ASKED, View
from scaler.traffic.contract import Balancer, Upstream
from scaler.traffic.readiness import address_on, serving_port


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What nginx is to have.

    Attributes:
        upstreams: of every service that it can reach.
        behind: ids of all replicas of these services.
        last: ids of replicas that are not ready and serve all the same, since none of theirs is.
        names: what each of these services is called.
        faults: why a service has no upstream, one sentence each.
    """

    upstreams: tuple[Upstream, ...]
    behind: frozenset[str]
    last: frozenset[str]
    names: Mapping[ServiceKey, str]
    faults: Mapping[ServiceKey, tuple[str, ...]]


def is_unasked(view: View) -> bool:
    """Whether a running replica has not answered yet: its readiness is not known, rather than denied."""
    return any(
        replica.status == "running" and view.readiness.get(replica.id, NOT_ASKED) == NOT_ASKED
        for service in view.observation.services
        for replica in service.replicas
    )


def plan(view: View, *, own_project: str, has: Balancer, first: bool) -> Plan:
    """Decide what nginx is to have.

    Args:
        view: the world.
        own_project: whose services' upstreams carry no project in their names.
        has: what nginx has.
        first: nothing is known of who served: then whom nginx has did.
    """
    balancer = view.observation.balancer
    reached = [s for s in view.observation.services if balancer and _reaches(balancer, s)]
    names, faults = _names(reached, own_project, has)
    upstreams: list[Upstream] = []
    last: set[str] = set()
    for service in reached:
        name = names.get(service.key)
        if name is None or balancer is None:
            continue
        looked_at = first or any(_is_unread(r, view) for r in service.replicas)
        servers = has.carried(name) if looked_at else frozenset()
        chosen = _chosen(view, service, servers if first else frozenset())
        last |= {r.id for r in chosen if not view.is_ready(r)}
        try:
            upstreams.append(_upstream(name, service, chosen, view=view, balancer=balancer, has=servers))
        except ValueError as error:
            sentence = f"nginx cannot serve {service.key[1]}: {error}; give the service another name"
            faults[service.key] = (sentence,)
    return Plan(
        upstreams=tuple(upstreams),
        behind=frozenset(r.id for s in reached for r in s.replicas),
        last=frozenset(last),
        names=names,
        faults=faults,
    )


def _is_unread(replica: Replica, view: View) -> bool:
    """Whether it has a label for its port that cannot be read, and none is known of before."""
    return PREFIX + PORT.name in replica.labels and view.observation.route(replica).requests.port is None


def _reaches(balancer: Instance, service: Service) -> bool:
    """Whether they share a network; a service of which nothing has an address may come back to one."""
    addressed = [r for r in service.replicas if r.addresses]
    return not addressed or any(address_on(r, balancer.networks) for r in addressed)


def _names(
    services: list[Service], own_project: str, has: Balancer
) -> tuple[dict[ServiceKey, str], dict[ServiceKey, tuple[str, ...]]]:
    """Give each service a name that no other has; nginx compares them without regard to case.

    Whoever has one keeps it, though all of its containers may be younger by now: else visitors of the one
    would be answered by the other.
    """
    taken: dict[str, ServiceKey] = {}
    names: dict[ServiceKey, str] = {}
    faults: dict[ServiceKey, tuple[str, ...]] = {}
    called = {s.key: s.key[1] if s.key[0] == own_project else ".".join(s.key) for s in services}
    times = Counter(name.lower() for name in called.values())

    def is_new(service: Service) -> bool:
        name = called[service.key]
        return times[name.lower()] > 1 and has.owner(name) != _words(service.key)

    for service in sorted(services, key=lambda s: (is_new(s), _age(s))):
        name = called[service.key]
        first = taken.setdefault(name.lower(), service.key)
        if first == service.key:
            names[service.key] = name
            continue
        sentence = (
            f"nginx cannot tell {name} from the service {first[1]} of the project {first[0]}, which has that"
            " name; give the service another name"
        )
        faults[service.key] = (sentence,)
    return names, faults


def _words(key: ServiceKey) -> str:
    return "/".join(key)


def _age(service: Service) -> tuple[float, ServiceKey]:
    return min((r.created_at for r in service.replicas), default=0.0), service.key


def _chosen(view: View, service: Service, has: frozenset[tuple[str, int]]) -> list[Replica]:
    """The ready ones; else those that served just before, which an overloaded one may do again.

    One that was started anew is new: it serves when it is ready.
    One that somebody else has asked to stop is out: its address may be another's a moment after its end.
    One that we take away goes before one that stays.
    """
    ready = [r for r in service.replicas if view.is_ready(r)]
    if ready:
        return ready
    hosts = {host for host, _ in has}
    served = [
        r
        for r in service.replicas
        if r.live
        and not r.leaving
        and r.id not in view.stopping
        and not view.readiness.get(r.id, NOT_ASKED).anew
        and (r.id in view.serving or r.name in hosts or hosts & set(r.addresses.values()))
    ]
    return [r for r in served if r.id not in view.draining] or served


def _upstream(
    name: str,
    service: Service,
    chosen: list[Replica],
    *,
    view: View,
    balancer: Instance,
    has: frozenset[tuple[str, int]],
) -> Upstream:
    """Write down servers, and how nginx finds replicas by itself at its start.

    Of a replica whose port cannot be read, it is the one that nginx has.

    Raises:
        ValueError: something has no place in a configuration file.
    """
    known = dict(sorted(has))

    def port(replica: Replica) -> int | None:
        had = (known[a] for a in (replica.name, *replica.addresses.values()) if a in known)
        at = next(had, None) if _is_unread(replica, view) else None
        return at or serving_port(replica, view.observation.route(replica))

    servers = {
        r.name: (address, at)
        for r in chosen
        if (address := address_on(r, balancer.networks)) is not None and (at := port(r)) is not None
    }
    begins = {r.name: at for r in service.replicas if r.live and (at := port(r)) is not None}
    how = view.observation.route(service.newest)
    return Upstream(
        name=name,
        keepalive=how.requests.keepalive,
        balance=how.requests.balance,
        service=_words(service.key),
        servers=tuple(servers.values()),
        fallback=tuple(f"{n}:{p}" for n, p in begins.items() if not servers or n in servers),
    )
