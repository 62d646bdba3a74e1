"""Rules on the way of an alert from Prometheus to Alertmanager."""

from collections.abc import Iterator

from alertscale.check.findings import Found
from alertscale.check.programs import ALERTMANAGER, find_running
from alertscale.check.reach import Whom, reach
from alertscale.check.scraping import Target
from alertscale.check.setup import Setup


def alertmanager_not_reached(setup: Setup) -> Iterator[Found]:
    """Alerts that fire, and that nobody is told of."""
    scraping, file = setup.scraping, setup.documents.prometheus.file
    running = setup.documents.prometheus.running
    if scraping is None or scraping.targets is None or not setup.alerts or file is None:
        return
    if running and running.scripted:
        # What is read in the end is made of this.
        return
    if not scraping.targets:
        yield Found(
            scraping.place,
            f"{file.name} names no Alertmanager, so its {len(setup.alerts)} alerts are delivered to nobody",
            f"add alerting: alertmanagers: [static_configs: [targets: [{_target(setup)}]]]",
        )
    faults = [(target, _fault(setup, target)) for target in scraping.targets]
    if all(fault for _, fault in faults):
        for target, fault in faults:
            yield Found(
                target.place,
                f"Prometheus reaches no Alertmanager at {target.host}:{target.port}{target.prefix}: {fault}",
                f"write {_target(setup)}",
            )


def _fault(setup: Setup, target: Target) -> str:
    """Why no Alertmanager hears what is said there; empty if one may."""
    prometheus = setup.documents.prometheus.running
    reached = reach(setup.stack, prometheus.service if prometheus else None, target.host)
    if reached.whom is Whom.ITSELF:
        return f"{target.host} is Prometheus' own container"
    if reached.whom is Whom.NOBODY:
        return f"it reaches no service that is called {target.host}"
    found = find_running(setup.stack, ALERTMANAGER, built=setup.documents.built) if setup.stack else ()
    running = next((one for one in found if one.service in reached.services), None)
    if running is None:
        return ""
    if running.port is not None and running.port != target.port:
        return f"Alertmanager listens on port {running.port}"
    if running.prefix != target.prefix and running.sure:
        return f"the paths of its API begin with {running.prefix or '/'}, which path_prefix has to say"
    return ""


def _target(setup: Setup) -> str:
    running = setup.documents.alertmanager.running
    name = running.service.name if running else ALERTMANAGER.name
    return f"{name}:{(running and running.port) or ALERTMANAGER.port}"
