"""Rules on the way of an alert from Prometheus to Alertmanager."""

import re
from collections.abc import Iterator
from typing import Final

from alertscale.check.findings import Found
from alertscale.check.matching import Matcher, Operator, Verdict
from alertscale.check.programs import ALERTMANAGER, Running, find_running
from alertscale.check.reach import Whom, reach
from alertscale.check.scraping import Target
from alertscale.check.setup import Setup
from alertscale.check.tree import Node

_NEEDED: Final = ("alertname", "scale", "service", "resource", "project")
"""What routes and the scaler tell alerts by."""
_ANYTHING: Final = "(.*)"
"""The default of ``regex``."""
_OLD_PROMETHEUS: Final = re.compile(r":v?[12]\.")
_OLD_ALERTMANAGER: Final = re.compile(r":v?0\.(\d|1\d|2[0-6])(\D|$)")
"""Tags of images that have the first version of the API, which 3.0 and 0.27 have not."""


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
                f"write {_target(setup)}"
                if f"{target.host}:{target.port}" != _target(setup)
                else "put scheme, path_prefix and api_version beside it right, or take them out",
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
    if target.scheme == "https" and running.plain:
        return "Alertmanager speaks http, not https"
    if target.version == "v1" and not _has_v1(setup, running):
        return "api_version: v1 is gone from both programs"
    if running.prefix != target.prefix and running.sure:
        return f"the paths of its API begin with {running.prefix or '/'}, which path_prefix has to say"
    return ""


def _has_v1(setup: Setup, alertmanager: Running) -> bool:
    """Whether both may be old enough for the first version of the API."""
    prometheus = setup.documents.prometheus.running
    if prometheus is None:
        return True
    pairs = ((prometheus, _OLD_PROMETHEUS), (alertmanager, _OLD_ALERTMANAGER))
    images = [(running.service.program.image, running.official, old) for running, old in pairs]
    return all(
        image is None or image.value is None or not official or old.search(image.value)
        for image, official, old in images
    )


def alert_relabelled(setup: Setup) -> Iterator[Found]:
    """Labels that Prometheus takes from alerts before Alertmanager has them."""
    scraping = setup.scraping if setup.for_the_scaler and setup.has_the_loop else None
    for node in scraping.relabelled if scraping else ():
        lost = [label for label in _NEEDED if _loses(node, label, setup)]
        if lost:
            yield Found(
                node.place,
                f"alert_relabel_configs takes {', '.join(lost)} from alerts, or says the same of all",
                "leave these labels as the rules write them: by them alerts are routed, and by them the "
                "scaler knows what to do",
            )


def _loses(node: Node, label: str, setup: Setup) -> bool:
    """Whether one entry surely takes a label away, or gives all alerts the same."""
    action = (node.word("action") or "replace").lower()
    regex = node.word("regex")
    if action in {"labeldrop", "labelkeep"}:
        verdict = Matcher(label, Operator.REGEX, regex or _ANYTHING).judge(frozenset({label}))
        return verdict is (Verdict.YES if action == "labeldrop" else Verdict.NO)
    text = node.word("replacement")
    if action != "replace" or node.word("target_label") != label or text is None or "$" in text:
        return False
    own = setup.stack.project if setup.stack else None
    names = {s.name for s in setup.services}
    meant = (label == "project" and own in {None, text}) or (label == "service" and text in names)
    return regex in {None, _ANYTHING, ".*"} and not meant


def _target(setup: Setup) -> str:
    running = setup.documents.alertmanager.running
    name = running.service.name if running else ALERTMANAGER.name
    return f"{name}:{(running and running.port) or ALERTMANAGER.port}"
