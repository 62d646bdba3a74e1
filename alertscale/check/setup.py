"""All that the rules look at: the services, the alerts, the scrapes and the routes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from alertscale.check.compose import Service, Stack
from alertscale.check.dockerfile import Dockerfile
from alertscale.check.findings import Finding, Place
from alertscale.check.programs import Running
from alertscale.check.promrules import Alert, RuleSet, read_rules
from alertscale.check.routing import Routing, read_routing
from alertscale.check.scraping import Scraping, read_scraping
from alertscale.check.sites import Sites, read_sites
from alertscale.check.tree import Node
from alertscale.check.webhooks import Judged, Leads, judge


@dataclass(frozen=True, kw_only=True)
class Config:
    """The file of Prometheus or Alertmanager.

    Attributes:
        document: its tree; None if there is none, or it cannot be read.
        file: where it is; None if it was not found.
        seen: its path in the container that reads it.
        running: the service that reads it; None if none of the Compose files does.
        others: services that run the program too, and whose file is not looked at.
        absent: why there is nothing of it; empty if there is.
    """

    document: Node | None = None
    file: Path | None = None
    seen: str = ""
    running: Running | None = None
    others: tuple[str, ...] = ()
    absent: str = ""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The files beside those of Compose, read.

    Attributes:
        prometheus: its file.
        alertmanager: its file.
        rules: one for each rule file; None if it cannot be known which there are.
        rules_partial: there are more.
        sites: of nginx, by file.
        built: the Dockerfiles of services, by the service's name.
    """

    prometheus: Config = field(default_factory=Config)
    alertmanager: Config = field(default_factory=Config)
    rules: tuple[Node, ...] | None = None
    rules_partial: bool = False
    sites: Mapping[Path, str] = field(default_factory=dict)
    built: Mapping[str, Dockerfile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the files say; each part is None if there is no file for it."""

    stack: Stack | None
    rules: RuleSet | None
    scraping: Scraping | None
    routing: Routing | None
    sites: Sites | None
    documents: Documents

    @property
    def services(self) -> tuple[Service, ...]:
        """All services."""
        return tuple(self.stack.services.values()) if self.stack else ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts."""
        return self.rules.alerts if self.rules else ()

    @cached_property
    def scaling(self) -> tuple[Alert, ...]:
        """The alerts that ask for steps."""
        return tuple(alert for alert in self.alerts if alert.scales)

    @cached_property
    def for_the_scaler(self) -> tuple[Alert, ...]:
        """The alerts that the scaler must be told of without a break."""
        return tuple(alert for alert in self.alerts if alert.is_for_the_scaler)

    def judge(self, webhook: Node) -> Judged:
        """Where a webhook of Alertmanager's leads to."""
        running = self.documents.alertmanager.running
        return judge(webhook, stack=self.stack, source=running.service if running else None)

    @cached_property
    def has_the_loop(self) -> bool:
        """Whether Prometheus and Alertmanager of these files are those by which services are scaled."""
        if self.scaling or (self.stack and self.stack.scaler):
            return True
        receivers = self.routing.receivers.values() if self.routing else ()
        webhooks = [webhook for receiver in receivers for webhook in receiver.webhooks]
        if any(self.judge(w).leads in {Leads.TO_THE_SCALER, Leads.PAST_IT} for w in webhooks):
            return True
        # Those who are on alertscale's own network are scaled by alertscale's own Prometheus.
        stack, file = self.stack, self.documents.prometheus.file
        return bool(stack and file and stack.enabled and not any(map(stack.joins_ours, stack.enabled)))

    def may_concern(self, alert: Alert, service: Service) -> bool:
        """Whether an alert can be about a service."""
        if self.rules is None:
            return True
        names = self.rules.values(alert, "service")
        return self.is_ours(alert) and (names is None or service.name in names)

    def is_ours(self, alert: Alert) -> bool:
        """Whether an alert can be about a service of the project that the Compose files make."""
        projects = self.rules.values(alert, "project") if self.rules else None
        ours = self.stack.project if self.stack else None
        return projects is None or ours is None or not projects.isdisjoint({"", ours})

    def scaled_by(self, alert: Alert) -> tuple[Service, ...]:
        """The services that are surely scaled and that an alert can be about."""
        enabled = self.stack.enabled if self.stack else ()
        if self.rules is None:
            return enabled
        names = self.rules.values(alert, "service")
        ours = self.is_ours(alert)
        return tuple(s for s in enabled if ours and (names is None or s.name in names))


def read_setup(stack: Stack | None, documents: Documents, *, findings: list[Finding]) -> Setup:
    """Read all documents.

    Args:
        stack: the services; None if there is no Compose file.
        documents: the other files' trees.
        findings: what is not of the expected form is added here.

    Returns:
        What could be read.
    """
    prometheus, alertmanager = documents.prometheus.document, documents.alertmanager.document
    scraping = read_scraping(prometheus, findings=findings) if prometheus else None
    return Setup(
        stack=stack,
        rules=read_rules(
            documents.rules,
            place=Place(file=documents.prometheus.file, line=1),
            external_labels=scraping.external_labels if scraping else {},
            partial=documents.rules_partial,
            findings=findings,
        )
        if documents.rules is not None and documents.prometheus.file
        else None,
        scraping=scraping,
        routing=read_routing(alertmanager, findings=findings) if alertmanager else None,
        sites=read_sites(documents.sites) if documents.sites else None,
        documents=documents,
    )
